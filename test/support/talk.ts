// talk.ts ADDRESS PORT: talks to a server of peer.ts until SIGTERM, then prints one line of JSON, a Conversation. Every 10 ms one numbered
// datagram over UDP and one numbered line over a TCP connection that stays; nothing of it is sent twice by us.
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What became of it all. `lost`: numbers of datagrams that no answer came to. `tcp`: lines sent and lines that came back, and how it broke. */
export interface Conversation {
  readonly sent: number
  readonly lost: readonly number[]
  readonly tcp: { readonly sent: number; readonly back: number; readonly error: string }
}

const PERIOD = 10
const [host = '', portText = ''] = process.argv.slice(2)
const port = Number(portText)
const open = new Set<number>()
const tcp = { sent: 0, back: 0, error: '' }
let sent = 0
let ended = false

const datagrams = createSocket('udp6')
datagrams.on('message', message => open.delete(Number(String(message).split('\n')[1])))
datagrams.on('error', () => undefined)
await new Promise<void>(resolve => datagrams.connect(port, host, resolve))

const stream = connect({ host, port, family: 6, noDelay: true })
let greeted = false
let rest = ''
stream.setEncoding('utf8').on('data', text => {
  const lines = (rest + text).split('\n')
  rest = lines.pop() ?? ''
  tcp.back += lines.length - (greeted ? 0 : 1)
  if (!greeted) console.log('ready')
  greeted = true
})
stream.on('error', (error: NodeJS.ErrnoException) => {
  tcp.error = error.code ?? error.message
})
stream.on('close', () => {
  tcp.error ||= ended ? '' : 'closed'
})

process.on('SIGTERM', () => {
  ended = true
})
while (!ended) {
  open.add(++sent)
  datagrams.send(String(sent))
  if (greeted && !stream.destroyed) stream.write(`${++tcp.sent}\n`)
  await sleep(PERIOD)
}
await sleep(300)
console.log(JSON.stringify({ sent, lost: [...open], tcp } satisfies Conversation))
process.exit(0)
