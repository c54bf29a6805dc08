// The command against daemons of every kind: what it writes, where, and with which exit code.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { statusText } from '../../src/cli/status.ts'
import { answers } from '../../src/http/control-answers.ts'
import { askControl } from '../../src/http/control-ask.ts'
import { statusOf } from '../../src/state/status.ts'
import { version } from '../../src/version.ts'
import { type Output, run } from '../lab/process.ts'
import { FACTS, NAMES, slash64, town } from '../support/cli.ts'
import { controlOf, Sockets, serverOn } from '../support/control.ts'

const sockets = new Sockets()
after(() => sockets[Symbol.dispose]())

const STATUS = statusOf(town().state, FACTS, NAMES)
const CLI = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL('../../src/cli.ts', import.meta.url)),
]

/** The command as a process of its own. */
const spawned = (...line: string[]): Promise<Output> => run([...CLI, ...line], { timeout: 20_000 })

/** Whatever it is asked, a daemon that answers this. */
async function saying(status: number, body: string): Promise<{ path: string } & AsyncDisposable> {
  const path = sockets.fresh()
  const server = await serverOn(path, (_request, response) => response.writeHead(status).end(body))
  return { path, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

describe('slash64', () => {
  it('status writes text, or with --json exactly what the daemon said', async () => {
    await using control = await controlOf({ path: sockets.fresh() })
    const text = await slash64(['status', '--control', control.path])
    assert.deepEqual(text, { code: 0, out: statusText(STATUS), err: '' })
    const json = await slash64(['--json', 'status'], { SLASH64_CONTROL: control.path })
    assert.deepEqual([json.code, json.err], [0, ''])
    assert.deepEqual(JSON.parse(json.out), JSON.parse((await askControl(control.path, '/status')).body))
    const narrow = await slash64(['status', 'web-1', '--json', '--control', control.path])
    assert.deepEqual(JSON.parse(narrow.out).groups.length, 1)
    const absent = await slash64(['status', 'webb', '--control', control.path])
    assert.deepEqual([absent.code, absent.out], [1, ''])
    assert.match(absent.err, /^slash64: .*called "webb"; write "web"\n$/)
  })

  it('version tells of itself and of the daemon, and of itself alone without one', async () => {
    await using control = await controlOf({ path: sockets.fresh() })
    const both = await slash64(['version', '--control', control.path])
    assert.equal(both.out, `command  ${version}\ndaemon   0.1.0 (Node.js ${process.version})\n`)
    const json = await slash64(['version', '--json', '--control', control.path])
    assert.deepEqual(JSON.parse(json.out), {
      command: { version },
      daemon: { version: '0.1.0', node: process.version },
    })
    const alone = await slash64(['version', '--control', sockets.fresh()])
    assert.deepEqual([alone.code, alone.out], [3, `command  ${version}\n`])
    assert.deepEqual(await slash64(['--version']), { code: 0, out: `slash64 ${version}\n`, err: '' })
  })

  it('ends with 2 where the line is wrong, and writes nothing to standard output', async () => {
    for (const line of [['stauts'], ['--jsn'], ['status', '--control'], ['man', '--json'], ['completion', 'tcsh']]) {
      const { code, out, err } = await slash64(line)
      assert.deepEqual([code, out], [2, ''], line.join(' '))
      assert.match(err, /^slash64: .*\n$/)
    }
  })

  it('ends with 3 where no daemon is: no socket, nobody on it, or no socket at all', async () => {
    const dead = sockets.fresh()
    mkdirSync(dirname(dead))
    const code = `require('net').createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 'SIGKILL'))`
    await once(spawn(process.execPath, ['-e', code]), 'exit')
    const file = join(sockets.folder, 'file')
    writeFileSync(file, '')
    for (const path of [sockets.fresh(), dead, file, join(file, 'x')]) {
      const outcome = await slash64(['status', '--control', path])
      assert.deepEqual([outcome.code, outcome.out], [3, ''], `${path}: ${outcome.err}`)
      assert.match(
        outcome.err,
        /the daemon does not run.*systemctl start slash64.*docker plugin enable slash64.*--control/,
      )
    }
  })

  it('ends with 1 where the daemon answers what nobody can use', async () => {
    const cases: [number, string, RegExp][] = [
      [
        500,
        '{"error":"slash64: internal error: see the log of slash64","more":1}',
        /^slash64: internal error: see the log of slash64\n$/,
      ],
      [404, '{"error":"slash64: is no question"}', /^slash64: is no question\n$/],
      [500, 'oops', /asking the daemon on .* failed: the answer is not JSON; see its log/],
      [502, '{}', /failed: HTTP status 502/],
      [200, '{"version":', /the answer is not JSON/],
      [
        200,
        JSON.stringify({ ...STATUS, version: '9.1', groups: 3 }),
        new RegExp(
          `this command has version ${version} and cannot read the answer of the daemon, version "9.1": groups: .*use the command of the daemon's version`,
        ),
      ],
      [200, '[]', /version "unknown"/],
    ]
    for (const [status, body, sentence] of cases) {
      await using daemon = await saying(status, body)
      const { code, out, err } = await slash64(['status', '--control', daemon.path])
      assert.deepEqual([code, out], [1, ''], err)
      assert.match(err, sentence)
    }
  })

  it('takes what a newer daemon adds: it passes through --json, and the text is as ever', async () => {
    const [group, ...others] = STATUS.groups
    const newer = { ...STATUS, mode: 'audit', groups: [{ ...group, egress: ['world'] }, ...others] }
    assert.ok(answers['/status'].safeParse(newer).success)
    await using daemon = await saying(200, JSON.stringify(newer))
    assert.deepEqual(JSON.parse((await slash64(['status', '--json', '--control', daemon.path])).out), newer)
    assert.equal((await slash64(['status', '--control', daemon.path])).out, statusText(STATUS))
    assert.deepEqual(JSON.parse((await slash64(['status', '--json', 'db', '--control', daemon.path])).out).groups, [
      newer.groups[0],
    ])
  })

  it('gives a daemon up that says nothing, or breaks off', async () => {
    const path = sockets.fresh()
    await using _silent = await serverOn(path, () => undefined)
    await assert.rejects(askControl(path, '/status', 100), {
      code: 'CONTROL_BROKEN',
      message: /no answer within 100 ms/,
    })
    const broken = sockets.fresh()
    await using _breaking = await serverOn(broken, (_request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{')
      setTimeout(() => response.destroy(), 20)
    })
    await assert.rejects(askControl(broken, '/status'), { code: 'CONTROL_BROKEN' })
  })
})

describe('the program', () => {
  it('has the exit code, the text and the errors where they belong', async () => {
    const { code, stdout, stderr } = await spawned('status', '--control', sockets.fresh())
    assert.deepEqual([code, stdout], [3, ''])
    assert.match(stderr, /^slash64: the daemon does not run/)
    assert.equal((await spawned('--version')).stdout, `slash64 ${version}\n`)
  })

  it('is quiet when its reader has enough', async () => {
    const line = `"$@" | head -n 1; echo "\${PIPESTATUS[0]}"`
    const many = {
      ...STATUS,
      fleet: Array.from({ length: 50_000 }, (_, index) => `2001:db8:${index.toString(16)}::/48`),
    }
    await using daemon = await saying(200, JSON.stringify(many))
    const { stdout, stderr } = await run([
      'bash',
      '-c',
      line,
      'bash',
      ...CLI,
      'status',
      '--json',
      '--control',
      daemon.path,
    ])
    assert.deepEqual([stdout, stderr], ['{\n0\n', ''])
  })
})
