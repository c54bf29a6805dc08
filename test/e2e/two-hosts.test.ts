// Two hosts make one policy, with nothing between them but routes: real engines, real routing, and forged packets on the way.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { inContainer, inspect } from '../support/container.ts'
import { assertArrives, assertStopped, token } from '../support/forged.ts'
import { Door, inside, insideContainer } from '../support/inside.ts'
import { ip6, sctp } from '../support/packet.ts'
import { capture } from '../support/packet-socket.ts'
import type { Finding, Probe } from '../support/probe.ts'
import { idle, probe, probeFrom, serveOn } from '../support/stage.ts'
import { A, B, counted, LAN, TwoHosts } from '../support/two-hosts.ts'

const stage = await TwoHosts.up()
after(() => stage[Symbol.asyncDispose]())
const { a, b, lan, topology } = stage
const { front, stray, lonely, store, twin, hermit } = await stage.settle()
const inFront = await insideContainer(a, 'front')
const inStore = await insideContainer(b, 'store')
const target = { host: b, ns: inStore, address: store, port: 5432 }

afterEach(async () => {
  await stage.resume()
  await Promise.all([assertConsistent(a), assertConsistent(b)])
})

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
  await assertStopped(target, back, front, 'fleet source on a link that is no uplink')
  using side = Door.open(inside(topology.internet), 'side', inside(b), 'eth2')
  await assertStopped(target, side, front, 'fleet source that we would not answer over this link')
  using uplink = Door.open(inside(topology.router), 'host-b', inside(b), 'eth0')
  await assertArrives(target, uplink, front)
})

test('fleet sources from a container on an ordinary bridge', async () => {
  await b.docker('network', 'create', '--ipv6', '--subnet', '2001:db8:200::/64', 'plain')
  await idle(b, 'bridged', 'plain')
  const id = await inspect(b, 'plain', '{{.Id}}')
  using door = Door.open(await insideContainer(b, 'bridged'), 'eth0', inside(b), `br-${id.slice(0, 12)}`)
  await assertStopped(target, door, front, 'fleet source on a link that is no uplink')
  await assertStopped(target, door, twin, 'our prefix from outside')
  const [honest] = await probe(b, 'bridged', [tcp(store, 5432)])
  assert.equal(honest?.outcome, 'timeout', 'it is world')
  await b.docker('rm', '-f', 'bridged')
  await b.docker('network', 'rm', 'plain')
})

test('our own addresses and prefix do not come from outside', async () => {
  using door = Door.open(inside(topology.router), 'host-b', inside(b), 'eth0')
  await assertStopped(target, door, B.own, 'one of our own addresses from outside')
  await assertStopped(target, door, B.uplink, 'one of our own addresses from outside')
  await assertStopped(target, door, twin, 'our prefix from outside')
  await assertStopped(target, door, store, 'our prefix from outside')
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
    await assertStopped(target, uplink, twin, 'our prefix from outside')
    await assertStopped(target, uplink, B.uplink, 'one of our own addresses from outside')
    await assertConsistent(b)
  })
})

test('in the end nothing is left on either host', async () => {
  await Promise.all([cleanUp(a), cleanUp(b)])
})
