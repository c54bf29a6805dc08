// Attacks out of a real container, and the moment before its first instruction. The ruleset itself is attacked packet by packet in test/kernel.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inContainer } from '../support/container.ts'
import type { Probe } from '../support/probe.ts'
import { createNetwork, idle, probe, Stage, serve } from '../support/stage.ts'

const stage = await Stage.up({ name: 'attack' })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port })

/** Unicast IPv6 packets that a container's namespace has received, loopback included (/proc/net/snmp6). The host's end joins groups, by multicast. */
async function received(container: string): Promise<number> {
  const counters = await inContainer(host, container, ['cat', '/proc/net/snmp6'])
  const count = (name: string): number => Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(counters)?.[1])
  return count('Ip6InReceives') - count('Ip6InMcastPkts')
}

/** As root in the container, with every capability that --privileged gives. */
function attack(script: string): Promise<string> {
  return host.docker('exec', 'attacker', 'sh', '-c', script)
}

test('the address of another container carries nothing', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db', '-o', 'allow=web:5432')
  await createNetwork(host, 'evil', '-o', 'group=evil')
  await serve(host, 'store', 'db', [5432])
  await idle(host, 'front', 'web')
  await idle(host, 'attacker', 'evil', '--privileged')
  const [store, front] = [await addressOf(host, 'store', 'db'), await addressOf(host, 'front', 'web')]
  const own = await addressOf(host, 'attacker', 'evil')
  await attack(
    `for c in all net0; do echo 0 > /proc/sys/net/ipv6/conf/$c/accept_dad; done; ip -6 addr add ${front}/128 dev net0`,
  )
  const before = await received('store')
  const probes = [
    { ...tcp(store, 5432), source: front },
    { ...tcp(store, 5432), source: own },
    { protocol: 'udp' as const, address: store, port: 5432, source: front },
  ]
  const outcomes = (await probe(host, 'attacker', probes)).map(({ outcome }) => outcome)
  assert.deepEqual(outcomes, ['timeout', 'ECONNREFUSED', 'timeout'])
  await assert.rejects(inContainer(host, 'attacker', ['busybox', 'ping', '-I', front, '-c', '2', '-W', '1', store]))
  assert.equal(await received('store'), before)
  assert.equal((await probe(host, 'front', [tcp(store, 5432)]))[0]?.outcome, 'answered', 'its owner is not disturbed')
  await host.docker('rm', '-f', 'attacker') // what it did to its own link is not to be found consistent
})

test('a container that flushes its neighbours and changes its MAC harms itself alone', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'one', 'web', [80])
  await idle(host, 'two', 'web')
  await serve(host, 'attacker', 'web', [80], '--cap-add', 'NET_ADMIN', '--cap-add', 'NET_RAW')
  const [one, attacker] = [await addressOf(host, 'one', 'web'), await addressOf(host, 'attacker', 'web')]
  assert.equal((await probe(host, 'two', [tcp(attacker, 80)]))[0]?.outcome, 'answered')
  await inContainer(host, 'attacker', ['ip', 'neighbour', 'flush', 'dev', 'net0', 'nud', 'permanent'])
  await attack('ip link set net0 down; ip link set net0 address 02:00:00:00:00:01; ip link set net0 up')
  const outcomes = (await probe(host, 'two', [tcp(one, 80), tcp(attacker, 80)])).map(({ outcome }) => outcome)
  assert.deepEqual(outcomes, ['answered', 'timeout'])
  await host.docker('restart', '-t', '0', 'attacker')
  await assertConsistent(host)
})

test('a container that deletes, renames or moves its link leaves nothing when it goes', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  for (const harm of [
    'ip link delete net0',
    'ip link set net0 down; ip link set net0 name eth7',
    'unshare -n sleep 1000 & sleep 0.3; ip link set net0 netns $!',
    'ip link set net0 down; ip -6 route flush table main',
  ]) {
    await idle(host, 'attacker', 'web', '--privileged', '-p', '80:80')
    await attack(harm)
    await host.docker('rm', '-f', 'attacker')
    await assertConsistent(host)
    await idle(host, 'good', 'web', '-p', '80:80')
    await assertConsistent(host)
    await host.docker('rm', '-f', 'good')
  }
})

/** TCP, UDP to port 53 and to port 69, as fast as busybox can, for about half a second. */
const flood = (address: string): string =>
  `i=0; while [ $i -lt 40 ]; do nc -w 1 ${address} 80 </dev/null; i=$((i+1)); done 2>/dev/null &
   timeout 0.5 nslookup x ${address} >/dev/null 2>&1 & timeout 0.5 tftp -g -r x ${address} 2>/dev/null; wait; true`

test('closed from the first instruction: a denied neighbour never sees a packet of it', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db')
  await serve(host, 'store', 'db', [53, 69, 80])
  const store = await addressOf(host, 'store', 'db')
  const before = await received('store')
  for (let turn = 0; turn < 10; turn++) {
    await host.docker('run', '--rm', '--network', 'web', 'busybox', 'sh', '-c', flood(store))
  }
  assert.equal(await received('store'), before)
  await host.docker('run', '--rm', '--network', 'db', 'busybox', 'sh', '-c', flood(store))
  assert.ok((await received('store')) > before + 40, 'the flood is one')
})

test('closed from the first instruction: nothing waits at its address either', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  const subnet = '2001:db8:100:a:0:1234:5678:0/112'
  await createNetwork(host, 'db', '--subnet', subnet)
  await idle(host, 'attacker', 'web')
  const target = subnet.replace(':0/112', ':9')
  const stop = new AbortController()
  const pressure = (async () => {
    while (!stop.signal.aborted)
      await inContainer(host, 'attacker', ['sh', '-c', `timeout 2 sh -c '${flood(target)}' || true`])
  })()
  for (let turn = 0; turn < 5; turn++) {
    await idle(host, 'target', 'db', '--ip6', target)
    await sleep(100)
    assert.equal(await received('target'), 0)
    await host.docker('rm', '-f', 'target')
  }
  stop.abort()
  await pressure
})
