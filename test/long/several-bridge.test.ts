// A slash64 network and one of Docker's bridges on one container: IPv4 and NAT beside, and each address answers over its own link.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { Topology } from '../lab/topology.ts'
import { cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { ask, askFrom } from '../support/meeting.ts'
import { createNetwork, listening, Stage, serve, serveOn } from '../support/stage.ts'

const stage = await Stage.up({ name: 'beside' })
const { host, topology } = stage
await serveOn(topology.internet, [80])
after(() => stage[Symbol.asyncDispose]())
afterEach(async () => {
  await stage.resume()
  await cleanUp(host)
})

const engine = Number.parseInt(await host.docker('version', '--format', '{{.Server.Version}}'), 10)

interface Beside {
  readonly what: string
  readonly options: readonly string[]
}
const bridges: readonly Beside[] = [
  { what: 'IPv4 only', options: [] },
  { what: 'dual-stack', options: ['--ipv6', '--subnet', 'fd64:1::/64', '--subnet', '10.64.1.0/24'] },
]

/** Networks `web` and `store`, which lets web in at 80, and a bridge. */
async function arrange(options: readonly string[]): Promise<void> {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'store', '-o', 'group=store', '-o', 'allow=web:80')
  await host.docker('network', 'create', ...options, 'beside')
  await serve(host, 'peer', 'web', [80])
  await serve(host, 'shop', 'store', [80])
}

/**
 * Over slash64 the container is what it is without the bridge, and over the bridge it reaches IPv4. Before 29 the engine gives ::/0 to a dual-stack
 * bridge, so that only a source address of one's choice leads to other groups.
 */
async function assertBoth(): Promise<void> {
  const own = await addressOf(host, 'front', 'web')
  const [peer, shop] = [await addressOf(host, 'peer', 'web'), await addressOf(host, 'shop', 'store')]
  assert.deepEqual(
    await ask(host, 'front', [
      { address: peer, port: 80 },
      { address: shop, port: 80, source: own },
    ]),
    [own, own],
    'towards groups',
  )
  assert.deepEqual(await ask(host, 'peer', [{ address: own, port: 80 }]), [peer])
  const questions = [80, 81].map(port => ({ address: own, port }))
  assert.deepEqual(await askFrom(topology.internet, questions), [Topology.internetAddress, 'timeout'])
  const gateway = await inspect(host, 'front', '{{.NetworkSettings.Networks.beside.Gateway}}')
  await inContainer(host, 'front', ['busybox', 'ping', '-4', '-c', '1', '-W', '2', gateway])
}

for (const { what, options } of bridges) {
  for (const networks of [
    ['web', 'beside'],
    ['beside', 'web'],
  ] as const) {
    test(`docker run --network ${networks.join(' --network ')}, the bridge ${what}`, async () => {
      await arrange(options)
      const [first, second] = networks
      await serve(host, 'front', first, [80, 81], '--network', second, '-p', '80:80')
      await assertBoth()
      await host.docker('restart', '-t', '0', 'front')
      await listening(host, 'front')
      await assertBoth()
    })
  }

  test(`connected and disconnected while it runs, the bridge ${what}, slash64 restarted in between`, async () => {
    await arrange(options)
    await serve(host, 'front', 'web', [80, 81], '-p', '80:80')
    await host.docker('network', 'connect', 'beside', 'front')
    await assertBoth()
    await stage.restartSlash64('SIGKILL')
    await host.docker('network', 'disconnect', 'web', 'front')
    await host.docker('network', 'connect', 'web', 'front')
    await assertBoth()
    await host.docker('network', 'disconnect', 'beside', 'front')
    await host.docker('network', 'connect', 'beside', 'front')
    await assertBoth()
  })
}

test('the way out: an IPv4-only bridge leaves it to slash64, a dual-stack one takes it or gw-priority decides', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await host.docker('network', 'create', 'four')
  await host.docker('network', 'create', '--ipv6', '--subnet', 'fd64:1::/64', '--subnet', '10.64.1.0/24', 'both')
  const wayOut = async (container: string) =>
    (await ask(host, container, [{ address: Topology.internetAddress, port: 80 }]))[0]
  await createNetwork(host, 'store', '-o', 'group=store', '-o', 'allow=web:80')
  await serve(host, 'shop', 'store', [80])
  const toShop = { address: await addressOf(host, 'shop', 'store'), port: 80 }
  await serve(host, 'plain', 'four', [80], '--network', 'web')
  const plain = await addressOf(host, 'plain', 'web')
  assert.equal(await wayOut('plain'), plain)
  assert.deepEqual(await ask(host, 'plain', [toShop]), [plain])
  await serve(host, 'chosen', 'both', [80], '--network', 'name=web,gw-priority=1')
  const own = await addressOf(host, 'chosen', 'web')
  // The source address of one's choice goes out over slash64 in any case.
  assert.deepEqual(await ask(host, 'chosen', [{ address: Topology.internetAddress, port: 80, source: own }]), [own])
  if (engine >= 29) {
    assert.equal(await wayOut('chosen'), own)
    assert.deepEqual(await ask(host, 'chosen', [toShop]), [own])
  } else {
    assert.notEqual(await wayOut('chosen'), own, 'before 29 the engine gives ::/0 to the bridge')
    assert.deepEqual(await ask(host, 'chosen', [toShop]), ['timeout'], 'and other groups are dialled over it')
  }
})
