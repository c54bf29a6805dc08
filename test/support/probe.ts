// probe.ts PROBES: runs a JSON list of Probe at once and prints a JSON list of Finding, in the same order. Run it in the namespace from which
// the packets are to come, so that no start-up time is in the figures.
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'

/** One question to an address. `patience`: milliseconds to wait, 1000 when absent. `source`: own address to bind to. */
export interface Probe {
  readonly protocol: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
  readonly patience?: number
  readonly source?: string
}

/**
 * `outcome`: `answered`, `timeout`, or the name of an errno. `answer`: the first line that came, of a server of peer.ts the client's address.
 * `ms`: time to the outcome.
 */
export interface Finding {
  readonly outcome: string
  readonly answer: string
  readonly ms: number
}

if (import.meta.main) {
  const probes = JSON.parse(process.argv[2] ?? '[]') as Probe[]
  // The first connection of a process takes milliseconds of its own; loopback takes them here.
  await Promise.all([
    run({ protocol: 'tcp', address: '::1', port: 1 }),
    run({ protocol: 'udp', address: '::1', port: 1 }),
  ])
  console.log(JSON.stringify(await Promise.all(probes.map(run))))
}

async function run(probe: Probe): Promise<Finding> {
  const began = performance.now()
  const { promise, resolve } = Promise.withResolvers<readonly [outcome: string, answer: string]>()
  const close = (probe.protocol === 'tcp' ? tcp : udp)(probe, (outcome, answer = '') => resolve([outcome, answer]))
  const timer = setTimeout(() => resolve(['timeout', '']), probe.patience ?? 1000)
  const [outcome, answer] = await promise
  clearTimeout(timer)
  const ms = Math.round((performance.now() - began) * 100) / 100
  close()
  return { outcome, answer: answer.split('\n')[0] ?? '', ms }
}

type End = (outcome: string, answer?: string) => void

function tcp({ address, port, source }: Probe, end: End): () => void {
  const socket = connect({ host: address, port, family: 6, ...(source ? { localAddress: source } : {}) })
  socket.setEncoding('utf8')
  socket.on('data', text => end('answered', String(text)))
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  return () => socket.destroy()
}

function udp({ address, port, source }: Probe, end: End): () => void {
  const socket = createSocket('udp6')
  socket.on('message', text => end('answered', String(text)))
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  const ask = (): void => {
    // A connected socket hears of ICMPv6 errors.
    socket.connect(port, address, () => socket.send('?'))
  }
  if (source) socket.bind({ address: source }, ask)
  else ask()
  return () => socket.close()
}
