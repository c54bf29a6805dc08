// Restarts in every order while containers of two networks run: the engine's, slash64's, with live-restore and without, and with another prefix.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { until } from '../lab/process.ts'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { addressesOf, ask, askFrom } from '../support/meeting.ts'
import { createNetwork, ENVIRONMENT, idle, listening, Stage, serve } from '../support/stage.ts'

const stage = await Stage.up({ name: 'restarts' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(async () => {
  await stage.resume()
  await cleanUp(host)
})

const SIGNALS = ['SIGTERM', 'SIGKILL'] as const
const COMES_BACK = ['--restart', 'always']

/** `both` on two networks with a published port, a client of one of them and a stranger whose group the other one lets in. */
async function village(...options: string[]): Promise<void> {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db', '-o', 'allow=other:82')
  await createNetwork(host, 'other', '-o', 'group=other')
  await serve(host, 'both', 'web', [80, 81, 82], '--network', 'db', '-p', '80:80', ...options)
  await idle(host, 'client', 'web', ...options)
  await idle(host, 'stranger', 'other', ...options)
}

async function assertPolicy(): Promise<void> {
  const own = await addressesOf(host, 'both', ['web', 'db'])
  const [client, stranger] = [await addressOf(host, 'client', 'web'), await addressOf(host, 'stranger', 'other')]
  const questions = [80, 81, 82].flatMap(port => own.map(address => ({ address, port })))
  const no = 'ECONNREFUSED'
  assert.deepEqual(await ask(host, 'client', questions), [client, client, client, no, client, no])
  assert.deepEqual(await ask(host, 'stranger', questions), [stranger, stranger, no, no, no, stranger])
  const world = Topology.internetAddress
  assert.deepEqual(await askFrom(topology.internet, questions.slice(0, 4)), [world, world, 'timeout', 'timeout'])
}

/** Waits until the restart policy has brought all of them back. */
async function cameBack(): Promise<void> {
  for (const name of ['both', 'client', 'stranger']) {
    await until(
      async () => (await inspect(host, name, '{{.State.Running}}')) === 'true',
      10_000,
      () => `${name} does not come back\n${host.logTail()}`,
    )
  }
  await listening(host, 'both')
}

for (const signal of SIGNALS) {
  test(`the engine ends by ${signal}, slash64 restarts while it is away: containers of two networks come back`, async () => {
    await village(...COMES_BACK)
    await host.stopDockerd(signal)
    await stage.restartSlash64(signal)
    await stage.startDockerd()
    await cameBack()
    await assertConsistent(host)
    await assertPolicy()
    await host.docker('network', 'disconnect', 'db', 'both')
    await host.docker('network', 'connect', 'db', 'both')
    await assertPolicy()
  })

  test(`with --live-restore the engine ends by ${signal}, slash64 restarts while it is away: nothing changes`, async () => {
    await host.stopDockerd()
    await host.startDockerd('--live-restore')
    try {
      await village()
      const own = await addressesOf(host, 'both', ['web', 'db'])
      await host.stopDockerd(signal)
      await stage.restartSlash64(signal)
      await host.startDockerd('--live-restore')
      await assertConsistent(host)
      assert.deepEqual(await addressesOf(host, 'both', ['web', 'db']), own)
      await assertPolicy()
      await idle(host, 'later', 'web', '--network', 'db')
      await host.docker('restart', '-t', '0', 'both')
      await listening(host, 'both')
      await assertPolicy()
      await cleanUp(host)
    } finally {
      await host.stopDockerd()
    }
  })
}

test('restart policies: a container that dies comes back on both networks, one that is stopped stays away', async () => {
  await village(...COMES_BACK)
  for (let turn = 0; turn < 2; turn++) {
    const pid = await inspect(host, 'both', '{{.State.Pid}}')
    await host.check(['kill', '-9', pid])
    await until(
      async () => !['0', pid].includes(await inspect(host, 'both', '{{.State.Pid}}')),
      5000,
      () => 'it does not come back',
    )
    await listening(host, 'both')
    await assertPolicy()
  }
  await host.docker('stop', '-t', '0', 'both')
  await assertConsistent(host)
  await stage.restartSlash64()
  await host.docker('start', 'both')
  await listening(host, 'both')
  await assertPolicy()
})

test('another SLASH64_PREFIX: old networks keep theirs, reachable and guarded, a container is on an old and a new one, and back', async () => {
  await village()
  const old = await addressesOf(host, 'both', ['web', 'db'])
  await host.stopSlash64()
  await host.startSlash64({ ...ENVIRONMENT, SLASH64_PREFIX: '2001:db8:66:1::/64' })
  try {
    await assertConsistent(host)
    await assertPolicy()
    await createNetwork(host, 'new', '-o', 'group=new')
    await host.docker('network', 'connect', 'new', 'both')
    await serve(host, 'friend', 'new', [80])
    const address = await addressOf(host, 'both', 'new')
    const friend = await addressOf(host, 'friend', 'new')
    assert.ok(address.startsWith('2001:db8:66:1:'), address)
    assert.deepEqual(await ask(host, 'both', [{ address: friend, port: 80 }]), [address])
    const asked = [address, ...old].map(one => ({ address: one, port: 81 }))
    assert.deepEqual(await ask(host, 'friend', asked), [friend, 'ECONNREFUSED', 'ECONNREFUSED'])
    await assertPolicy()
    await host.docker('rm', '-f', 'friend')
    await host.docker('network', 'disconnect', 'new', 'both')
    await host.docker('network', 'rm', 'new')
  } finally {
    await stage.restartSlash64()
  }
  await assertPolicy()
  assert.deepEqual(await addressesOf(host, 'both', ['web', 'db']), old)
})
