// Two hosts make one policy, with nothing between them but routes: real engines, real routing, and forged packets on the way.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { Door, inside, insideContainer } from '../support/inside.ts'
import type { Netns } from '../support/netns.ts'
import { echoRequest, ip6, sctp, tcp as tcpLayer, udp as udpLayer } from '../support/packet.ts'
import { capture } from '../support/packet-socket.ts'
import type { Finding, Probe } from '../support/probe.ts'
import { createNetwork, idle, probe, probeFrom, serveOn, Talk } from '../support/stage.ts'
import { Stream } from '../support/stream.ts'
import { A, B, counted, LAN, ROUTER, TwoHosts } from '../support/two-hosts.ts'

const stage = await TwoHosts.up()
after(() => stage[Symbol.asyncDispose]())
const { a, b, lan, topology } = stage
const { front, stray, lonely, store, twin, hermit } = await stage.settle()
const inFront = await insideContainer(a, 'front')
const inStore = await insideContainer(b, 'store')

afterEach(() => Promise.all([assertConsistent(a), assertConsistent(b)]))

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port, patience: 500 })
const udp = (address: string, port: number): Probe => ({ protocol: 'udp', address, port, patience: 300 })
const outcomes = (findings: readonly Finding[]): string[] => findings.map(({ outcome }) => outcome)
const answers = (findings: readonly Finding[]): string[] => findings.map(({ answer }) => answer)

/** UDP that is denied inside the fleet: an ICMPv6 error, of which the kernel sends few, or nothing. */
const unanswered = (outcome: string): boolean => ['EACCES', 'timeout'].includes(outcome)

/** What B's list says about group web. */
async function assertPolicy(): Promise<void> {
  assert.deepEqual(outcomes(await probe(a, 'front', [tcp(store, 5432), tcp(store, 22)])), ['answered', 'ECONNREFUSED'])
}

/** Eight bytes by which a packet is known again. */
const token = (): Buffer => randomBytes(8)

/**
 * Sends a SYN to an allowed port, a datagram likewise and an echo request to `store` with a source that is not the sender's. Nothing of it may arrive,
 * and it is `rule` of host B that counts it.
 */
async function assertStopped(door: Door, source: string, rule: string): Promise<void> {
  const data = token()
  using there = capture(inStore, 'net0', frame => frame.bytes.includes(data))
  const before = await counted(b, rule)
  const header = { source, destination: store }
  const sport = 40_000 + data.readUInt16BE() / 4
  door.send(
    ip6(header, tcpLayer({ sport, dport: 5432, data })),
    ip6(header, udpLayer({ sport, dport: 5432, data })),
    ip6(header, echoRequest(sport, data)),
  )
  assert.equal(await there.first(50), undefined, `a packet from ${source} arrived`)
  assert.equal((await counted(b, rule)) - before, 3, `"${rule}" for ${source}`)
}

/** The other side of the above: the same packets do arrive when the source is honest. */
async function assertArrives(door: Door, source: string): Promise<void> {
  const data = token()
  using there = capture(inStore, 'net0', frame => frame.bytes.includes(data))
  door.send(ip6({ source, destination: store }, udpLayer({ sport: 40_000, dport: 5432, data })))
  assert.ok(await there.first(1000), `a packet from ${source} did not arrive`)
}

test('a list on one host lets a group of the other in, port by port, and the server sees the client’s own address', async () => {
  const allowed = [tcp(store, 5432), udp(store, 5432), tcp(store, 7005), udp(store, 25000)]
  const denied = [tcp(store, 22), tcp(store, 7011), tcp(store, 25000), udp(store, 22), udp(store, 7005)]
  const found = await probe(a, 'front', [...allowed, ...denied])
  assert.deepEqual(answers(found.slice(0, 4)), [front, front, front, front])
  assert.deepEqual(outcomes(found.slice(4, 7)), ['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED'])
  for (const { outcome } of found.slice(7)) assert.ok(unanswered(outcome), outcome)
  const times = found.slice(4, 7).map(({ ms }) => ms)
  assert.ok(Math.min(...times) < 100, `refused after ${times.join(', ')} ms`)
})

test('nobody else gets in: another group, the way back, the internet', async () => {
  const [fromStray, back, world] = await Promise.all([
    probe(a, 'stray', [tcp(store, 5432), tcp(twin, 80), tcp(store, 8443)]),
    probe(b, 'store', [tcp(front, 8081), tcp(front, 443)]),
    probeFrom(topology.internet, [tcp(store, 5432), udp(store, 5432), tcp(twin, 80), tcp(store, 8443)]),
  ])
  assert.deepEqual(outcomes(fromStray), ['ECONNREFUSED', 'ECONNREFUSED', 'answered'])
  assert.deepEqual(outcomes(back), ['ECONNREFUSED', 'answered'])
  assert.deepEqual(outcomes(world), ['timeout', 'timeout', 'timeout', 'answered'])
  assert.equal(fromStray[2]?.answer, stray, 'what is published is open to every group')
})

test('one group on two hosts is open in both directions', async () => {
  const [there, back] = await Promise.all([
    probe(a, 'front', [tcp(twin, 80), udp(twin, 80)]),
    probe(b, 'twin', [tcp(front, 8081), udp(front, 8081)]),
  ])
  assert.deepEqual(answers(there), [front, front])
  assert.deepEqual(answers(back), [twin, twin])
})

test('SCTP passes where the list says so', async () => {
  const lladdr = inFront.json<{ dst: string; lladdr: string }>('-6 neigh show nud permanent')[0]?.lladdr
  const link = inside(a)
    .json<{ ifname: string; address: string }>('link')
    .find(({ address }) => address === lladdr)
  using door = Door.open(inFront, 'net0', inside(a), link?.ifname ?? '')
  const arrives = async (dport: number): Promise<boolean> => {
    const data = token()
    using there = capture(inStore, 'net0', frame => frame.bytes.includes(data))
    door.send(ip6({ source: front, destination: store }, sctp({ sport: 40_000 + dport, dport, data })))
    return (await there.first(300)) !== undefined
  }
  assert.deepEqual([await arrives(9899), await arrives(9900)], [true, false])
})

test('a group without a name is nobody on the other host, even to a group of the same number', async () => {
  const bits = (address: string): string => address.split(':').slice(4, 7).join(':')
  assert.equal(bits(lonely), bits(hermit))
  const [alone, listed] = await Promise.all([
    probe(a, 'lonely', [tcp(hermit, 80), udp(hermit, 80), tcp(store, 5432), tcp(twin, 80)]),
    probe(a, 'front', [tcp(hermit, 80)]),
  ])
  const [first, second, ...rest] = outcomes(alone)
  assert.equal(first, 'ECONNREFUSED')
  assert.ok(unanswered(second ?? ''), second)
  assert.deepEqual(rest, ['ECONNREFUSED', 'ECONNREFUSED'])
  assert.deepEqual(answers(listed), [front], 'its own list counts')
})

test('fleet sources from a link that is no uplink, and from an uplink by which they would not be answered', async () => {
  using back = Door.open(inside(topology.internet), 'back', inside(b), 'eth1')
  await assertStopped(back, front, 'fleet source on a link that is no uplink')
  using side = Door.open(inside(topology.internet), 'side', inside(b), 'eth2')
  await assertStopped(side, front, 'fleet source that we would not answer over this link')
  using uplink = Door.open(inside(topology.router), 'host-b', inside(b), 'eth0')
  await assertArrives(uplink, front)
})

test('fleet sources from a container on an ordinary bridge', async () => {
  await b.docker('network', 'create', '--ipv6', '--subnet', '2001:db8:200::/64', 'plain')
  await idle(b, 'bridged', 'plain')
  const id = await inspect(b, 'plain', '{{.Id}}')
  using door = Door.open(await insideContainer(b, 'bridged'), 'eth0', inside(b), `br-${id.slice(0, 12)}`)
  await assertStopped(door, front, 'fleet source on a link that is no uplink')
  await assertStopped(door, twin, 'our prefix from outside')
  const [honest] = await probe(b, 'bridged', [tcp(store, 5432)])
  assert.equal(honest?.outcome, 'timeout', 'it is world')
  await b.docker('rm', '-f', 'bridged')
  await b.docker('network', 'rm', 'plain')
})

test('our own addresses and prefix do not come from outside', async () => {
  using door = Door.open(inside(topology.router), 'host-b', inside(b), 'eth0')
  await assertStopped(door, B.own, 'one of our own addresses from outside')
  await assertStopped(door, B.uplink, 'one of our own addresses from outside')
  await assertStopped(door, twin, 'our prefix from outside')
  await assertStopped(door, store, 'our prefix from outside')
})

test('a machine of the site that numbers itself into a group is world', async () => {
  const forged = front.replace(A.prefix.replace('::/64', ''), LAN.prefix.replace('::/64', ''))
  await lan.check(['ip', 'address', 'add', `${forged}/128`, 'dev', 'eth0', 'nodad'])
  const from = (one: Probe): Probe => ({ ...one, source: forged })
  const before = await counted(b, 'from the world to a closed port')
  const found = await probeFrom(lan, [tcp(store, 5432), udp(store, 5432), tcp(twin, 80), tcp(store, 8443)].map(from))
  assert.deepEqual(outcomes(found), ['timeout', 'timeout', 'timeout', 'answered'])
  assert.equal(found[3]?.answer, forged)
  assert.ok((await counted(b, 'from the world to a closed port')) - before >= 3)
  await lan.check(['ip', 'address', 'delete', `${forged}/128`, 'dev', 'eth0'])
})

test('containers reach no service of the other host, nor of their own by the gateway’s address; echo is answered', async () => {
  await using _b = await serveOn(b, [2222])
  for (const address of [B.uplink, B.own]) {
    const before = await counted(b, 'services of the host are not for containers')
    const [stream, datagram] = await probe(a, 'front', [tcp(address, 2222), udp(address, 2222)])
    assert.equal(stream?.outcome, 'ECONNREFUSED', address)
    assert.ok(unanswered(datagram?.outcome ?? ''), address)
    assert.equal((await counted(b, 'services of the host are not for containers')) - before, 2)
    await inContainer(a, 'front', ['busybox', 'ping', '-c', '1', '-W', '2', address])
  }
  const gateway = inStore.json<{ dst: string }>('-6 neigh show nud permanent')[0]?.dst
  assert.deepEqual(outcomes(await probe(b, 'store', [tcp(`${gateway}%net0`, 2222)])), ['ECONNREFUSED'])
  const others = await Promise.all([a, topology.internet].map(one => probeFrom(one, [tcp(B.uplink, 2222)])))
  assert.deepEqual(outcomes(others.flat()), ['answered', 'answered'], 'the listener is there, and other hosts reach it')
})

test('a host is world to the containers of another one', async () => {
  const own = (one: Probe): Probe => ({ ...one, source: B.own })
  const found = await probeFrom(b, [tcp(front, 443), tcp(front, 8081), own(tcp(front, 443)), own(tcp(front, 8081))])
  assert.deepEqual(outcomes(found), ['answered', 'timeout', 'answered', 'ECONNREFUSED'])
  assert.deepEqual([found[0]?.answer, found[2]?.answer], [B.uplink, B.own])
})

test('without SLASH64_FLEET the containers of other hosts are world', async () => {
  await stage.withB({ SLASH64_FLEET: '' }, async () => {
    const found = await probe(a, 'front', [tcp(store, 5432), tcp(twin, 80), tcp(hermit, 80), tcp(store, 8443)])
    assert.deepEqual(outcomes(found), ['timeout', 'timeout', 'timeout', 'answered'])
  })
  await assertPolicy()
})

test('SLASH64_FLEET may be an aggregate that holds the own prefix', async () => {
  await stage.withB({ SLASH64_FLEET: `2001:db8:100::/60,${B.prefix}` }, async () => {
    assert.match(await b.check(['nft', 'list', 'set', 'inet', 'slash64', 'fleet']), /elements = { 2001:db8:100::\/60 }/)
    await assertPolicy()
    const found = await probeFrom(topology.internet, [tcp(store, 5432), tcp(store, 8443)])
    assert.deepEqual(outcomes(found), ['timeout', 'answered'])
    using uplink = Door.open(inside(topology.router), 'host-b', inside(b), 'eth0')
    await assertStopped(uplink, twin, 'our prefix from outside')
    await assertStopped(uplink, B.uplink, 'one of our own addresses from outside')
    await assertConsistent(b)
  })
})

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

test('slash64 on one host is killed and starts again: no packet between the hosts is lost', async () => {
  await using talk = await Talk.begin(a, store, 5432, await inspect(a, 'front', '{{.State.Pid}}'))
  await b.stopSlash64('SIGKILL')
  await assertPolicy()
  await stage.startB()
  await assertPolicy()
  const { sent, lost, tcp: stream } = await talk.end()
  assert.ok(sent > 50, `only ${sent} datagrams were sent`)
  assert.deepEqual(lost, [], `of ${sent} datagrams`)
  assert.deepEqual(stream, { sent: stream.sent, back: stream.sent, error: '' })
})

/** The MTU that a namespace has learned on the way to an address; undefined: none. */
function learnedMtu(ns: Netns, address: string): number | undefined {
  const text = /\bmtu (\d+)/.exec(ns.ip(`-6 route get ${address}`))?.[1]
  return text === undefined ? undefined : Number(text)
}

/** Sends 200 kB to a server of peer.ts and counts what comes back. */
async function assertTransfer(from: readonly ['front' | 'store', string], to: string, port: number): Promise<void> {
  const [container, own] = from
  const host = container === 'front' ? a : b
  const script = `head -c 200000 /dev/zero | timeout 5 busybox nc ${to} ${port} | wc -c`
  assert.equal(Number(await inContainer(host, container, ['sh', '-c', script])), 200_000 + own.length + 1)
}

test('a link of a smaller MTU on the way: the router’s errors arrive, and large transfers get through', async () => {
  const links = [[inside(topology.router), 'host-b'] as const, [inside(b), 'eth0'] as const]
  const all = (mtu: number): void => {
    for (const [ns, link] of links) ns.ip(`link set ${link} mtu ${mtu}`)
  }
  all(1300)
  try {
    using errors = capture(inFront, 'net0', ({ type }) => type === 2)
    await assertTransfer(['front', front], store, 5432)
    assert.deepEqual([errors.frames()[0]?.source, errors.frames()[0]?.mtu], [ROUTER, 1300])
    assert.equal(learnedMtu(inFront, store), 1300)
    await assertTransfer(['store', store], front, 443)
  } finally {
    all(1500)
    for (const ns of [inFront, inStore]) ns.ip('-6 route flush cache')
  }
})

test('a network of a smaller MTU: the host’s errors come from its PREFIX::1 and arrive on the other host', async () => {
  const network = ['-o', 'group=narrow', '-o', 'allow=web:5432', '-o', 'com.docker.network.driver.mtu=1400']
  await createNetwork(b, 'narrow', ...network)
  await idle(b, 'narrow', 'narrow')
  const [narrow, inNarrow] = [await addressOf(b, 'narrow', 'narrow'), await insideContainer(b, 'narrow')]
  // The container tells a segment size that is too large for its link, as one behind a tunnel of its own would.
  const gateway = inNarrow.json<{ dst: string }>('-6 neigh show nud permanent')[0]?.dst
  inNarrow.ip(`-6 route add ${front}/128 via ${gateway} dev net0 advmss 1440`)
  // Without a global address on its uplink, as on many routed hosts.
  inside(b).ip(`address delete ${B.uplink}/128 dev eth0`)
  using errors = capture(inFront, 'net0', ({ type }) => type === 2)
  using server = Stream.serve(inNarrow, 'tcp', 5432)
  using client = Stream.open(inFront, 'tcp')
  assert.equal((await client.connect(narrow, 5432)).outcome, 'connected')
  using session = await server.accept()
  const size = 30_000
  for (let part = 0; part < 6; part++) client.write('x'.repeat(size / 6))
  let received = 0
  while (received < size) received += (await session.read(2000)).length
  assert.deepEqual([errors.frames()[0]?.source, errors.frames()[0]?.mtu], [B.own, 1400])
  inside(b).ip(`address add ${B.uplink}/128 dev eth0 nodad`)
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
  await assertArrives(uplink, front)
  using back = Door.open(inside(topology.internet), 'back', inside(b), 'eth1')
  await assertStopped(back, front, 'fleet source on a link that is no uplink')
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
