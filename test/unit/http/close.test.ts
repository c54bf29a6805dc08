// Closing: answers are owed, silence is not waited for.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { listen } from '../../../src/http/listen.ts'
import { createServer } from '../../../src/http/server.ts'

const REQUEST = 'POST /IpamDriver.ReleasePool HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{"PoolID":"a/1"}'

/** Connects `count` times to a server that takes 200 ms for each answer, calls `act`, closes; what came back, and how long closing took. */
async function closing(count: number, act: (sockets: Socket[]) => Promise<unknown>): Promise<[string, number]> {
  const folder = mkdtempSync(join(tmpdir(), 'slash64-close-'))
  const submit = async () => (await sleep(200)) as never
  const app = createServer({ submit, log: pino({ level: 'silent' }) })
  await listen(app, join(folder, 'socket'))
  const sockets = await Promise.all(Array.from({ length: count }, () => open(join(folder, 'socket'))))
  let said = ''
  const ended = sockets.map(socket => new Promise(resolve => socket.once('close', resolve)))
  for (const socket of sockets) {
    socket.on('data', data => {
      said += data
    })
  }
  await act(sockets)
  const began = performance.now()
  const outcome = await Promise.race([app.close().then(() => 'closed'), sleep(3000, 'still open', { ref: false })])
  const ms = performance.now() - began
  rmSync(folder, { recursive: true })
  assert.equal(outcome, 'closed')
  await Promise.all(ended)
  return [said, ms]
}

async function open(path: string): Promise<Socket> {
  const socket = connect(path)
  await new Promise(resolve => socket.once('connect', resolve))
  return socket
}

describe('closing', () => {
  it('does not wait for a connection on which nothing ever came', async () => {
    const [said] = await closing(3, () => sleep(20))
    assert.equal(said, '')
  })

  it('does not wait for one that was answered, and lets one finish that is not', async () => {
    const [said, ms] = await closing(2, async ([used, busy]) => {
      used?.write('POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')
      busy?.write(REQUEST)
      await sleep(50)
    })
    assert.match(said, /Implements/)
    assert.equal(said.match(/HTTP\/1\.1 /g)?.length, 2, said)
    assert.ok(ms > 50, 'it waited')
  })
})
