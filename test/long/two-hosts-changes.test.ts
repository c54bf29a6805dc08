// Two hosts make one policy, while things change: lists, daemons, settings, routes, MTUs and cables.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { assertArrives, assertStopped, token } from '../support/forged.ts'
import { Door, inside, insideContainer } from '../support/inside.ts'
import type { Netns } from '../support/netns.ts'
import { echoRequest, ip6, tcp as tcpLayer, udp as udpLayer } from '../support/packet.ts'
import { type Capture, capture } from '../support/packet-socket.ts'
import type { Finding, Probe } from '../support/probe.ts'
import { createNetwork, idle, probe, Talk } from '../support/stage.ts'
import { Stream } from '../support/stream.ts'
import { B, ROUTER, TwoHosts } from '../support/two-hosts.ts'

const stage = await TwoHosts.up()
after(() => stage[Symbol.asyncDispose]())
const { a, b, topology } = stage
const { front, store } = await stage.settle()
const inFront = await insideContainer(a, 'front')
const inStore = await insideContainer(b, 'store')
const target = { host: b, ns: inStore, address: store, port: 5432 }

afterEach(async () => {
  await stage.resume()
  await Promise.all([assertConsistent(a), assertConsistent(b)])
})

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port, patience: 500 })
const outcomes = (findings: readonly Finding[]): string[] => findings.map(({ outcome }) => outcome)

/** What B's list says about group web. */
async function assertPolicy(): Promise<void> {
  assert.deepEqual(outcomes(await probe(a, 'front', [tcp(store, 5432), tcp(store, 22)])), ['answered', 'ECONNREFUSED'])
}

test('a list that is gone cuts the next packet of a flow that it had allowed', async () => {
  await createNetwork(b, 'vault', '-o', 'group=vault', '-o', 'allow=web:5432')
  await idle(b, 'vault', 'vault')
  const vault = await addressOf(b, 'vault', 'vault')
  using server = Stream.serve(await insideContainer(b, 'vault'), 'tcp', 5432)
  using client = Stream.open(inFront, 'tcp')
  assert.equal((await client.connect(vault, 5432)).outcome, 'connected')
  // The server's end stays open when its container goes, so that nothing but the policy ends the flow.
  using session = await server.accept()
  client.write('before')
  assert.equal(await session.read(), 'before')
  await b.docker('rm', '-f', 'vault')
  await b.docker('network', 'rm', 'vault')
  await createNetwork(b, 'vault', '-o', 'group=vault', '--subnet', vault.replace(/\w+$/, '0/112'))
  await idle(b, 'heir', 'vault', '--ip6', vault)
  assert.equal(await addressOf(b, 'heir', 'vault'), vault)
  using there = capture(await insideContainer(b, 'heir'), 'net0', frame => frame.source === front)
  client.write('after')
  await assert.rejects(client.read(2000), /ECONNRESET/)
  assert.deepEqual(there.frames(), [])
  await b.docker('rm', '-f', 'heir')
  await b.docker('network', 'rm', 'vault')
})

/** Nothing that the containers of the two hosts say to each other meanwhile is lost. */
async function assertNothingLost(act: () => Promise<void>): Promise<void> {
  await using talk = await Talk.begin(a, store, 5432, await inspect(a, 'front', '{{.State.Pid}}'))
  await act()
  const { sent, lost, tcp: stream } = await talk.end()
  assert.ok(sent > 50, `only ${sent} datagrams were sent`)
  assert.deepEqual(lost, [], `of ${sent} datagrams`)
  assert.deepEqual(stream, { sent: stream.sent, back: stream.sent, error: '' })
}

test('slash64 on one host is killed and starts again: no packet between the hosts is lost', () =>
  assertNothingLost(async () => {
    await b.stopSlash64('SIGKILL')
    await assertPolicy()
    await stage.startB()
    await assertPolicy()
  }))

test('other settings, and so other tables: no packet between the hosts is lost', () =>
  assertNothingLost(() => stage.withB({ SLASH64_UPLINKS: 'eth0', SLASH64_FLOWS_FROM: '5000' }, assertPolicy)))

test('a host that has no default route yet believes nobody, and says so', async () => {
  inside(b).ip('-6 route del default')
  try {
    await stage.withB({ SLASH64_UPLINKS: '' }, async () => {
      inside(b).ip('-6 route add default via fe80::1 dev eth0')
      assert.deepEqual(outcomes(await probe(a, 'front', [tcp(store, 5432)])), ['timeout'])
      assert.match(b.slash64.log(), /no default route.*SLASH64_UPLINKS/)
    })
  } finally {
    inside(b).ip('-6 route replace default via fe80::1 dev eth0')
  }
  await assertPolicy()
})

/** A TCP flow from `front` to port 7001 in another namespace: 30 kB there, 30 kB back, in pieces of more than one segment. */
async function assertTransfers(server: Netns, address: string): Promise<void> {
  using listener = Stream.serve(server, 'tcp', 7001)
  using client = Stream.open(inFront, 'tcp')
  assert.equal((await client.connect(address, 7001)).outcome, 'connected')
  using session = await listener.accept()
  for (const [from, to] of [
    [client, session],
    [session, client],
  ] as const) {
    for (let part = 0; part < 6; part++) from.write('x'.repeat(5000))
    for (let received = 0; received < 30_000; ) received += (await to.read(2000)).length
  }
}

/** Collects what a container is told of packets that were too big. */
const errors = (ns: Netns): Capture => capture(ns, 'net0', ({ type }) => type === 2)
const first = (capture: Capture) => capture.frames().map(({ source, mtu }) => [source, mtu])[0]

test('a link of a smaller MTU on the way: the router’s errors arrive, and large transfers get through', async () => {
  const links = [[inside(topology.router), 'host-b'] as const, [inside(b), 'eth0'] as const]
  const all = (mtu: number): void => {
    for (const [ns, link] of links) ns.ip(`link set ${link} mtu ${mtu}`)
  }
  all(1300)
  try {
    using there = errors(inFront)
    using back = errors(inStore)
    await assertTransfers(inStore, store)
    assert.deepEqual(first(there), [ROUTER, 1300])
    assert.deepEqual(first(back), [B.own, 1300])
  } finally {
    all(1500)
    for (const ns of [inFront, inStore]) ns.ip('-6 route flush cache')
  }
})

test('a network of a smaller MTU: the host’s errors come from its PREFIX::1 and arrive on the other host', async () => {
  const network = ['-o', 'group=narrow', '-o', 'allow=web:7001', '-o', 'com.docker.network.driver.mtu=1400']
  await createNetwork(b, 'narrow', ...network)
  await idle(b, 'narrow', 'narrow')
  const [narrow, inNarrow] = [await addressOf(b, 'narrow', 'narrow'), await insideContainer(b, 'narrow')]
  // The container tells a segment size that is too large for its link, as one behind a tunnel of its own would.
  const gateway = inNarrow.json<{ dst: string }>('-6 neigh show nud permanent')[0]?.dst
  inNarrow.ip(`-6 route add ${front}/128 via ${gateway} dev net0 advmss 1440`)
  using there = errors(inFront)
  // Without a global address on its uplink, as on many routed hosts.
  inside(b).ip(`address delete ${B.uplink}/128 dev eth0`)
  try {
    await assertTransfers(inNarrow, narrow)
  } finally {
    inside(b).ip(`address add ${B.uplink}/128 dev eth0 nodad`)
  }
  assert.deepEqual(first(there), [B.own, 1400])
  await b.docker('rm', '-f', 'narrow')
  await b.docker('network', 'rm', 'narrow')
})

test('the uplink’s cable is out for a moment: flows go on, and the policy is what it was', async () => {
  using client = Stream.open(inFront, 'tcp')
  assert.equal((await client.connect(store, 5432)).outcome, 'connected')
  assert.equal(await client.read(), `${front}\n`)
  await topology.unplug(b)
  client.write('meanwhile')
  await assert.rejects(client.read(300), /EAGAIN/)
  await topology.plug(b)
  assert.equal(await client.read(5000), 'meanwhile')
  await assertPolicy()
  using uplink = Door.open(inside(topology.router), 'host-b', inside(b), 'eth0')
  await assertArrives(target, uplink, front)
  using back = Door.open(inside(topology.internet), 'back', inside(b), 'eth1')
  await assertStopped(target, back, front, 'fleet source on a link that is no uplink')
})

test('a scan of unused addresses leaves nothing on the host, and hears that they are unreachable at most', async () => {
  const internet = inside(topology.internet)
  using door = Door.open(internet, 'eth0', inside(topology.router), 'internet')
  using answers = capture(internet, 'eth0', ({ source }) => source?.startsWith('2001:db8:100:') === true)
  const neighbours = (): number => inside(b).json('-6 neigh show nud all').length
  const flows = async (): Promise<number> =>
    Number(await b.check(['cat', '/proc/sys/net/netfilter/nf_conntrack_count']))
  const before = [neighbours(), await flows()] as const
  const [pool, prefix] = [store.replace(/\w+$/, ''), B.prefix.replace('::/64', '')]
  for (let i = 0; i < 1000; i++) {
    const unused =
      i % 2
        ? `${pool}${(0x1000 + i).toString(16)}`
        : `${prefix}:${randomBytes(8)
            .toString('hex')
            .replace(/....(?=.)/g, '$&:')}`
    const header = { source: Topology.internetAddress, destination: unused }
    const kinds = [
      tcpLayer({ sport: 40_000, dport: 80 }),
      udpLayer({ sport: 40_000, dport: 53 }),
      echoRequest(i, token()),
    ]
    door.send(ip6(header, kinds[i % 3] ?? echoRequest(i, token())))
  }
  await sleep(100)
  assert.ok(neighbours() <= before[0], `${neighbours()} neighbours, ${before[0]} before`)
  assert.ok((await flows()) <= before[1] + 10, 'nothing in the connection table')
  assert.ok(answers.frames().length > 0)
  for (const { type, code, source } of answers.frames()) assert.deepEqual([type, code, source], [1, 0, B.uplink])
})

test('in the end nothing is left on either host', async () => {
  await Promise.all([cleanUp(a), cleanUp(b)])
})
