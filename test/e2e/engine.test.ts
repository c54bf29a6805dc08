// The engine restarts, crashes, and the machine loses power: everything comes back clean.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { until } from '../lab/process.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import type { Finding, Probe } from '../support/probe.ts'
import { createNetwork, idle, listening, probe, probeFrom, Stage, serve, Talk } from '../support/stage.ts'

const stage = await Stage.up({ name: 'engine' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(async () => {
  await stage.resume()
  await cleanUp(host)
})

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port, patience: 500 })
const outcomes = (findings: readonly Finding[]): string[] => findings.map(({ outcome }) => outcome)

/** A published server that comes back by itself, one that stays down, a client and a stranger. */
async function village(...options: string[]): Promise<void> {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'other')
  await serve(host, 'front', 'web', [80, 81], '-p', '80:80', '-p', '80:80/udp', ...options)
  await idle(host, 'once', 'web', '-p', '22:22')
  await idle(host, 'stranger', 'other', ...options)
}

async function assertOpen(): Promise<void> {
  const front = await addressOf(host, 'front', 'web')
  const asked = [tcp(front, 80), tcp(front, 81)]
  assert.deepEqual(outcomes(await probeFrom(topology.internet, asked)), ['answered', 'timeout'])
  assert.deepEqual(outcomes(await probe(host, 'stranger', asked)), ['answered', 'ECONNREFUSED'])
}

async function cameBack(): Promise<void> {
  const running = async (name: string): Promise<boolean> => (await inspect(host, name, '{{.State.Running}}')) === 'true'
  await until(
    async () => (await running('front')) && (await running('stranger')),
    10_000,
    () => `they do not come back\n${host.logTail()}`,
  )
  await listening(host, 'front')
  assert.equal(await running('once'), false)
  await assertConsistent(host)
  await assertOpen()
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`the engine ends by ${signal} and starts again: containers come back, others leave nothing`, async () => {
    await village('--restart', 'always')
    await host.stopDockerd(signal)
    await stage.startDockerd()
    await cameBack()
    await host.docker('start', 'once')
    await createNetwork(host, 'later', '-o', 'group=later')
    await idle(host, 'newcomer', 'later')
  })
}

test('slash64 and the engine crash together', async () => {
  await village('--restart', 'always')
  await Promise.all([host.stopDockerd('SIGKILL'), host.stopSlash64('SIGKILL')])
  await stage.startSlash64()
  await stage.startDockerd()
  await cameBack()
})

test('a power cut: networks and their groups are as they were, and nothing of the old boot is left', async () => {
  await village('--restart', 'always')
  const subnet = await inspect(host, 'other', '{{(index .IPAM.Config 0).Subnet}}')
  await host.powerCut()
  await host.boot()
  await topology.plug(host)
  await stage.startSlash64()
  await stage.startDockerd()
  await cameBack()
  assert.equal(await inspect(host, 'other', '{{(index .IPAM.Config 0).Subnet}}'), subnet)
  await host.docker('start', 'once')
})

test('with --live-restore containers keep their traffic through restarts of the engine', async () => {
  await host.stopDockerd()
  await host.startDockerd('--live-restore')
  try {
    await village()
    const front = await addressOf(host, 'front', 'web')
    await using inside = await Talk.begin(host, front, 80, await inspect(host, 'once', '{{.State.Pid}}'))
    await using outside = await Talk.begin(topology.internet, front, 80)
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await host.stopDockerd(signal)
      await host.startDockerd('--live-restore')
      await assertConsistent(host)
      assert.equal(await addressOf(host, 'front', 'web'), front)
    }
    for (const { sent, lost, tcp: stream } of [await inside.end(), await outside.end()]) {
      assert.deepEqual(lost, [], `of ${sent} datagrams`)
      assert.deepEqual(stream, { sent: stream.sent, back: stream.sent, error: '' })
    }
    await assertOpen()
    await host.docker('restart', '-t', '0', 'front')
    await listening(host, 'front')
    await assertOpen()
    await host.docker('network', 'disconnect', 'web', 'once')
    await cleanUp(host)
  } finally {
    await host.stopDockerd()
  }
})
