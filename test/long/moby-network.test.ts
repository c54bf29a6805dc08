// What moby's integration tests of networks expect (integration/networking, integration/network), with ours on a real engine.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { until } from '../lab/process.ts'
import { repository } from '../lab/setup.ts'
import { Topology } from '../lab/topology.ts'
import { cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { createNetwork, ENVIRONMENT, IDLE, idle, Stage } from '../support/stage.ts'

const stage = await Stage.up({ name: 'moby-network' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())

const SYSCTLS = 'driver-opt=com.docker.network.endpoint.sysctls'
const EXTERNAL = '2001:db8:ffff::99'

const named = async (...names: string[]): Promise<void> => {
  for (const name of names) await createNetwork(host, name, '-o', `group=${name}`)
}
const ping = (from: string, to: string): Promise<string> =>
  inContainer(host, from, ['busybox', 'ping', '-c', '1', '-W', '1', to])
const ip = async (container: string, ...args: string[]) =>
  JSON.parse((await inContainer(host, container, ['ip', '-j', ...args])) || '[]')
const routes = async (container: string, family: 4 | 6) =>
  (await ip(container, `-${family}`, 'route', 'show', 'default')) as { gateway?: string; from?: string }[]
const setting = (container: string, path: string): Promise<string> =>
  host.docker('exec', container, 'cat', `/proc/sys/net/ipv6/conf/${path}`)
const resolve = (container: string, name: string) => host.tryDocker('exec', container, 'nslookup', '-type=aaaa', name)

describe('moby', () => {
  afterEach(async () => {
    await stage.resume()
    await cleanUp(host)
  })

  it('TestDisableIPv4', async () => {
    await named('web')
    await idle(host, 'front', 'web')
    assert.equal(await inspect(host, 'web', '{{.EnableIPv4}} {{.EnableIPv6}}'), 'false true')
    const links = await ip('front', '-4', 'address', 'show', 'net0')
    assert.deepEqual(
      links.flatMap((link: { addr_info?: object[] }) => link.addr_info ?? []),
      [],
    )
    assert.deepEqual(await routes('front', 4), [])
  })

  it('TestDisableIPv6OnInterface', async () => {
    await named('web')
    const network = `name=web,${SYSCTLS}=net.ipv6.conf.IFNAME.disable_ipv6=1`
    const { code, stderr } = await host.tryDocker('run', '--rm', '--network', network, 'busybox', 'true')
    assert.notEqual(code, 0)
    assert.match(stderr, /disable_ipv6=1.*leave it out/)
  })

  it('TestSetEndpointSysctl', async () => {
    await named('web', 'db')
    const sysctls = (network: string, hops: number): string[] => [
      '--network',
      `name=${network},"${SYSCTLS}=net.ipv6.conf.IFNAME.hop_limit=${hops},net.ipv6.conf.IFNAME.accept_ra=0"`,
    ]
    await host.docker('run', '-d', '--name', 'front', ...sysctls('web', 33), ...sysctls('db', 44), ...IDLE)
    const links = ['net0', 'netx0']
    const hops = await Promise.all(links.map(link => setting('front', `${link}/hop_limit`)))
    assert.deepEqual(hops.toSorted(), ['33', '44'], 'the one that was born there and the one that was moved')
    for (const link of links) assert.equal(await setting('front', `${link}/accept_ra`), '0')
  })

  it('TestReadOnlySlashProc', async () => {
    await named('web')
    await host.stopSlash64()
    const readOnly = 'mount --bind -o ro /proc/sys /proc/sys && exec "$@"'
    const node = [process.execPath, '--conditions=nftables-js-source', '--disable-warning=ExperimentalWarning']
    const daemon = [
      'unshare',
      '-m',
      '--propagation',
      'slave',
      'sh',
      '-c',
      readOnly,
      'sh',
      ...node,
      join(repository, 'src/main.ts'),
    ]
    const running = host.spawn(daemon, { label: 'read-only', env: ENVIRONMENT })
    assert.equal(await running.exited, 1)
    assert.match(running.log(), /cannot write the kernel's settings.*forwarding.*EROFS; run it as root with a writable/)
    await stage.startSlash64()
    await idle(host, 'front', 'web')
  })

  it('TestExtDNSInIPv6OnlyNw', async () => {
    await using server = topology.internet.spawn(
      [process.execPath, join(repository, 'test/support/dns.ts'), EXTERNAL],
      { label: 'dns' },
    )
    await until(
      () => server.log().includes('ready'),
      5000,
      () => server.log(),
    )
    await named('web')
    await idle(host, 'own', 'web', '--dns', Topology.internetAddress)
    await host.check(['sh', '-c', `echo nameserver ${Topology.internetAddress} > /etc/resolv.conf`])
    await idle(host, 'usual', 'web')
    await host.check(['sh', '-c', 'echo nameserver 192.0.2.53 > /etc/resolv.conf'])
    for (const container of ['own', 'usual']) {
      const { code, stdout } = await resolve(container, `${container}.example.test`)
      assert.equal(code, 0, stdout)
      assert.match(stdout, /2001:db8:ffff::99/)
    }
  })

  it('TestInternalNetworkDNS', async () => {
    await using server = topology.internet.spawn(
      [process.execPath, join(repository, 'test/support/dns.ts'), EXTERNAL],
      { label: 'dns-internal' },
    )
    await until(
      () => server.log().includes('ready'),
      5000,
      () => server.log(),
    )
    await createNetwork(host, 'inner', '-o', 'group=inner', '--internal')
    await named('web')
    await idle(host, 'first', 'inner', '--dns', Topology.internetAddress)
    await idle(host, 'second', 'inner')
    assert.match((await resolve('first', 'second')).stdout, new RegExp(await addressOf(host, 'second', 'inner')))
    assert.notEqual((await resolve('first', 'example.test')).code, 0)
    assert.doesNotMatch(server.log(), /example/)
    await host.docker('network', 'connect', 'web', 'first')
    assert.equal((await resolve('first', 'example.test')).code, 0, 'another network lets it ask')
  })

  it('TestEtcHostsIpv6', async () => {
    await named('web', 'db')
    await idle(host, 'front', 'web')
    const file = () => host.docker('exec', 'front', 'cat', '/etc/hosts')
    const hostname = await inspect(host, 'front', '{{.Config.Hostname}}')
    const line = async (network: string): Promise<string> => `${await addressOf(host, 'front', network)}\t${hostname}`
    assert.ok((await file()).includes(await line('web')))
    await host.docker('network', 'connect', 'db', 'front')
    const second = await line('db')
    assert.ok((await file()).includes(second))
    await host.docker('network', 'disconnect', 'db', 'front')
    assert.ok(!(await file()).includes(second))
  })

  it('TestMACAddrOnRestart', async () => {
    await named('web')
    await idle(host, 'first', 'web')
    await idle(host, 'second', 'web')
    await host.docker('stop', 'first')
    await idle(host, 'third', 'web')
    await host.docker('start', 'first')
    const names = ['first', 'second', 'third']
    const links = await Promise.all(names.map(async name => (await ip(name, 'link', 'show', 'net0'))[0].address))
    assert.equal(new Set(links).size, 3)
    for (const name of names.slice(1)) await ping('first', await addressOf(host, name, 'web'))
  })

  it('TestCfgdMACAddrOnRestart', async () => {
    await named('web')
    await idle(host, 'front', 'web', '--mac-address', '02:64:00:00:00:02')
    for (const words of [['restart', '-t', '0'], ['stop'], ['start']]) {
      await host.docker(...words, 'front')
      if (words[0] === 'stop') continue
      assert.equal((await ip('front', 'link', 'show', 'net0'))[0].address, '02:64:00:00:00:02')
    }
  })

  it('TestJoinError', async () => {
    await createNetwork(host, 'web', '-o', 'group=web')
    await createNetwork(host, 'again', '-o', 'group=web')
    const before = await host.check(['ip', '-6', '-j', 'route'])
    for (const networks of [
      ['web', 'again'],
      ['again', 'web'],
    ]) {
      const both = networks.flatMap(network => ['--network', network])
      const { code, stderr } = await host.tryDocker('run', '--rm', ...both, 'busybox', 'true')
      assert.notEqual(code, 0)
      assert.match(stderr, /NetworkDriver\.Join: slash64: the container is in group "web" already/)
      assert.equal(await host.check(['ip', '-6', '-j', 'route']), before)
    }
    await idle(host, 'front', 'web')
  })

  it('TestPreferredSubnetRestore', async () => {
    await createNetwork(host, 'numbered', '--subnet', '2001:db8:100:a:0:11:1:0/112')
    await named('web')
    const subnets = () =>
      Promise.all(['numbered', 'web'].map(name => inspect(host, name, '{{(index .IPAM.Config 0).Subnet}}')))
    const before = await subnets()
    await host.stopDockerd()
    await stage.restartSlash64()
    await stage.startDockerd()
    assert.deepEqual(await subnets(), before)
    await createNetwork(host, 'again', '-o', 'group=web')
    assert.equal(await inspect(host, 'again', '{{(index .IPAM.Config 0).Subnet}}'), before[1])
  })

  it('TestPointToPoint', async () => {
    const { code, stderr } = await host.tryDocker(
      ...['network', 'create', '-d', 'slash64', '--ipam-driver', 'slash64', '--ipv4=false', '--ipv6'],
      ...['--subnet', '2001:db8:100:a:0:11:1:0/127', 'pair'],
    )
    assert.equal(code, 1)
    assert.match(stderr, /a pool is a \/112/)
  })

  it('TestCustomIfname', async () => {
    await named('web')
    const network = 'name=web,driver-opt=com.docker.network.endpoint.ifname=custom0'
    const { code, stderr } = await host.tryDocker('run', '--rm', '--network', network, 'busybox', 'true')
    assert.notEqual(code, 0)
    assert.match(stderr, /"custom0".*container_iface_prefix=NAME/)
    await createNetwork(host, 'custom', '-o', 'group=custom', '-o', 'com.docker.network.container_iface_prefix=custom')
    await idle(host, 'front', 'custom')
    await ip('front', 'link', 'show', 'custom0')
  })
})
