import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { request, type ServerResponse } from 'node:http'
import { connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { readNames } from '../../src/docker/inventory.ts'
import { createControl, startControl } from '../../src/http/control.ts'
import { answers } from '../../src/http/control-answers.ts'
import { askControl } from '../../src/http/control-ask.ts'
import { listen } from '../../src/http/listen.ts'
import { paced } from '../../src/http/pace.ts'
import { statusOf } from '../../src/state/status.ts'
import { until } from '../lab/process.ts'
import { FACTS, NAMES, town } from '../support/cli.ts'
import { endpointId } from '../support/commands.ts'
import { controlOf, raw, Sockets, serverOn } from '../support/control.ts'
import { fakeDaemon } from './http/fake-daemon.ts'

const sockets = new Sockets()
after(() => sockets[Symbol.dispose]())

async function ask(path: string, question: string): Promise<{ status: number; answer: Record<string, unknown> }> {
  const { status, body } = await askControl(path, question)
  return { status, answer: JSON.parse(body) }
}

describe('the control socket', () => {
  it('is 0660 of the group of Docker’s socket, in a folder of 0755 whatever the umask; gone after close', async () => {
    const docker = join(sockets.folder, 'docker.sock')
    writeFileSync(docker, '')
    chownSync(docker, 0, 4242)
    const path = sockets.fresh()
    const umask = process.umask(0o077)
    try {
      await using _control = await controlOf({ path, dockerSocket: docker })
      const { mode, uid, gid } = statSync(path)
      assert.deepEqual([mode & 0o777, uid, gid], [0o660, process.getuid?.(), 4242])
      assert.equal(statSync(dirname(path)).mode & 0o777, 0o755)
    } finally {
      process.umask(umask)
    }
    assert.equal(existsSync(path), false)
  })

  it('answers version and status as their schemas say', async () => {
    await using control = await controlOf({ path: sockets.fresh() })
    const version = await ask(control.path, '/version')
    assert.deepEqual(version, { status: 200, answer: { version: '0.1.0', node: process.version } })
    const status = await ask(control.path, '/status')
    assert.deepEqual(answers['/status'].parse(status.answer), statusOf(town().state, FACTS, NAMES))
  })

  it('replaces the socket file of a dead process', async () => {
    const path = sockets.fresh()
    mkdirSync(dirname(path))
    const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    await once(spawn(process.execPath, ['-e', code]), 'exit')
    assert.ok(statSync(path).isSocket())
    await using control = await controlOf({ path })
    assert.equal((await ask(control.path, '/version')).status, 200)
  })

  it('that cannot be opened is an error in the log and no more', async () => {
    const path = sockets.fresh()
    await using first = await controlOf({ path })
    await using second = await controlOf({ path })
    assert.match(JSON.stringify(second.log), /another slash64 is running.*or set SLASH64_CONTROL/)
    assert.equal((await ask(first.path, '/version')).status, 200)
    const file = join(sockets.folder, 'file')
    writeFileSync(file, '')
    await using third = await controlOf({ path: join(file, 'control.sock') })
    assert.match(JSON.stringify(third.log), /cannot listen on .*the command slash64 cannot ask this daemon/)
    assert.equal((await ask(first.path, '/version')).status, 200, 'who listens already is left alone')
  })

  it('refuses what it does not know with a sentence', async () => {
    await using control = await controlOf({ path: sockets.fresh() })
    const sentence = /is no question that slash64 0\.1\.0 answers; ask GET \/version or GET \/status/
    for (const path of ['/', '/statuses', '/status/x', '/%zz', `/${'x'.repeat(4000)}`, '/NetworkDriver.Join']) {
      const { status, answer } = await ask(control.path, path)
      assert.equal(status, 404, path)
      assert.match(String(answer['error']), sentence)
    }
    for (const [method, type] of [
      ['POST', 'text/x'],
      ['PUT', 'application/json'],
      ['HEAD', ''],
      ['DELETE', ''],
      ['QUERY', ''],
    ]) {
      const head = `${method} /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`
      const body = type ? `Content-Type: ${type}\r\nContent-Length: 1\r\n\r\n{` : '\r\n'
      const said = await raw(control.path, head + body)
      assert.match(said, /^HTTP\/1\.1 404 /, method)
      if (method !== 'HEAD') assert.match(said, sentence, method)
    }
    assert.match(await raw(control.path, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /)
    assert.deepEqual(control.log, [])
  })

  it('tells of an error of its own only that there was one', async () => {
    const broken = {
      ...FACTS,
      get uplinks(): string[] {
        throw new Error('secret')
      },
    }
    const lines: string[] = []
    const log = pino({}, { write: (line: string) => lines.push(line) })
    const path = sockets.fresh()
    const control = await startControl({ state: town().state, facts: broken, path, dockerSocket: '', log })
    const { status, answer } = await ask(path, '/status')
    assert.equal(status, 500)
    assert.match(String(answer['error']), /internal error: see the log of slash64/)
    assert.doesNotMatch(JSON.stringify(answer), /secret/)
    assert.match(lines.join(''), /secret/)
    await control.close()
  })

  it('closes at once, whoever is connected', async () => {
    const control = await controlOf({ path: sockets.fresh(), names: () => new Promise(() => undefined) })
    const idle = connect(control.path)
    await once(idle, 'connect')
    const waiting = askControl(control.path, '/status').catch(error => error)
    await sleep(50)
    const closed = await Promise.race([control[Symbol.asyncDispose]().then(() => 'closed'), sleep(2000, 'open')])
    assert.equal(closed, 'closed')
    assert.equal((await waiting).code, 'CONTROL_BROKEN')
    idle.destroy()
  })
})

describe('names', () => {
  it('come from Docker, and not at all where it is never asked', async () => {
    await using control = await controlOf({ path: sockets.fresh(), names: null })
    assert.deepEqual((await ask(control.path, '/status')).answer['docker'], { state: 'not asked' })
  })

  it('of networks and containers are what Docker says', async () => {
    const docker = sockets.fresh()
    const bodies: Record<string, unknown> = {
      info: { ID: 'engine-1', ServerVersion: '28.5.2' },
      networks: [{ Id: 'a', Name: 'web' }],
      containers: [
        {
          Names: ['/web-1', '/other/alias'],
          NetworkSettings: { Networks: { web: { EndpointID: endpointId(1) }, db: { EndpointID: endpointId(2) } } },
        },
        { Names: ['/stopped'], NetworkSettings: { Networks: { web: { EndpointID: '' } } } },
        { Names: null, NetworkSettings: { Networks: { web: { EndpointID: endpointId(3) } } } },
        { Names: ['/bare'], NetworkSettings: null },
      ],
    }
    const asked: string[] = []
    await using _docker = await serverOn(docker, ({ url = '' }, response) => {
      asked.push(url)
      const [name = ''] = /info|networks|containers/.exec(url) ?? []
      response.setHeader('content-type', 'application/json').end(JSON.stringify(bodies[name]))
    })
    const { version, networks, containers } = await readNames(docker)
    assert.equal(version, '28.5.2')
    assert.deepEqual([...networks], [['a', 'web']])
    assert.deepEqual(
      [...containers],
      [
        [endpointId(1), 'web-1'],
        [endpointId(2), 'web-1'],
      ],
    )
    assert.ok(
      asked.some(url => /containers\/json\?.*all=(true|1)/.test(url)),
      asked.join(' '),
    )
  })

  for (const [what, listener] of [
    ['says nothing', () => undefined],
    [
      'never ends',
      (_: unknown, response: ServerResponse) => {
        const timer = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(timer))
      },
    ],
    ['talks nonsense', (_: unknown, response: ServerResponse) => response.end('nonsense')],
  ] as const) {
    it(`are given up where Docker ${what}: status comes without them`, async () => {
      const docker = sockets.fresh()
      await using _docker = await serverOn(docker, listener)
      await using control = await controlOf({ path: sockets.fresh(), names: () => readNames(docker, 200) })
      const began = performance.now()
      const { status, answer } = await ask(control.path, '/status')
      assert.ok(performance.now() - began < 1500)
      assert.equal(status, 200)
      assert.deepEqual(answer, JSON.parse(JSON.stringify(statusOf(town().state, FACTS, 'not answering'))))
    })
  }

  it('are given up at once where Docker is not there', async () => {
    const docker = sockets.fresh()
    await using control = await controlOf({ path: sockets.fresh(), names: () => readNames(docker) })
    const began = performance.now()
    const { answer } = await ask(control.path, '/status')
    assert.deepEqual(answer['docker'], { state: 'not answering' })
    assert.ok(performance.now() - began < 1000)
  })
})

describe('those who ask much, or read nothing', () => {
  it('share runs: never two at a time, at most one in a pace, and never what was true before they asked', async () => {
    let [running, most, runs, truth] = [0, 0, 0, 0]
    const run = paced(50, async () => {
      runs++
      most = Math.max(most, ++running)
      const seen = truth
      await sleep(10)
      running--
      return seen
    })
    const began = performance.now()
    const calls: Promise<void>[] = []
    while (performance.now() - began < 400) {
      const now = ++truth
      calls.push(run().then(seen => assert.ok(seen >= now, `${seen} was true before ${now}`)))
      await sleep(1)
    }
    await Promise.all(calls)
    assert.equal(most, 1)
    assert.ok(runs >= 3 && runs <= 10, `${runs} runs`)
  })

  it('are told when a run fails, and the next one is another', async () => {
    let runs = 0
    const run = paced(1, async () => {
      if (++runs === 1) throw new Error('once')
      return runs
    })
    await assert.rejects(run(), /once/)
    assert.equal(await run(), 2)
  })

  it('do not make Docker work: a hundred at once are a question or two', async () => {
    let questions = 0
    const names = async () => {
      questions++
      await sleep(20)
      return NAMES
    }
    await using control = await controlOf({ path: sockets.fresh(), names })
    for (let turn = 0; turn < 5; turn++) {
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => ask(control.path, '/status')))
      assert.ok(outcomes.every(({ status }) => status === 200))
    }
    assert.ok(questions <= 10, `${questions} questions`)
  })

  it('are cut off after a time of silence, and hold nobody else up', async () => {
    const path = sockets.fresh()
    const status = async () => statusOf(town().state, { ...FACTS, fleet: [BIG] }, NAMES)
    const app = createControl({ status, version: '1', log: pino({ level: 'silent' }), patience: 300 })
    await listen(app, path)
    const began = performance.now()
    const request = 'GET /status HTTP/1.1\r\nHost: x\r\n'
    const slow = ['', 'GET /sta', `${request}Content-Length: 5\r\n\r\n`, `${request}\r\n`].map(bytes => {
      const socket = connect(path)
      socket.on('error', () => undefined)
      socket.write(bytes)
      // Who reads nothing does not see the end of the connection: so ask the server.
      return socket
    })
    assert.equal((await ask(path, '/status')).status, 200)
    assert.ok(performance.now() - began < 2000)
    await until(
      async () => (await connections(app.server)) === 0,
      5000,
      () => 'connections are kept',
    )
    for (const socket of slow) socket.destroy()
    await app.close()
  })

  it('do not hold up the engine: its requests are answered at once while another process asks without end', async () => {
    const { app } = fakeDaemon()
    const plugin = sockets.fresh()
    await listen(app, plugin)
    await using control = await controlOf({ path: sockets.fresh() })
    const code = `
      const { request } = require('http')
      const ask = () => request({ socketPath: ${JSON.stringify(control.path)}, path: '/status' }, answer => answer.resume().on('end', ask))
        .on('error', () => setTimeout(ask, 1)).end()
      for (let i = 0; i < 50; i++) ask()
      console.log('asking')`
    const flood = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(flood.stdout, 'data')
    const times: number[] = []
    for (let index = 0; index < 50; index++) {
      const began = performance.now()
      assert.equal(await serverAnswers(plugin), 200)
      times.push(performance.now() - began)
      await sleep(5)
    }
    flood.kill('SIGKILL')
    await once(flood, 'exit')
    await app.close()
    const median = times.toSorted((a, b) => a - b)[25] ?? 0
    assert.ok(median < 50, `median ${median} ms`)
  })
})

/** More than the buffers of a unix socket hold. */
const BIG = 'x'.repeat(4 * 1024 * 1024)

const connections = (server: Server): Promise<number> => promisify(server.getConnections.bind(server))()

/** The status with which a plugin's server answers what the engine asks first. */
async function serverAnswers(path: string): Promise<number | undefined> {
  const [response] = await once(
    request({ socketPath: path, path: '/Plugin.Activate', method: 'POST' }).end(),
    'response',
  )
  response.resume()
  return response.statusCode
}
