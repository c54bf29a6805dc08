// peer.ts PORT…: a server on each port, TCP and UDP. It tells a client its address as the server sees it, then sends back what it gets.
// Prints "ready" when it listens.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const ports = process.argv.slice(2).map(Number)
await Promise.all(ports.flatMap(port => [serveTcp(port), serveUdp(port)]))
process.on('SIGTERM', () => process.exit(0))
console.log('ready')

async function serveTcp(port: number): Promise<void> {
  const server = createServer(socket => {
    socket.on('error', () => socket.destroy())
    socket.write(`${socket.remoteAddress}\n`)
    socket.pipe(socket)
  })
  server.listen(port, '::')
  await once(server, 'listening')
}

async function serveUdp(port: number): Promise<void> {
  const socket = createSocket('udp6')
  socket.on('message', (message, from) => socket.send(`${from.address}\n${message}`, from.port, from.address))
  socket.bind(port, '::')
  await once(socket, 'listening')
}
