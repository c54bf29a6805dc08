// The settings, on a real host: which prefix it takes, which it refuses, and what it says.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Host } from '../lab/host.ts'
import { repository } from '../lab/setup.ts'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, cleanUp, removeAll } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { createNetwork, ENVIRONMENT, idle, PREFIX, probe, probeFrom, runs, serve, UPLINK } from '../support/stage.ts'

const host = await Host.start({ name: 'configuration', forward: true })
const topology = await Topology.up({ hosts: [{ host, prefix: PREFIX, uplinkAddress: UPLINK }] })
await host.startDockerd()
after(async () => {
  await topology.dispose()
  await host.dispose()
})
afterEach(async () => {
  await ensure(ENVIRONMENT)
  try {
    await cleanUp(host)
  } finally {
    await host.stopSlash64()
  }
})

/** Starts it, whether it runs or not. */
async function ensure(env: Record<string, string>): Promise<void> {
  if (runs(() => host.slash64)) await host.stopSlash64()
  await host.startSlash64(env)
}

let refusals = 0

/** Starts it with settings that it should refuse: exit code 1 and one line, which says why. */
async function assertRefused(env: Record<string, string>, says: RegExp): Promise<void> {
  const argv = [process.execPath, '--conditions=nftables-js-source', '--disable-warning=ExperimentalWarning']
  const label = `refused-${++refusals}`
  const running = host.spawn([...argv, join(repository, 'src/main.ts')], { label, env })
  const code = await Promise.race([running.exited, sleep(5000, 'still running')])
  if (code === 'still running') await running.stop('SIGKILL')
  const lines = running.log().trim().split('\n')
  assert.equal(code, 1, running.log())
  assert.equal(lines.length, 1, running.log())
  const { msg } = JSON.parse(lines[0] ?? '')
  assert.match(msg, says)
  assert.match(msg, /^slash64: [^\n]+$/)
}

const subnetOf = (network: string): Promise<string> => inspect(host, network, '{{(index .IPAM.Config 0).Subnet}}')

async function assertTalk(from: string, to: string, network: string): Promise<void> {
  const address = await addressOf(host, to, network)
  assert.equal((await probe(host, from, [{ protocol: 'tcp', address, port: 80 }]))[0]?.outcome, 'answered')
}

test('without SLASH64_PREFIX: a private prefix, the same after every start, also without a machine id', async () => {
  await host.startSlash64()
  await createNetwork(host, 'one', '-o', 'group=one')
  const first = await subnetOf('one')
  assert.match(first, /^fd[0-9a-f]{2}:/)
  await serve(host, 'server', 'one', [80])
  await idle(host, 'client', 'one')
  await assertTalk('client', 'server', 'one')
  await host.check(['rm', '/etc/machine-id'])
  await ensure({ SLASH64_PREFIX: '' })
  await assertConsistent(host)
  await createNetwork(host, 'two', '-o', 'group=one')
  assert.equal(await subnetOf('two'), first)
  await removeAll(host)
})

test('a link that listened to its router goes on when the host begins to forward, and one that did not starts nothing', async () => {
  const setting = (link: string, name: string): string => `/proc/sys/net/ipv6/conf/${link}/${name}`
  const write = (link: string, name: string, value: number): Promise<string> =>
    host.check(['sh', '-c', `echo ${value} > ${setting(link, name)}`])
  for (const [before, after] of [
    [1, 2],
    [0, 0],
  ] as const) {
    await write('all', 'forwarding', 0)
    await write('eth0', 'accept_ra', before)
    await ensure(ENVIRONMENT)
    assert.equal((await host.check(['cat', setting('eth0', 'accept_ra')])).trim(), String(after))
    assert.equal((await host.check(['cat', setting('all', 'forwarding')])).trim(), '1')
  }
})

test('the log calls networks and endpoints by group and address', async () => {
  await ensure(ENVIRONMENT)
  await createNetwork(host, 'named', '-o', 'group=web')
  await idle(host, 'front', 'named')
  const address = await addressOf(host, 'front', 'named')
  const lines = host.slash64
    .log()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const join = lines.findLast(({ rpc }) => rpc === 'NetworkDriver.Join')
  assert.deepEqual([join.group, join.address, join.network.length, join.endpoint.length], ['web', address, 12, 12])
})

test('a prefix of /48 and one of /80', async () => {
  for (const prefix of ['2001:db8:64::/48', '2001:db8:65:1:7::/80']) {
    await ensure({ ...ENVIRONMENT, SLASH64_PREFIX: prefix })
    await createNetwork(host, 'one', '-o', 'group=one')
    assert.ok((await subnetOf('one')).startsWith(prefix.replace(/:*\/\d+$/, '')))
    await serve(host, 'server', 'one', [80])
    await idle(host, 'client', 'one')
    await assertTalk('client', 'server', 'one')
    await cleanUp(host)
  }
})

test('a prefix that changes: networks keep theirs, new ones get the new one, groups stay groups', async () => {
  await ensure(ENVIRONMENT)
  await createNetwork(host, 'old', '-o', 'group=one', '-o', 'allow=two:80')
  await serve(host, 'server', 'old', [80, 81], '-p', '81:81')
  await ensure({ ...ENVIRONMENT, SLASH64_PREFIX: '2001:db8:66:1::/64' })
  await assertConsistent(host)
  await createNetwork(host, 'new', '-o', 'group=one')
  await createNetwork(host, 'two', '-o', 'group=two')
  assert.match(await subnetOf('new'), /^2001:db8:66:1:/)
  await idle(host, 'friend', 'new')
  await idle(host, 'visitor', 'two')
  await idle(host, 'neighbour', 'old')
  for (const client of ['friend', 'visitor', 'neighbour']) await assertTalk(client, 'server', 'old')
  const address = await addressOf(host, 'server', 'old')
  const [world] = await probeFrom(topology.internet, [{ protocol: 'tcp', address, port: 81 }])
  assert.equal(world?.outcome, 'answered')
  await assertConsistent(host)
})

test('a prefix that holds the address of eth0 is refused, and nothing of it was done', async () => {
  const prefix = { SLASH64_PREFIX: '2001:db8:100::/64', SLASH64_ALLOW_DOC_PREFIX: '1' }
  await assertRefused(prefix, /"2001:db8:100::\/64" holds.*eth0.*\/80.*bridge/)
  const routes = await host.check(['ip', '-6', 'route', 'show', 'table', 'all', 'proto', '64'])
  assert.doesNotMatch(routes, /2001:db8:100::\/64/)
})

test('settings that cannot be used are refused with one sentence', async () => {
  const doc = { SLASH64_ALLOW_DOC_PREFIX: '1' }
  await assertRefused({ SLASH64_PREFIX: PREFIX }, /"2001:db8:100:a::\/64".*documentation/)
  await assertRefused({ ...doc, SLASH64_PREFIX: 'nonsense' }, /"nonsense"/)
  await assertRefused({ ...doc, SLASH64_PREFIX: '2001:db8:100:a::/96' }, /"2001:db8:100:a::\/96".*at least a \/80/)
  await assertRefused({ ...doc, SLASH64_PREFIX: '2001:db8:100:a::1/64' }, /"2001:db8:100:a::1\/64"/)
  await assertRefused({ ...ENVIRONMENT, SLASH64_PREFFIX: 'x' }, /no setting "SLASH64_PREFFIX".*SLASH64_PREFIX/)
  await assertRefused({ ...ENVIRONMENT, SLASH64_LOG_LEVEL: 'loud' }, /SLASH64_LOG_LEVEL="loud"/)
  await assertRefused({ ...ENVIRONMENT, SLASH64_FLEET: '2001:db8::/200' }, /SLASH64_FLEET=/)
})

test('a second daemon is refused, and the first one goes on', async () => {
  await ensure(ENVIRONMENT)
  await assertRefused(ENVIRONMENT, /\/var\/lib\/slash64.*in use/)
  await createNetwork(host, 'one', '-o', 'group=one')
  await serve(host, 'server', 'one', [80])
  await idle(host, 'client', 'one')
  await assertTalk('client', 'server', 'one')
})

test('a second daemon with a state of its own is refused as well', async () => {
  await ensure(ENVIRONMENT)
  await assertRefused({ ...ENVIRONMENT, SLASH64_STATE: '/var/lib/other' }, /another slash64 is running/)
})
