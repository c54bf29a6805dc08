// The managed plugin is upgraded, set otherwise and started in places where it cannot work.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { ask } from '../support/meeting.ts'
import { importBase, installPlugin, makePlugin, pluginId, pluginLog, REFERENCE } from '../support/plugin.ts'
import { bareHost, createNetwork, ENVIRONMENT, idle, PREFIX, serve, Talk } from '../support/stage.ts'

const bare = await bareHost('plugin-upgrade')
const { host } = bare
after(() => bare[Symbol.asyncDispose]())
await installPlugin(host, ENVIRONMENT)
afterEach(() => cleanUp(host))

const plugin = (...args: string[]): Promise<string> => host.docker('plugin', ...args)

/** `store` lets group web in on 5432; `front` is of that group. */
async function village(): Promise<{ store: string; front: string }> {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db', '-o', 'allow=web:5432,web:5432/udp')
  await serve(host, 'store', 'db', [22, 5432])
  await idle(host, 'front', 'web')
  return { store: await addressOf(host, 'store', 'db'), front: await addressOf(host, 'front', 'web') }
}

/** Containers keep their traffic and their rules while `act` has the plugin away; afterwards new ones start, with other addresses. */
async function undisturbed(act: (assertPolicy: () => Promise<void>) => Promise<void>): Promise<void> {
  const { store, front } = await village()
  const both = [5432, 22].map(port => ({ address: store, port }))
  const assertPolicy = async (): Promise<void> => {
    assert.deepEqual(await ask(host, 'front', both), [front, 'ECONNREFUSED'])
  }
  await using talk = await Talk.begin(host, store, 5432, await inspect(host, 'front', '{{.State.Pid}}'))
  await act(assertPolicy)
  await assertPolicy()
  await idle(host, 'newcomer', 'web')
  assert.ok(![store, front].includes(await addressOf(host, 'newcomer', 'web')))
  await assertConsistent(host)
  const { sent, lost, tcp } = await talk.end()
  assert.ok(sent > 50, `only ${sent} datagrams were sent`)
  assert.deepEqual([lost, tcp], [[], { sent: tcp.sent, back: tcp.sent, error: '' }])
}

test('disable, upgrade and enable, with containers running', async () => {
  const id = await pluginId(host)
  await undisturbed(async assertPolicy => {
    await plugin('disable', '--force', 'slash64')
    await assertPolicy()
    await plugin('upgrade', '--grant-all-permissions', '--skip-remote-check', 'slash64', REFERENCE)
    await assertPolicy()
    await plugin('enable', 'slash64')
  })
  assert.equal(await pluginId(host), id)
})

test('npm run plugin does the same, and keeps the settings', async () => {
  await importBase(host)
  await undisturbed(async () => {
    const said = await makePlugin(host)
    assert.match(
      said,
      /^slash64: upgrading the plugin slash64: settings, networks and state stay, and containers go on$/m,
    )
  })
  const settings = await plugin('inspect', '--format', '{{range .Settings.Env}}{{println .}}{{end}}', 'slash64')
  assert.match(settings, new RegExp(`^SLASH64_PREFIX=${PREFIX}$`, 'm'))
})

test('what is started while it is away waits for it', async () => {
  await undisturbed(async () => {
    await plugin('disable', '--force', 'slash64')
    const start = idle(host, 'patient', 'web')
    await Promise.all([
      start,
      new Promise(resolve => setTimeout(resolve, 1500)).then(() => plugin('enable', 'slash64')),
    ])
  })
})

test('a setting is changed while containers run', async () => {
  await undisturbed(async () => {
    await plugin('disable', '--force', 'slash64')
    await plugin('set', 'slash64', 'SLASH64_LOG_LEVEL=debug')
    await plugin('enable', 'slash64')
  })
  assert.ok(pluginLog(host).some(({ level }) => level === 20))
})

test('a /run that does not show later mounts is refused with a sentence', async () => {
  await plugin('disable', 'slash64')
  await host.check(['mount', '--make-private', '/run'])
  try {
    const before = pluginLog(host).length
    assert.notEqual((await host.tryDocker('plugin', 'enable', 'slash64')).code, 0)
    const sentence = pluginLog(host)[before]?.msg
    assert.match(sentence ?? '', /^slash64: "\/host\/run" does not follow the host's \/run.*mount --make-shared \/run/)
  } finally {
    await host.check(['mount', '--make-shared', '/run'])
    await host.tryDocker('plugin', 'disable', 'slash64')
    await plugin('enable', 'slash64')
  }
})
