// Who may talk to whom, through a real engine: the promises of the README's first page.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { Topology } from '../lab/topology.ts'
import { cleanUp } from '../support/clean.ts'
import { addressOf, inContainer } from '../support/container.ts'
import type { Finding, Probe } from '../support/probe.ts'
import { createNetwork, idle, PREFIX, probe, probeFrom, Stage, serve, serveOn, UPLINK } from '../support/stage.ts'

const stage = await Stage.up({ name: 'access' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port })
const udp = (address: string, port: number): Probe => ({ protocol: 'udp', address, port, patience: 400 })
const outcomes = (findings: readonly Finding[]): string[] => findings.map(({ outcome }) => outcome)

/** UDP that is denied inside the fleet: an ICMPv6 error, of which the kernel sends few, or nothing. */
function assertUnanswered(finding: Finding | undefined): void {
  assert.ok(['EACCES', 'timeout'].includes(finding?.outcome ?? ''), JSON.stringify(finding))
}

test('a list lets one group reach one port of another, and the server sees the client’s own address', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db', '-o', 'allow=web:5432/tcp,web:53/udp,web:7000-7002')
  await serve(host, 'front', 'web', [80])
  await serve(host, 'store', 'db', [22, 53, 5432, 7002, 7003])
  const [front, store] = [await addressOf(host, 'front', 'web'), await addressOf(host, 'store', 'db')]
  const [sql, dns, range, ...denied] = await probe(host, 'front', [
    tcp(store, 5432),
    udp(store, 53),
    tcp(store, 7002),
    tcp(store, 22),
    tcp(store, 53),
    tcp(store, 7003),
    udp(store, 5432),
    udp(store, 22),
  ])
  for (const allowed of [sql, dns, range]) assert.equal(allowed?.answer, front)
  assert.deepEqual(outcomes(denied.slice(0, 3)), ['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED'])
  for (const finding of denied.slice(3)) assertUnanswered(finding)
  const backwards = await probe(host, 'store', [tcp(front, 80), udp(front, 80)])
  assert.equal(backwards[0]?.outcome, 'ECONNREFUSED')
  assertUnanswered(backwards[1])
})

test('a denied connection fails at once', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db')
  await idle(host, 'front', 'web')
  await serve(host, 'store', 'db', [22])
  const store = await addressOf(host, 'store', 'db')
  const times: number[] = []
  for (let turn = 0; turn < 3; turn++) {
    const [denied] = await probe(host, 'front', [tcp(store, 22)])
    assert.equal(denied?.outcome, 'ECONNREFUSED')
    times.push(denied.ms)
  }
  assert.ok(Math.min(...times) < 50, `refused after ${times.join(', ')} ms`)
})

test('inside a group everything is open, also to oneself', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'one', 'web', [80, 12345])
  await idle(host, 'two', 'web')
  const [one, two] = [await addressOf(host, 'one', 'web'), await addressOf(host, 'two', 'web')]
  const answers = await probe(host, 'two', [tcp(one, 80), tcp(one, 12345), udp(one, 80)])
  assert.deepEqual(
    answers.map(({ answer }) => answer),
    [two, two, two],
  )
  assert.equal((await probe(host, 'one', [tcp(one, 80)]))[0]?.answer, one)
})

test('-p opens a port to the world and to every group, and nothing else of the container', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db')
  await serve(
    host,
    'front',
    'web',
    [53, 80, 443, 8001, 8003],
    '-p',
    '443:443',
    '-p',
    '53:53/udp',
    '-p',
    '8000-8002:8000-8002',
  )
  await idle(host, 'stranger', 'db')
  const front = await addressOf(host, 'front', 'web')
  const probes = [tcp(front, 443), udp(front, 53), tcp(front, 8001)]
  for (const answer of await probeFrom(topology.internet, probes)) assert.equal(answer.answer, Topology.internetAddress)
  const stranger = await addressOf(host, 'stranger', 'db')
  for (const answer of await probe(host, 'stranger', probes)) assert.equal(answer.answer, stranger)
  const closed = [tcp(front, 80), udp(front, 443), tcp(front, 53), tcp(front, 8003)]
  assert.deepEqual(outcomes(await probeFrom(topology.internet, closed)), Array(4).fill('timeout'))
})

test('a host port that differs has no meaning, and -p 127.0.0.1 opens nothing', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80, 5432], '-p', '8080:80', '-p', '127.0.0.1:5432:5432')
  const front = await addressOf(host, 'front', 'web')
  const findings = await probeFrom(topology.internet, [tcp(front, 80), tcp(front, 8080), tcp(front, 5432)])
  assert.deepEqual(outcomes(findings), ['answered', 'timeout', 'timeout'])
  assert.match(host.slash64.log(), /80\/tcp is open as it is.*host port 8080 has no meaning/)
  assert.equal((await probeFrom(host, [tcp(front, 5432)]))[0]?.outcome, 'answered', 'the host reaches its containers')
})

test('-P publishes what the container exposes', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80, 81], '-P', '--expose', '80')
  const front = await addressOf(host, 'front', 'web')
  // Docker's word on -P is not in PortBindings, by which cleanUp() counts published ports.
  assert.deepEqual(outcomes(await probeFrom(topology.internet, [tcp(front, 80), tcp(front, 81)])), [
    'answered',
    'timeout',
  ])
  await host.docker('rm', '-f', 'front')
})

test('containers reach the internet with their own addresses, also when nothing is published', async () => {
  await using _ = await serveOn(topology.internet, [8080])
  await createNetwork(host, 'web', '-o', 'group=web')
  await idle(host, 'front', 'web')
  const front = await addressOf(host, 'front', 'web')
  const internet = Topology.internetAddress
  for (const { answer } of await probe(host, 'front', [tcp(internet, 8080), udp(internet, 8080)]))
    assert.equal(answer, front)
})

test('services of the host are not for containers; its own addresses answer to ping', async () => {
  await using _ = await serveOn(host, [8080])
  await createNetwork(host, 'web', '-o', 'group=web')
  await idle(host, 'front', 'web')
  for (const address of [UPLINK, PREFIX.replace('/64', '1')]) {
    const [stream, datagram] = await probe(host, 'front', [tcp(address, 8080), udp(address, 8080)])
    assert.equal(stream?.outcome, 'ECONNREFUSED', address)
    assertUnanswered(datagram)
    await inContainer(host, 'front', ['busybox', 'ping', '-c', '1', '-W', '2', address])
  }
  const [uplink] = await probeFrom(topology.internet, [tcp(UPLINK, 8080)])
  assert.equal(uplink?.outcome, 'answered', 'the listener is there')
})

test('an address that nobody has is unreachable, from outside and from inside', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await idle(host, 'front', 'web')
  const nobody = (await addressOf(host, 'front', 'web')).replace(/:\w+$/, ':1234')
  // All of the lab is one kernel: the error overtakes connect(2), and only the second SYN, after 1 s, hears of it.
  const ask: Probe = { protocol: 'tcp', address: nobody, port: 80, patience: 3000 }
  const found = await Promise.all([probeFrom(topology.internet, [ask]), probe(host, 'front', [ask])])
  assert.deepEqual(outcomes(found.flat()), ['ENETUNREACH', 'ENETUNREACH'])
})

test('a published port is closed again when its container has stopped, and its address does not answer', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80], '-p', '80:80')
  const front = await addressOf(host, 'front', 'web')
  assert.equal((await probeFrom(topology.internet, [tcp(front, 80)]))[0]?.outcome, 'answered')
  await host.docker('stop', 'front')
  await serve(host, 'next', 'web', [80])
  const next = await addressOf(host, 'next', 'web')
  assert.notEqual(next, front, 'a number that was used is the last to be used again')
  assert.deepEqual(outcomes(await probeFrom(topology.internet, [tcp(next, 80)])), ['timeout'])
})
