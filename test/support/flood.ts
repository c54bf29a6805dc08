// flood.ts PATH LINK FRAME...: a process that sends frames (hex) as soon as LINK exists in the namespace at PATH, and goes on with the next link of
// that name when it goes. Prints a line when it starts, and ends by SIGTERM with the number of rounds that it sent.
import { inNamespace, isNetlinkError, NetlinkSocket } from 'nftables-js/netlink'
import { getLink } from '../../src/kernel/rtnetlink/link.ts'
import { PacketSocket } from './packet-socket.ts'

if (import.meta.main) {
  const [path = '', link = '', ...frames] = process.argv.slice(2)
  flood(
    path,
    link,
    frames.map(frame => Buffer.from(frame, 'hex')),
  )
}

function flood(path: string, name: string, frames: readonly Buffer[]): void {
  const route = inNamespace(path, () => NetlinkSocket.open('route'))
  let rounds = 0
  let sender: PacketSocket | undefined
  process.on('SIGTERM', () => {
    console.log(rounds)
    process.exit()
  })
  console.log('ready')
  const turn = (): void => {
    const end = performance.now() + 5
    while (performance.now() < end) {
      const index = sender ? undefined : getLink(route, { name })?.index
      if (index !== undefined) sender = PacketSocket.open(path, index)
      if (sender && sent(sender, frames)) rounds++
      else sender = undefined
    }
    setImmediate(turn)
  }
  turn()
}

/** False when the link is gone. One that is not up yet is tried again. */
function sent(sender: PacketSocket, frames: readonly Buffer[]): boolean {
  try {
    for (const frame of frames) sender.send(frame)
    sender.received()
    return true
  } catch (error) {
    if (isNetlinkError(error, 'ENETDOWN', 'ENOBUFS')) return true
    sender.close()
    if (isNetlinkError(error, 'ENXIO', 'ENODEV')) return false
    throw error
  }
}
