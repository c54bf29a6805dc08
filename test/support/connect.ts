// connect.ts ADDRESS PORT [MILLISECONDS]: opens one TCP connection and prints how it went as a line of JSON:
//   {"outcome": "connected" | "timeout" | errno name, "ms": time to the outcome}
// Run in the namespace from which the connection is to come, so that no start-up time is in the figure.
import { connect } from 'node:net'

export interface Attempt {
  readonly outcome: string
  readonly ms: number
}

if (import.meta.main) {
  const [host = '', port = '', patience = '1000'] = process.argv.slice(2)
  // The first connection of a process takes milliseconds of its own; loopback takes them here.
  await attempt('::1', 1, 100)
  console.log(JSON.stringify(await attempt(host, Number(port), Number(patience))))
}

function attempt(host: string, port: number, patience: number): Promise<Attempt> {
  const { promise, resolve } = Promise.withResolvers<Attempt>()
  const began = performance.now()
  const socket = connect({ host, port, family: 6 })
  const end = (outcome: string): void => {
    resolve({ outcome, ms: Math.round((performance.now() - began) * 100) / 100 })
    socket.destroy()
  }
  socket.on('connect', () => end('connected'))
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  setTimeout(() => end('timeout'), patience).unref()
  return promise
}
