// Beside whoever drops forwarded IPv6 by policy: Docker itself, an operator, either kind of ip6tables. Hosts begin as fresh ones do, without forwarding.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { Host } from '../lab/host.ts'
import { until } from '../lab/process.ts'
import { Topology } from '../lab/topology.ts'
import { cleanUp } from '../support/clean.ts'
import { addressOf } from '../support/container.ts'
import type { Finding, Probe } from '../support/probe.ts'
import { createNetwork, ENVIRONMENT, idle, PREFIX, probe, probeFrom, serve, serveOn, UPLINK } from '../support/stage.ts'

const INTERNET = Topology.internetAddress
/** A link of the host that is nobody's container. */
const LAN = { prefix: '2001:db8:300::/64', host: '2001:db8:300::1', peer: '2001:db8:300::2' } as const
const ACCEPTS = ['-A FORWARD -o s64+ -j ACCEPT', '-A FORWARD -i s64+ -j ACCEPT']

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port })
const outcomes = (findings: readonly Finding[]): string[] => findings.map(({ outcome }) => outcome)

type Site = { host: Host; topology: Topology }

async function freshSite(name: string): Promise<Site> {
  const host = await Host.start({ name, forward: false })
  const topology = await Topology.up({ hosts: [{ host, prefix: PREFIX, uplinkAddress: UPLINK }] })
  return { host, topology }
}

async function rulesOf(host: Host, chain: string, program = 'ip6tables'): Promise<string[]> {
  return (await host.check([program, '-S', chain])).trim().split('\n')
}

/** Docker's first IPv6 bridge, which switches forwarding on where it is off. */
async function bridge(host: Host): Promise<void> {
  await host.docker('network', 'create', '--ipv6', '--subnet', '2001:db8:200::/64', 'bridged')
}

async function plugLan({ host, topology }: Site): Promise<void> {
  await host.check(['ip', 'netns', 'add', 'lan'])
  await host.check(['ip', 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'lan'])
  const script = `
    ip link set lan0 up && ip address add ${LAN.host}/64 dev lan0 nodad
    ip -n lan link set eth0 up && ip -n lan address add ${LAN.peer}/64 dev eth0 nodad
    ip -n lan route add default via ${LAN.host}`
  await host.check(['sh', '-ec', script])
  await topology.router.check(['ip', 'route', 'add', LAN.prefix, 'via', 'fe80::2', 'dev', host.name])
}

/** Whether the host forwards what is none of ours. */
async function lanAnswers(host: Host): Promise<boolean> {
  const ping = ['ip', 'netns', 'exec', 'lan', 'busybox', 'ping', '-c', '1', '-W', '1', INTERNET]
  return (await host.exec(ping)).code === 0
}

async function within5s(host: Host, what: string, look: () => Promise<boolean>): Promise<void> {
  await until(look, 5000, () => `${what} did not come back within 5 s\n${host.logTail()}`)
}

/** Containers and the world talk as they do without any other firewall. */
async function assertWorks({ host, topology }: Site): Promise<void> {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80, 81], '-p', '80:80')
  await idle(host, 'back', 'web')
  const front = await addressOf(host, 'front', 'web')
  const found = {
    inside: outcomes(await probe(host, 'back', [tcp(front, 80), tcp(front, 81)])),
    out: outcomes(await probe(host, 'back', [tcp(INTERNET, 8080)])),
    in: outcomes(await probeFrom(topology.internet, [tcp(front, 80), tcp(front, 81)])),
  }
  const wanted = { inside: ['answered', 'answered'], out: ['answered'], in: ['answered', 'timeout'] }
  assert.deepEqual(found, wanted, host.logTail())
}

describe('where Docker itself made FORWARD drop, before slash64 came', () => {
  let site: Site
  let host: Host
  before(async () => {
    site = await freshSite('dropping')
    host = site.host
    await serveOn(site.topology.internet, [8080])
    await plugLan(site)
    await host.startDockerd()
    await bridge(host)
    await host.startSlash64(ENVIRONMENT)
  })
  after(async () => {
    await site.topology.dispose()
    await host.dispose()
  })
  afterEach(() => cleanUp(host))

  const ours = async () => (await rulesOf(host, 'FORWARD')).slice(-2)

  test('containers reach each other and the world, and everything else is still dropped', async () => {
    assert.ok((await rulesOf(host, 'FORWARD')).includes('-P FORWARD DROP'), 'Docker does so')
    assert.deepEqual(await ours(), ACCEPTS)
    await assertWorks(site)
    assert.equal(await lanAnswers(host), false)
    await host.check(['ip6tables', '-P', 'FORWARD', 'ACCEPT'])
    assert.equal(await lanAnswers(host), true, 'only the policy stood in its way')
    await host.check(['ip6tables', '-P', 'FORWARD', 'DROP'])
  })

  test('the rules come back when somebody empties FORWARD, and are not touched by who empties DOCKER-USER', async () => {
    await host.check(['ip6tables', '-F', 'DOCKER-USER'])
    assert.deepEqual(await ours(), ACCEPTS)
    await host.check(['ip6tables', '-F', 'FORWARD'])
    await within5s(host, 'both rules', async () => (await ours()).join() === ACCEPTS.join())
    await assertWorks(site)
  })

  test('dockerd starts again beside them, and also after all of its chains were deleted', async () => {
    await host.stopDockerd()
    await host.startDockerd()
    assert.deepEqual(await ours(), ACCEPTS)
    await host.stopDockerd()
    await host.check(['sh', '-ec', 'ip6tables -F; ip6tables -X'])
    await host.startDockerd()
    await within5s(host, 'both rules', async () => {
      const rules = await rulesOf(host, 'FORWARD')
      return ACCEPTS.every(rule => rules.includes(rule))
    })
    await assertWorks(site)
    assert.equal(await lanAnswers(host), false)
    assert.match(await host.check(['ip6tables', '-S']), /-P FORWARD DROP/)
  })

  test('Docker still guards the containers on its bridges, and an operator’s rules in DOCKER-USER decide first', async () => {
    const routed = 'com.docker.network.bridge.gateway_mode_ipv6=routed'
    await host.docker('network', 'create', '--ipv6', '--subnet', '2001:db8:201::/64', '-o', routed, 'routed')
    await serve(host, 'neighbour', 'routed', [80, 81], '-p', '80')
    await createNetwork(host, 'web', '-o', 'group=web')
    await idle(host, 'back', 'web')
    const neighbour = await addressOf(host, 'neighbour', 'routed')
    const reach = async () =>
      outcomes(await probe(host, 'back', [tcp(neighbour, 80), tcp(neighbour, 81), tcp(INTERNET, 8080)]))
    assert.deepEqual(await reach(), ['answered', 'timeout', 'answered'])
    await host.check(['ip6tables', '-A', 'DOCKER-USER', '-d', INTERNET, '-j', 'DROP'])
    assert.deepEqual(await reach(), ['answered', 'timeout', 'timeout'])
    await host.check(['ip6tables', '-F', 'DOCKER-USER'])
  })

  test('the same with ip6tables-legacy, which tells nobody of its changes', async () => {
    await host.check(['ip6tables', '-P', 'FORWARD', 'ACCEPT'])
    await host.check(['ip6tables-legacy', '-P', 'FORWARD', 'DROP'])
    const there = async () => (await rulesOf(host, 'FORWARD', 'ip6tables-legacy')).length === 3
    await until(there, 7000, () => host.logTail())
    await assertWorks(site)
    assert.equal(await lanAnswers(host), false)
    await host.check(['sh', '-ec', 'ip6tables-legacy -P FORWARD ACCEPT; ip6tables-legacy -F'])
    assert.equal(await lanAnswers(host), true)
  })

  test('a chain that is nobody else’s to write to is named in the log', async () => {
    const chain = 'type filter hook forward priority 10; policy accept; reject with icmpx admin-prohibited;'
    await host.check(['nft', `table inet firewalld { chain filter_FORWARD { ${chain} }; }`])
    await until(
      async () => host.slash64.log().includes('inet firewalld filter_FORWARD'),
      5000,
      () => host.logTail(),
    )
    assert.equal((await host.check(['nft', 'list', 'table', 'inet', 'firewalld'])).includes('s64'), false)
    await host.check(['nft', 'delete', 'table', 'inet', 'firewalld'])
  })
})

describe('where an operator made FORWARD drop, on a host without Docker’s chains', () => {
  test('the rules are in FORWARD before the first container', async () => {
    const site = await freshSite('strict')
    await using host = site.host
    await using topology = site.topology
    await serveOn(topology.internet, [8080])
    await host.check(['ip6tables', '-P', 'FORWARD', 'DROP'])
    await host.startDockerd('--ip6tables=false')
    await host.startSlash64(ENVIRONMENT)
    assert.deepEqual(await rulesOf(host, 'FORWARD'), ['-P FORWARD DROP', ...ACCEPTS])
    await assertWorks(site)
    await cleanUp(host)
  })
})

describe('on a fresh host where slash64 starts first', () => {
  test('Docker leaves the policy alone, because forwarding is on already, and no rule of ours is needed', async () => {
    const site = await freshSite('fresh')
    await using host = site.host
    await using topology = site.topology
    await serveOn(topology.internet, [8080])
    await host.startSlash64(ENVIRONMENT)
    await host.startDockerd()
    await bridge(host)
    assert.ok((await rulesOf(host, 'FORWARD')).includes('-P FORWARD ACCEPT'))
    assert.doesNotMatch(await host.check(['ip6tables', '-S']), /s64/)
    await assertWorks(site)
    await cleanUp(host)
  })
})
