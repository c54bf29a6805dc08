// sd_listen_fds(3) as systemd does it: with real descriptors, passed to real processes.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, suite, test } from 'node:test'
import fc from 'fast-check'
import { PluginError } from '../../src/errors.ts'
import { passedSocket } from '../../src/http/passed.ts'

const folder = await mkdtemp(join(tmpdir(), 'slash64-passed-'))
after(() => rm(folder, { recursive: true }))

const PASSED = join(import.meta.dirname, '../../src/http/passed.ts')
/** Says what it was passed. */
const PROGRAM = `
const { passedSocket } = await import('${PASSED}')
try {
  const socket = passedSocket(process.env, process.pid)
  const left = Object.keys(process.env).filter(name => name.startsWith('LISTEN_'))
  process.stdout.write(JSON.stringify({ socket, left }) + '\\n')
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error.code, message: error.message }) + '\\n')
}`

/** What the program says when it has `fd` as descriptor 3. `pid` is shell text. */
async function passedTo(fd: number | 'ignore', { pid = '$$', count = '1' } = {}) {
  const node = `exec "$0" --disable-warning=ExperimentalWarning --conditions=nftables-js-source -e "$1"`
  const shell = `LISTEN_PID=${pid} LISTEN_FDS=${count} LISTEN_FDNAMES=slash64.socket ${node}`
  const child = spawn('sh', ['-c', shell, process.execPath, PROGRAM], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
  })
  assert.ok(child.stdout)
  return JSON.parse(await text(child.stdout)) as object
}

async function listening(at: string | number): Promise<{ server: Server; fd: number }> {
  const server = createServer()
  await new Promise<void>(resolve =>
    server.listen(typeof at === 'string' ? at : { port: at, host: '127.0.0.1' }, resolve),
  )
  return { server, fd: descriptorOf(server) }
}

/** Node shows no descriptors. */
const descriptorOf = (one: object) => (one as { _handle: { fd: number } })._handle.fd

suite('the socket that systemd passes', () => {
  test('is descriptor 3 of the process that it is meant for, and the variables go no further', async t => {
    const { server, fd } = await listening(join(folder, 'good.sock'))
    t.after(() => server.close())
    assert.deepEqual(await passedTo(fd), { socket: { fd: 3 }, left: [] })
  })

  test('is nobody’s when LISTEN_PID names another process: a wrapper got it', async t => {
    const { server, fd } = await listening(join(folder, 'wrapper.sock'))
    t.after(() => server.close())
    assert.deepEqual(await passedTo(fd, { pid: '1' }), { left: [] })
  })

  const wrong: Record<string, () => Promise<number | 'ignore'>> = {
    'it is no socket': async () => openSync('/dev/null', 'r'),
    'it is not a unix socket': async () => (await held(await listening(0))).fd,
    'it is not open': async () => 'ignore',
    'it does not listen': async () => {
      const path = join(folder, 'connected.sock')
      await held(await listening(path))
      const socket = connect(path)
      await once(socket, 'connect')
      after(() => socket.destroy())
      return descriptorOf(socket)
    },
  }
  const servers: Server[] = []
  const held = async (one: { server: Server; fd: number }) => {
    servers.push(one.server)
    return one
  }
  after(() => {
    for (const server of servers) server.close()
  })
  for (const [name, descriptor] of Object.entries(wrong)) {
    test(`is refused when ${name}`, async () => {
      const { code, message } = (await passedTo(await descriptor())) as { code: string; message: string }
      assert.equal(code, 'SOCKET_PASSED')
      assert.match(message, /descriptor 3 is (no (open|unix) socket|not listening); write one ListenStream=/)
    })
  }

  test('is refused when there are several', async t => {
    const { server, fd } = await listening(join(folder, 'several.sock'))
    t.after(() => server.close())
    const { code, message } = (await passedTo(fd, { count: '2' })) as { code: string; message: string }
    assert.equal(code, 'SOCKET_PASSED')
    assert.match(message, /LISTEN_FDS is "2", and not 1/)
  })
})

test('whatever the variables hold: nothing, or a refusal, and they are gone', () => {
  const value = fc.option(fc.oneof(fc.string(), fc.constantFrom('0', '1', '2', '42', ' 42', '042')), { nil: undefined })
  fc.assert(
    fc.property(value, value, (owner, count) => {
      // No property at all is what an absent variable is.
      const env: Record<string, string | undefined> = { OTHER: 'stays', LISTEN_FDNAMES: 'x', LISTEN_PIDFDID: '7' }
      if (owner !== undefined) env['LISTEN_PID'] = owner
      if (count !== undefined) env['LISTEN_FDS'] = count
      try {
        const passed = passedSocket(env, 42)
        assert.ok(owner !== '42' && passed === undefined)
      } catch (error) {
        assert.ok(error instanceof PluginError && error.code === 'SOCKET_PASSED')
        assert.equal(owner, '42', 'nobody else’s variables are looked at')
      }
      assert.deepEqual(env, { OTHER: 'stays' })
    }),
  )
})
