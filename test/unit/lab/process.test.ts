import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { withLock } from '../../lab/lock.ts'
import { type CommandError, Running, run, succeed, tail, until } from '../../lab/process.ts'

const scratch = mkdtempSync(join(tmpdir(), 'slash64-unit-'))
after(() => rmSync(scratch, { recursive: true }))

test('run gives a program its input and answers what it wrote and its exit code', async () => {
  const script = 'cat; echo "$WORD" >&2; exit 3'
  const output = await run(['sh', '-c', script], { input: 'in', env: { PATH: '/usr/bin:/bin', WORD: 'err' } })
  assert.deepEqual(output, { code: 3, stdout: 'in', stderr: 'err\n' })
  assert.equal((await run(['sh', '-c', 'kill -TERM $$'])).code, 143)
  assert.equal((await run(['true'], { input: 'x'.repeat(1_000_000) })).code, 0)
})

test('succeed throws what the program complained of', async () => {
  assert.equal(await succeed(['echo', 'fine']), 'fine\n')
  const failure = succeed(['sh', '-c', 'echo no such thing >&2; exit 1'])
  await assert.rejects(failure, (error: CommandError) => {
    assert.equal(error.output.code, 1)
    return /exit code 1\nno such thing$/.test(error.message)
  })
  await assert.rejects(run(['/nonexistent']), /\/nonexistent: cannot be started: .*ENOENT/)
})

test('a program that takes too long is killed, with what it forked to', async () => {
  const start = performance.now()
  await assert.rejects(run(['sh', '-c', 'sleep 30; true'], { timeout: 100 }), /still running after 100 ms/)
  assert.ok(performance.now() - start < 5000)
})

test('a running program is signalled, logged and waited for', async () => {
  const log = join(scratch, 'running.log')
  await using quiet = Running.start(
    ['sh', '-c', 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.01; done'],
    log,
  )
  await until(
    () => quiet.log() === 'up\n',
    2000,
    () => `log: ${quiet.log()}`,
  )
  assert.ok(quiet.running)
  assert.equal(await quiet.stop(), 7)
  assert.ok(!quiet.running)
  assert.equal(quiet.log(), 'up\nbye\n')
})

test('a program that ignores its signal is an error that shows its log', async () => {
  await using stubborn = Running.start(
    ['sh', '-c', 'trap "" TERM; echo here; while :; do sleep 0.01; done'],
    join(scratch, 'stubborn.log'),
  )
  await until(
    () => stubborn.log() !== '',
    2000,
    () => 'not up',
  )
  await assert.rejects(stubborn.stop('SIGTERM', 100), /still running 100 ms after SIGTERM\nhere/)
})

test('until answers the first answer, or says why it gave up', async () => {
  let calls = 0
  assert.equal(
    await until(
      () => (++calls === 3 ? 'third' : undefined),
      1000,
      () => 'never',
    ),
    'third',
  )
  await assert.rejects(
    until(
      () => false,
      30,
      () => 'it stayed away',
    ),
    /^Error: it stayed away \(waited 30 ms\)$/,
  )
})

test('tail keeps the last lines', () => {
  assert.equal(tail('a\nb\nc\n', 2), 'b\nc')
})

test('one lock file lets one in at a time, and is open again after a failure', async () => {
  const file = join(scratch, 'lock')
  const mark = join(scratch, 'inside')
  const turn = () =>
    withLock(file, async () => {
      assert.ok(!existsSync(mark), 'two are inside')
      await succeed(['touch', mark])
      rmSync(mark)
    })
  await Promise.all([turn(), turn(), turn()])
  await assert.rejects(
    withLock(file, () => Promise.reject(new Error('inside'))),
    /inside/,
  )
  await turn()
})
