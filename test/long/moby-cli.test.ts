// What moby's own CLI tests do with a network driver (integration-cli/docker_cli_network_unix_test.go), done with ours on a real engine.
import assert from 'node:assert/strict'
import { after, afterEach, describe, it } from 'node:test'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { createNetwork, IDLE, idle, Stage } from '../support/stage.ts'

const stage = await Stage.up({ name: 'moby-cli' })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())

/** Two groups by their numbers, which is what lets an engine before 29.0.4 take `--ip6`. */
const RED = '2001:db8:100:a:0:11:1:'
const BLUE = '2001:db8:100:a:0:22:2:'
const numbered = async (): Promise<void> => {
  await createNetwork(host, 'red', '--subnet', `${RED}0/112`)
  await createNetwork(host, 'blue', '--subnet', `${BLUE}0/112`)
}
const named = async (...names: string[]): Promise<void> => {
  for (const name of names) await createNetwork(host, name, '-o', `group=${name}`)
}

const networksOf = async (container: string): Promise<string[]> =>
  Object.keys(JSON.parse(await inspect(host, container, '{{json .NetworkSettings.Networks}}'))).toSorted()
const ping = (from: string, to: string): Promise<string> =>
  inContainer(host, from, ['busybox', 'ping', '-c', '1', '-W', '1', to])
/** By the embedded DNS of the engine, as a program in the container does it. */
const pingName = (from: string, to: string): Promise<string> =>
  host.docker('exec', from, 'ping', '-6', '-c', '1', '-W', '1', to)
const defaultRoutes = async (container: string): Promise<{ gateway?: string; dev: string }[]> =>
  JSON.parse(await inContainer(host, container, ['ip', '-6', '-j', 'route', 'show', 'default']))

describe('moby', () => {
  afterEach(() => cleanUp(host))

  it('TestDockerNetworkConnectDisconnect', async () => {
    await named('web', 'db')
    await idle(host, 'front', 'web')
    await idle(host, 'store', 'db')
    await host.docker('network', 'connect', 'db', 'front')
    assert.deepEqual(await networksOf('front'), ['db', 'web'])
    await assertConsistent(host)
    await ping('store', await addressOf(host, 'front', 'db'))
    const members = JSON.parse(await inspect(host, 'db', '{{json .Containers}}'))
    assert.equal(Object.keys(members).length, 2)
    await host.docker('network', 'disconnect', 'db', 'front')
    assert.deepEqual(await networksOf('front'), ['web'])
    await assertConsistent(host)
    const { code, stderr } = await host.tryDocker('network', 'rm', 'db')
    assert.equal(code, 1)
    assert.match(stderr, /has active endpoints/)
    await host.docker('network', 'disconnect', '-f', 'db', 'store')
    await host.docker('network', 'rm', 'db')
  })

  it('TestDockerNetworkConnectDisconnectToStoppedContainer', async () => {
    await named('web', 'db')
    await host.docker('create', '--name', 'front', '--network', 'web', ...IDLE)
    await host.docker('network', 'connect', 'db', 'front')
    assert.deepEqual(await networksOf('front'), ['db', 'web'])
    await stage.host.stopDockerd()
    await stage.startDockerd()
    assert.deepEqual(await networksOf('front'), ['db', 'web'])
    await host.docker('network', 'disconnect', 'db', 'front')
    await host.docker('start', 'front')
    assert.deepEqual(await networksOf('front'), ['web'])
    await assertConsistent(host)
  })

  it('TestDockerNetworkConnectWithMac', async () => {
    await named('web')
    await host.docker('run', '-d', '--name', 'front', '--mac-address', '02:64:00:00:00:01', ...IDLE)
    await host.docker('network', 'connect', 'web', 'front')
    const macs = JSON.parse(await inspect(host, 'front', '{{json .NetworkSettings.Networks}}'))
    assert.equal(macs.bridge.MacAddress, '02:64:00:00:00:01')
    assert.match(macs.web.MacAddress, /^[0-9a-f][26ae]:(?!64:00:00:00:01)/)
  })

  it('TestDockerNetworkMacInspect', async () => {
    await named('web')
    await idle(host, 'front', 'web')
    const told = await inspect(host, 'front', '{{(index .NetworkSettings.Networks "web").MacAddress}}')
    const [link] = JSON.parse(await inContainer(host, 'front', ['ip', '-j', 'link', 'show', 'net0']))
    assert.equal(told, link.address)
  })

  it('TestDockerNetworkConnectWithPortMapping', async () => {
    await named('web')
    await host.docker('run', '-d', '--name', 'front', '-p', '5000:5000', ...IDLE)
    await host.docker('network', 'connect', 'web', 'front')
    assert.match(await host.docker('port', 'front'), /5000/)
    await assertConsistent(host)
    await host.docker('network', 'disconnect', 'web', 'front')
    assert.match(await host.docker('port', 'front'), /5000/)
  })

  it('TestDockerNetworkRestartWithMultipleNetworks', async () => {
    await named('web', 'db')
    await idle(host, 'front', 'web')
    await host.docker('network', 'connect', 'db', 'front')
    await host.docker('restart', '-t', '0', 'front')
    assert.deepEqual(await networksOf('front'), ['db', 'web'])
    await assertConsistent(host)
    await idle(host, 'store', 'db')
    await ping('front', await addressOf(host, 'store', 'db'))
  })

  it('TestDockerNetworkRunNetByID', async () => {
    await idle(host, 'front', await createNetwork(host, 'web', '-o', 'group=web'))
    assert.deepEqual(await networksOf('front'), ['web'])
  })

  it('TestDockerNetworkDisconnectContainerNonexistingNetwork', async () => {
    await named('web', 'db')
    await host.docker('create', '--name', 'front', '--network', 'web', ...IDLE)
    await host.docker('network', 'rm', 'web')
    await host.docker('network', 'disconnect', 'web', 'front')
    await host.docker('network', 'connect', 'db', 'front')
    assert.deepEqual(await networksOf('front'), ['db'])
  })

  it('TestDockerNetworkConnectPreferredIP', async () => {
    await numbered()
    await idle(host, 'front', 'red', '--ip6', `${RED}55`)
    await host.docker('network', 'connect', '--ip6', `${BLUE}55`, 'blue', 'front')
    const verify = async (): Promise<void> => {
      assert.equal(await addressOf(host, 'front', 'red'), `${RED}55`)
      assert.equal(await addressOf(host, 'front', 'blue'), `${BLUE}55`)
      await assertConsistent(host)
    }
    await verify()
    await host.docker('restart', '-t', '0', 'front')
    await verify()
    await idle(host, 'friend', 'blue')
    await ping('friend', `${BLUE}55`)
    const { code, stderr } = await host.tryDocker('network', 'connect', '--ip6', `${RED}55`, 'red', 'friend')
    assert.equal(code, 1)
    assert.match(stderr, /slash64: the address ".*:55" is taken/)
  })

  it('TestDockerNetworkConnectPreferredIPStoppedContainer', async () => {
    await numbered()
    await host.docker('create', '--name', 'front', '--network', 'red', '--ip6', `${RED}55`, ...IDLE)
    await host.docker('network', 'connect', '--ip6', `${BLUE}55`, 'blue', 'front')
    await host.docker('start', 'front')
    assert.equal(await addressOf(host, 'front', 'red'), `${RED}55`)
    assert.equal(await addressOf(host, 'front', 'blue'), `${BLUE}55`)
  })

  it('TestDockerNetworkUnsupportedRequiredIP', async () => {
    await named('web')
    await numbered()
    const wrong = [
      ['--network', 'web', '--ip6', 'fd00::1'],
      ['--network', 'red', '--ip6', `${BLUE}1`],
      ['--network', 'red', '--ip6', `${RED}0`],
      ['--network', 'red', '--ip', '172.28.99.88'],
    ]
    for (const args of wrong) {
      const { code, stderr } = await host.tryDocker('run', '--rm', ...args, 'busybox', 'true')
      assert.notEqual(code, 0, args.join(' '))
      assert.match(stderr, /subnet|no endpoint address|pool/i)
    }
  })

  it('TestDockerNetworkConnectLinkLocalIP', async () => {
    await createNetwork(host, 'web', '-o', 'group=web', '-o', 'birth=engine')
    await idle(host, 'front', 'web', '--link-local-ip', 'fe80::64:64')
    await idle(host, 'friend', 'web')
    const verify = async (): Promise<void> => {
      const [link] = JSON.parse(await inContainer(host, 'front', ['ip', '-6', '-j', 'address', 'show', 'netx0']))
      assert.ok(link.addr_info.some((one: { local: string }) => one.local === 'fe80::64:64'))
      await ping('friend', await addressOf(host, 'front', 'web'))
    }
    await verify()
    await host.docker('restart', '-t', '0', 'front')
    await verify()
  })

  it('TestDockerNetworkAnonymousEndpoint', async () => {
    await named('web')
    await idle(host, 'front', 'web')
    const hosts = await host.docker('exec', 'front', 'cat', '/etc/hosts')
    const id = await host.docker('run', '-d', '--network', 'web', ...IDLE)
    assert.equal(await host.docker('exec', 'front', 'cat', '/etc/hosts'), hosts)
    await pingName('front', id.slice(0, 12))
  })

  it('TestUserDefinedNetworkConnectivity', async () => {
    await named('web')
    await idle(host, 'first', 'web', '--network-alias', 'one')
    await idle(host, 'second', 'web')
    for (const [from, to] of [
      ['first', 'second'],
      ['second', 'first'],
      ['second', 'one'],
    ] as const)
      await pingName(from, to)
    await idle(host, 'third', 'web')
    await pingName('first', 'third')
  })

  it('TestDockerNetworkInternalMode', async () => {
    await createNetwork(host, 'inner', '-o', 'group=inner', '--internal')
    await idle(host, 'first', 'inner', '-p', '80:80')
    await idle(host, 'second', 'inner')
    assert.equal(await inspect(host, 'inner', '{{.Internal}}'), 'true')
    await pingName('second', 'first')
    assert.deepEqual(await defaultRoutes('first'), [])
    await assert.rejects(ping('first', '2001:db8:ffff::1'))
    await assert.rejects(
      stage.topology.internet.check(['busybox', 'ping', '-c', '1', '-W', '1', await addressOf(host, 'first', 'inner')]),
    )
  })

  it('TestDockerNetworkCreateDeleteSpecialCharacters', async () => {
    for (const name of ['test@#$', 'kiwl$%^']) {
      await createNetwork(host, name)
      await idle(host, 'front', name)
      await host.docker('rm', '-f', 'front')
      await host.docker('network', 'rm', name)
    }
  })

  it('TestDockerNetworkConnectFailsNoInspectChange', async () => {
    await named('web')
    await idle(host, 'front', 'web')
    const before = await inspect(host, 'front', '{{json .NetworkSettings.Networks}}')
    const { code } = await host.tryDocker('network', 'connect', 'web', 'front')
    assert.equal(code, 1)
    assert.equal(await inspect(host, 'front', '{{json .NetworkSettings.Networks}}'), before)
  })

  it('TestDockerNetworkEmbeddedDNSInvalidInput', async () => {
    await named('web')
    await idle(host, 'front', 'web')
    for (const name of ['', '.', '-', 'a..b', 'x'.repeat(64)]) await host.tryDocker('exec', 'front', 'nslookup', name)
    await idle(host, 'friend', 'web')
    await pingName('front', 'friend')
  })

  it('TestDockerNetworkIPAMOptions', async () => {
    await createNetwork(host, 'web', '--ipam-opt', 'group=web')
    assert.deepEqual(JSON.parse(await inspect(host, 'web', '{{json .IPAM.Options}}')), { group: 'web' })
    assert.equal(await inspect(host, 'web', '{{.IPAM.Driver}}'), 'slash64')
  })

  it('TestDockerNetworkDriverOptions', async () => {
    const options = { group: 'web', allow: 'db:80', 'com.docker.network.driver.mtu': '1400' }
    await createNetwork(host, 'web', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]))
    const told = JSON.parse(await inspect(host, 'web', '{{json .Options}}'))
    for (const [name, value] of Object.entries(options)) assert.equal(told[name], value)
  })

  it('TestDockerNetworkNullIPAMDriver', async () => {
    const args = ['-d', 'slash64', '--ipam-driver', 'null', '--ipv4=false', '--ipv6']
    const { code, stderr } = await host.tryDocker('network', 'create', ...args, 'web')
    assert.equal(code, 1)
    assert.match(stderr, /--ipam-driver slash64/)
  })

  it('TestDockerNetworkOverlayPortMapping', async () => {
    await createNetwork(host, 'inner', '-o', 'group=inner', '--internal')
    await named('web')
    await idle(host, 'first', 'inner', '-p', '80:80')
    await idle(host, 'second', 'web', '-p', '80:80')
    assert.equal(await host.docker('network', 'ls', '-q', '--filter', 'name=docker_gwbridge'), '')
  })
})
