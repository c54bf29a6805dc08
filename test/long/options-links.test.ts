// Options that shape a container's link: its address, MAC, MTU, name, settings, and who brings it.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { ask, sandboxOf } from '../support/meeting.ts'
import { createNetwork, ENVIRONMENT, IDLE, idle, listening, Stage, serve } from '../support/stage.ts'

const stage = await Stage.up({ name: 'links', dockerd: ['--live-restore'] })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(async () => {
  await stage.resume()
  await cleanUp(host)
})

const SYSCTLS = 'driver-opt=com.docker.network.endpoint.sysctls='

/** A setting of a container's link. */
async function setting(container: string, path: string): Promise<string> {
  return (await host.docker('exec', container, 'cat', `/proc/sys/${path}`)).trim()
}

/** The names of a container's links but `lo`, in order. */
async function linksOf(container: string): Promise<string[]> {
  const rows = JSON.parse(await inContainer(host, container, ['ip', '-j', 'link'])) as { ifname: string }[]
  return rows
    .map(({ ifname }) => ifname)
    .filter(name => name !== 'lo')
    .toSorted()
}

/** Containers `server` and `client` of a network reach each other. */
async function assertMeet(network: string): Promise<void> {
  const [server, client] = [await addressOf(host, 'server', network), await addressOf(host, 'client', network)]
  assert.deepEqual(await ask(host, 'client', [{ address: server, port: 80 }]), [client])
}

test('--ip6, --mac-address and an MTU of one’s own hold for each network of a container, and outlive a restart', async () => {
  const subnet = '2001:db8:100:a:0:2f99:d04f:0/112'
  await createNetwork(host, 'numbered', '--subnet', subnet, '-o', 'com.docker.network.driver.mtu=9000')
  await createNetwork(host, 'small', '-o', 'group=small', '-o', 'com.docker.network.driver.mtu=1280')
  const chosen = subnet.replace(':0/112', ':abcd')
  const [first, second] = ['02:64:00:00:00:01', '02:64:00:00:00:02']
  const networks = [`name=numbered,ip6=${chosen},mac-address=${first}`, `name=small,mac-address=${second}`]
  await serve(host, 'server', networks[0] ?? '', [80], '--network', networks[1] ?? '')
  await idle(host, 'client', 'numbered', '--network', 'small')
  for (let turn = 0; turn < 2; turn++) {
    assert.equal(await addressOf(host, 'server', 'numbered'), chosen)
    const rows = JSON.parse(await inContainer(host, 'server', ['ip', '-j', 'link'])) as {
      ifname: string
      address: string
      mtu: number
    }[]
    const links = rows.filter(({ ifname }) => ifname !== 'lo').map(({ address, mtu }) => [address, mtu])
    assert.deepEqual(links.toSorted(), [
      [first, 9000],
      [second, 1280],
    ])
    await assertMeet('numbered')
    await assertMeet('small')
    await host.docker('restart', '-t', '0', 'server')
    await listening(host, 'server')
  }
})

test('endpoint sysctls, on a link that is born and on one that is moved; the CLI’s small letters do not matter', async () => {
  await createNetwork(host, 'one', '-o', 'group=one')
  await createNetwork(host, 'two', '-o', 'group=two')
  const settings = 'net.ipv6.conf.IFNAME.hop_limit=33,net.ipv4.conf.IFNAME.forwarding=1'
  const networks = ['one', 'two'].map(name => `"name=${name}","${SYSCTLS}${settings}"`)
  await idle(host, 'front', networks[0] ?? '', '--network', networks[1] ?? '')
  assert.deepEqual(await linksOf('front'), ['net0', 'netx0'])
  for (const link of await linksOf('front')) {
    assert.equal(await setting('front', `net/ipv6/conf/${link}/hop_limit`), '33')
    assert.equal(await setting('front', `net/ipv4/conf/${link}/forwarding`), '1')
  }
  assert.equal(await setting('front', 'net/ipv6/conf/default/hop_limit'), '64')
})

for (const value of ['net.ipv6.conf.IFNAME.disable_ipv6=1', 'net.ipv6.conf.eth0.hop_limit=3']) {
  test(`the endpoint sysctl ${value} is refused with a sentence`, async () => {
    await createNetwork(host, 'one', '-o', 'group=one')
    const { code, stderr } = await host.tryDocker('run', '-d', '--network', `name=one,${SYSCTLS}${value}`, ...IDLE)
    assert.notEqual(code, 0)
    assert.match(stderr, /sysctl.*(disable_ipv6|eth0)/)
  })
}

test('container_iface_prefix names born and moved links', async () => {
  const prefix = 'com.docker.network.container_iface_prefix='
  await createNetwork(host, 'red', '-o', 'group=red', '-o', `${prefix}lan`)
  await createNetwork(host, 'blue', '-o', 'group=blue', '-o', `${prefix}wan`)
  await createNetwork(host, 'green', '-o', 'group=green')
  await serve(host, 'server', 'red', [80])
  await idle(host, 'client', 'red', '--network', 'blue', '--network', 'green')
  assert.deepEqual(await linksOf('server'), ['lan0'])
  // The engine begins with one of the three; the others are moved.
  const links = await linksOf('client')
  assert.deepEqual(
    links.map(name => name.replace(/x?0$/, '')),
    ['lan', 'net', 'wan'],
  )
  assert.equal(links.filter(name => name.endsWith('x0')).length, 2, links.join(' '))
  await assertMeet('red')
})

test('container_iface_prefix=eth with birth=engine: eth0 as everywhere, beside a bridge too', async () => {
  const options = ['-o', 'birth=engine', '-o', 'com.docker.network.container_iface_prefix=eth']
  await createNetwork(host, 'one', '-o', 'group=one', ...options)
  await createNetwork(host, 'two', '-o', 'group=two', ...options)
  await host.docker('network', 'create', 'beside')
  await serve(host, 'server', 'one', [80], '--network', 'two')
  await idle(host, 'client', 'one', '--network', 'beside', '--network', 'two')
  assert.deepEqual(await linksOf('server'), ['eth0', 'eth1'])
  assert.deepEqual(await linksOf('client'), ['eth0', 'eth1', 'eth2'])
  await assertMeet('one')
  await assertMeet('two')
})

/** Bytes that `docker stats` has of a container, all links together. */
async function bytesOf(container: string): Promise<number> {
  const text = await host.docker('stats', '--no-stream', '--format', '{{.NetIO}}', container)
  const units: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6 }
  return [...text.matchAll(/([\d.]+)(B|kB|MB)/g)].reduce(
    (sum, [, size, unit]) => sum + Number(size) * (units[unit ?? ''] ?? 0),
    0,
  )
}

test('docker stats shows the traffic with birth=engine', async () => {
  await createNetwork(host, 'one', '-o', 'group=one', '-o', 'birth=engine')
  await serve(host, 'server', 'one', [80])
  await idle(host, 'client', 'one')
  const before = await bytesOf('server')
  await assertMeet('one')
  assert.ok((await bytesOf('server')) > before, 'the conversation was counted')
  assert.match((await linksOf('server'))[0] ?? '', /^netx0$/)
})

test('SLASH64_BIRTH=engine is for all networks that do not say otherwise', async () => {
  await host.stopSlash64()
  await host.startSlash64({ ...ENVIRONMENT, SLASH64_BIRTH: 'engine' })
  try {
    await createNetwork(host, 'one', '-o', 'group=one')
    await createNetwork(host, 'two', '-o', 'group=two', '-o', 'birth=sandbox')
    await serve(host, 'server', 'one', [80])
    await idle(host, 'client', 'one')
    await idle(host, 'born', 'two')
    assert.deepEqual([await linksOf('server'), await linksOf('born')], [['netx0'], ['net0']])
    await assertMeet('one')
    await stage.restartSlash64()
    await assertConsistent(host)
    await idle(host, 'later', 'one')
    assert.deepEqual([await linksOf('server'), await linksOf('later')], [['netx0'], ['net0']])
  } finally {
    await stage.restartSlash64()
  }
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`birth=engine and live-restore by ${signal}: it goes on, and then the stop leaves nothing`, async () => {
    await createNetwork(host, 'one', '-o', 'group=one', '-o', 'birth=engine')
    await serve(host, 'server', 'one', [80])
    await idle(host, 'client', 'one')
    const before = await sandboxOf(host, 'server')
    await host.stopDockerd(signal)
    await stage.startDockerd()
    assert.deepEqual(await sandboxOf(host, 'server'), before)
    await assertMeet('one')
    await host.docker('stop', '-t', '0', 'server', 'client')
    await assertConsistent(host)
    await host.docker('start', 'server', 'client')
    await listening(host, 'server')
    await assertMeet('one')
    assert.equal(await inspect(host, 'client', '{{.State.Running}}'), 'true')
  })
}
