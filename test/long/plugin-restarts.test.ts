// The managed plugin through restarts and crashes of the engine, of its own process and of the machine.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { until } from '../lab/process.ts'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { ask, askFrom } from '../support/meeting.ts'
import { answered, installPlugin, pluginLog, pluginPid } from '../support/plugin.ts'
import { bareHost, createNetwork, ENVIRONMENT, idle, listening, runs, serve, Talk } from '../support/stage.ts'

const bare = await bareHost('plugin-restarts')
const { host, topology } = bare
after(() => bare[Symbol.asyncDispose]())
await installPlugin(host, ENVIRONMENT)
afterEach(async () => {
  if (!runs(() => host.dockerd)) await host.startDockerd()
  await cleanUp(host)
})

/** A published server and a client of its group, which come back by themselves, and a stranger that does not. */
async function village(): Promise<void> {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db', '-o', 'allow=web:5432')
  const back = ['--restart', 'always']
  await serve(host, 'front', 'web', [80, 81], '-p', '80:80', '-p', '80:80/udp', ...back)
  await serve(host, 'store', 'db', [22, 5432], ...back)
  await createNetwork(host, 'other')
  await idle(host, 'stranger', 'other')
}

/** What the lists say, by packets. */
async function assertPolicy(): Promise<void> {
  const [front, store] = [await addressOf(host, 'front', 'web'), await addressOf(host, 'store', 'db')]
  const [open, closed] = [80, 81].map(port => ({ address: front, port }))
  assert.ok(open && closed)
  assert.deepEqual(await askFrom(topology.internet, [open, closed]), [Topology.internetAddress, 'timeout'])
  const both = [5432, 22].map(port => ({ address: store, port }))
  assert.deepEqual(await ask(host, 'front', both), [front, 'ECONNREFUSED'])
  assert.deepEqual(await ask(host, 'store', [closed]), ['ECONNREFUSED'])
}

/** The containers of the village are back, a stopped one can be started, and another one can be made. */
async function assertBack(): Promise<void> {
  const running = async (name: string): Promise<boolean> => (await inspect(host, name, '{{.State.Running}}')) === 'true'
  await until(
    async () => (await running('front')) && (await running('store')),
    30_000,
    () => `they do not come back\n${host.logTail(40)}`,
  )
  for (const name of ['front', 'store']) await listening(host, name)
  await assertConsistent(host)
  await assertPolicy()
  await host.docker('start', 'stranger')
  await createNetwork(host, 'later', '-o', 'group=web')
  await idle(host, 'newcomer', 'later')
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`the engine ends by ${signal} and starts again: the plugin is there before the containers`, async () => {
    await village()
    await host.stopDockerd(signal)
    await host.startDockerd()
    await assertBack()
  })
}

test('a power cut: state and networks are as they were', async () => {
  await village()
  await host.powerCut()
  await host.boot()
  await topology.plug(host)
  await host.startDockerd()
  await assertBack()
})

/** A conversation from the stranger's group with the world's port, and one from the world, which `act` must not disturb. */
async function undisturbed(act: () => Promise<void>): Promise<void> {
  const front = await addressOf(host, 'front', 'web')
  await using inside = await Talk.begin(host, front, 80, await inspect(host, 'stranger', '{{.State.Pid}}'))
  await using outside = await Talk.begin(topology.internet, front, 80)
  await act()
  for (const talk of [inside, outside]) {
    const { sent, lost, tcp } = await talk.end()
    assert.ok(sent > 50, `only ${sent} datagrams were sent`)
    assert.deepEqual([lost, tcp], [[], { sent: tcp.sent, back: tcp.sent, error: '' }])
  }
}

test('its process is killed: traffic and rules stay, the engine starts it again, and the next container works', async t => {
  await village()
  const before = await pluginPid(host)
  const logged = pluginLog(host).length
  await undisturbed(async () => {
    const began = performance.now()
    await host.check(['kill', '-9', String(before)])
    await assertPolicy()
    t.diagnostic(`it answers ${await answered(host, began)} ms after its end`)
    await idle(host, 'newcomer', 'web')
    await assertPolicy()
  })
  assert.notEqual(await pluginPid(host), before)
  const words = pluginLog(host).slice(logged)
  assert.deepEqual(
    words.filter(({ level }) => level > 30),
    [],
  )
  assert.ok(!words.some(({ msg }) => msg.includes('into line')), 'there was nothing to repair')
})

test('with --live-restore plugin and containers go on through restarts of the engine', async () => {
  await host.stopDockerd()
  await host.startDockerd('--live-restore')
  await village()
  const before = await pluginPid(host)
  await undisturbed(async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await host.stopDockerd(signal)
      await host.startDockerd('--live-restore')
      await assertPolicy()
    }
  })
  assert.equal(await pluginPid(host), before)
  await assertConsistent(host)
  await idle(host, 'newcomer', 'web')
  await cleanUp(host)
  await host.stopDockerd()
})
