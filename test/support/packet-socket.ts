// Raw frames in and out of a namespace: AF_PACKET sockets (packet(7), linux/if_packet.h).
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { inNamespace, NetlinkError } from 'nftables-js/netlink'
import { getLink } from '../../src/kernel/rtnetlink/link.ts'
import * as libc from '../../src/nftables-js/src/netlink/libc.ts'
import type { Netns } from './netns.ts'
import { type View, view } from './packet-view.ts'

const AF_PACKET = 17
const ETH_P_ALL = 3
const SOL_PACKET = 263
const PACKET_IGNORE_OUTGOING = 23
const FRAME_BYTES = 70_000

/** One link's frames. Sent ones are not seen again; received ones wait in the kernel until they are read. */
export class PacketSocket implements Disposable {
  readonly #fd: number
  readonly #buffer = Buffer.alloc(FRAME_BYTES)

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** Opens it on a link, given by index, in the namespace at `path`. Throws NetlinkError. */
  static open(path: string, index: number): PacketSocket {
    // Without a protocol it hears nothing until bind() gives it both link and protocol.
    const fd = inNamespace(path, () =>
      libc.socket(AF_PACKET, libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK, 0),
    )
    if (fd < 0) throw new NetlinkError('open packet socket', libc.errno())
    const one = Buffer.alloc(4)
    one.writeInt32LE(1)
    const room = Buffer.alloc(4)
    room.writeInt32LE(16 << 20)
    const failed =
      libc.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, one, 4) < 0 ||
      libc.setsockopt(fd, libc.SOL_SOCKET, libc.SO_RCVBUFFORCE, room, 4) < 0 ||
      libc.bind(fd, linkAddress(index), 20) < 0
    if (!failed) return new PacketSocket(fd)
    const code = libc.errno()
    libc.closeDescriptor(fd)
    throw new NetlinkError('bind packet socket', code)
  }

  /** Sends one frame. Over veth it has gone its whole way, as a rule, when this returns. Throws NetlinkError. */
  send(frame: Buffer): void {
    if (libc.send(this.#fd, frame, frame.length, 0) < 0) throw new NetlinkError('send frame', libc.errno())
  }

  /** The frames that came since the last call. */
  received(): Buffer[] {
    const frames: Buffer[] = []
    for (;;) {
      const length = libc.recv(this.#fd, this.#buffer, FRAME_BYTES, libc.MSG_DONTWAIT)
      const code = libc.errno()
      if (length >= 0) frames.push(Buffer.from(this.#buffer.subarray(0, length)))
      // ENETDOWN: the link went down or away.
      else if (code === constants.errno.EAGAIN || code === constants.errno.ENETDOWN) return frames
      else throw new NetlinkError('receive frame', code)
    }
  }

  close(): void {
    libc.closeDescriptor(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Collects the frames of a link that a filter wants, from now until it is disposed. */
export class Capture implements Disposable {
  readonly #socket: PacketSocket
  readonly #wants: (frame: View) => boolean
  readonly #seen: View[] = []

  constructor(socket: PacketSocket, wants: (frame: View) => boolean) {
    this.#socket = socket
    this.#wants = wants
  }

  /** Everything so far. */
  frames(): readonly View[] {
    this.#seen.push(...this.#socket.received().map(view).filter(this.#wants))
    return this.#seen
  }

  /** The first that `wants` as well, waited for up to `patience` milliseconds; undefined when none came. */
  async first(patience = 1000, wants: (frame: View) => boolean = () => true): Promise<View | undefined> {
    const end = performance.now() + patience
    for (;;) {
      const found = this.frames().find(wants)
      if (found || performance.now() > end) return found
      await sleep(1)
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}

/** Index of a link in a namespace. Throws when there is none of that name. */
export function linkIndex(ns: Netns, name: string): number {
  using socket = ns.socket('route')
  const link = getLink(socket, { name })
  if (!link) throw new Error(`no link ${name} in ${ns.name}`)
  return link.index
}

/** Starts to collect what comes in over a link. */
export function capture(ns: Netns, link: string, wants: (frame: View) => boolean = () => true): Capture {
  return new Capture(PacketSocket.open(ns.path, linkIndex(ns, link)), wants)
}

/** sockaddr_ll: family, protocol in network order, index; the rest is for sendto. */
function linkAddress(index: number): Buffer {
  const address = Buffer.alloc(20)
  address.writeUInt16LE(AF_PACKET, 0)
  address.writeUInt16BE(ETH_P_ALL, 2)
  address.writeInt32LE(index, 4)
  return address
}
