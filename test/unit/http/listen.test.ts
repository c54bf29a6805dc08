import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect, createServer as createSocket, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { listen } from '../../../src/http/listen.ts'
import { ENDPOINT, fakeDaemon, NETWORK } from './fake-daemon.ts'

const folder = mkdtempSync(join(tmpdir(), 'slash64-listen-'))
after(() => rmSync(folder, { recursive: true }))

let sockets = 0
const freshPath = (): string => join(folder, `${++sockets}`, 'slash64.sock')

async function post(path: string, url: string, body = '', agent?: Agent): Promise<{ status: number; body: string }> {
  const options = { socketPath: path, path: url, method: 'POST', ...(agent ? { agent } : {}) }
  const outgoing = request(options).end(body)
  const [response] = await once(outgoing, 'response')
  const chunks = await response.toArray()
  return { status: response.statusCode, body: Buffer.concat(chunks).toString() }
}

const connections = (server: Server): Promise<number> => promisify(server.getConnections.bind(server))()

/** Sends bytes as they are, and answers what came back until `until` is in it. */
async function raw(path: string, bytes: string, until: RegExp): Promise<string> {
  const socket = connect(path)
  socket.write(bytes)
  let received = ''
  for await (const chunk of socket) {
    received += chunk
    if (until.test(received)) break
  }
  return received
}

test('a fresh path: folder made, mode 0660, answers, socket gone after close', async () => {
  const { app } = fakeDaemon()
  const path = freshPath()
  await listen(app, path)
  assert.equal(statSync(path).mode & 0o777, 0o660)
  const activated = await post(path, '/Plugin.Activate')
  assert.deepEqual(activated, { status: 200, body: '{"Implements":["NetworkDriver","IpamDriver"]}' })
  await app.close()
  assert.equal(existsSync(path), false)
})

test('an empty Host header (20.10), none of the timeouts, no Content-Type', async () => {
  const { app, commands } = fakeDaemon()
  const path = freshPath()
  await listen(app, path)
  const body = `{"NetworkID":"${NETWORK}","EndpointID":"${ENDPOINT}"}\n`
  const head = ['POST /NetworkDriver.Leave HTTP/1.1', 'Host: ', 'User-Agent: Go-http-client/1.1']
  const headers = [...head, `Content-Length: ${body.length}`, 'Accept: application/vnd.docker.plugins.v1.2+json']
  assert.match(await raw(path, `${headers.join('\r\n')}\r\n\r\n${body}`, /\{\}$/), /^HTTP\/1\.1 200 OK\r\n/)
  assert.equal(commands.length, 1)
  const { keepAliveTimeout, requestTimeout, timeout } = app.server
  assert.deepEqual(
    { keepAliveTimeout, requestTimeout, timeout },
    { keepAliveTimeout: 0, requestTimeout: 0, timeout: 0 },
  )
  await app.close()
})

test('connections that never finish hold up neither requests nor the end', async () => {
  const { app } = fakeDaemon()
  const path = freshPath()
  await listen(app, path)
  const stuck = [
    'POST /NetworkDriver.Le',
    'POST /NetworkDriver.Leave HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{',
  ]
  const sockets = stuck.map(bytes => {
    const socket = connect(path).resume()
    socket.write(bytes)
    return socket
  })
  for (let index = 0; index < 20; index++) assert.equal((await post(path, '/Plugin.Activate')).status, 200)
  for (const socket of sockets) assert.equal(socket.destroyed, false)
  for (const socket of sockets) socket.destroy()
  await app.close()
})

test('a body that is too large is read to the end and refused, and the connection lives on', async () => {
  const { app } = fakeDaemon()
  const path = freshPath()
  await listen(app, path)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const { status, body } = await post(path, '/NetworkDriver.Join', ' '.repeat(6 * 1024 * 1024), agent)
  assert.equal(status, 413)
  assert.match(JSON.parse(body).Err, /larger than 4 MiB/)
  assert.equal((await post(path, '/Plugin.Activate', '', agent)).status, 200)
  assert.equal(await connections(app.server), 1)
  agent.destroy()
  await app.close()
})

test('what reaches the server before its connections are gone is answered', async () => {
  const asked = Promise.withResolvers<void>()
  const slow = Promise.withResolvers<undefined>()
  const { app } = fakeDaemon({
    answer: () => {
      asked.resolve()
      return slow.promise
    },
  })
  const path = freshPath()
  await listen(app, path)
  const body = `{"NetworkID":"${NETWORK}"}`
  const bytes = `POST /NetworkDriver.DeleteNetwork HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const socket = connect(path)
  socket.write(bytes)
  await asked.promise
  const closed = app.close()
  await new Promise(resolve => setImmediate(resolve))
  socket.write(bytes)
  await once(app.server, 'request')
  slow.resolve(undefined)
  const received = Buffer.concat(await socket.toArray()).toString()
  assert.equal(received.match(/HTTP\/1\.1 200 OK/g)?.length, 2, received)
  await closed
})

test('the socket file of a dead process is replaced', async () => {
  const path = join(folder, 'stale.sock')
  const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await once(spawn(process.execPath, ['-e', code]), 'exit')
  assert.ok(statSync(path).isSocket())
  const { app } = fakeDaemon()
  await listen(app, path)
  assert.equal((await post(path, '/Plugin.Activate')).status, 200)
  await app.close()
})

test('a path on which somebody answers is refused, and left alone', async () => {
  const [first, second] = [fakeDaemon(), fakeDaemon()]
  const path = freshPath()
  await listen(first.app, path)
  await assert.rejects(listen(second.app, path), { code: 'SOCKET_IN_USE', message: /another slash64 is running/ })
  assert.equal((await post(path, '/Plugin.Activate')).status, 200)
  await second.app.close()
  assert.equal((await post(path, '/Plugin.Activate')).status, 200)
  await first.app.close()
})

test('what is no socket, or no place for one, is refused and left alone', async () => {
  const file = join(folder, 'file')
  writeFileSync(file, 'kept')
  const refusals: [string, RegExp][] = [
    [file, /cannot listen on .*: it is no socket; remove what is there/],
    [folder, /it is no socket/],
    [join(file, 'slash64.sock'), /cannot listen on .*(EEXIST|ENOTDIR)/],
    [join(folder, 'a'.repeat(120)), /cannot listen on/],
  ]
  for (const [path, message] of refusals) {
    const { app } = fakeDaemon()
    await assert.rejects(listen(app, path), { code: 'SOCKET_UNUSABLE', message })
    await app.close()
  }
  assert.ok(statSync(file).size === 4)
})

test('a descriptor that is listening already, as systemd hands it on', async () => {
  const path = join(folder, 'activated.sock')
  const opener = createSocket().listen(path)
  await once(opener, 'listening')
  const code = `
    import { listen } from '../../../src/http/listen.ts'
    import { fakeDaemon } from './fake-daemon.ts'
    await listen(fakeDaemon().app, { fd: 3 })
    console.log('up')`
  const { fd } = Reflect.get(opener, '_handle') as { fd: number }
  const options = ['--conditions=nftables-js-source', '--input-type=module-typescript', '-e', code]
  const child = spawn(process.execPath, options, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit', fd] })
  await once(child.stdout ?? child, 'data')
  const kept = `${path}.kept`
  renameSync(path, kept)
  opener.close()
  assert.equal((await post(kept, '/Plugin.Activate')).status, 200)
  child.kill()
  await once(child, 'exit')
})
