// slash64 restarts under running containers: no packet is lost, and the policy holds meanwhile.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { Host } from '../lab/host.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import type { Finding, Probe } from '../support/probe.ts'
import { createNetwork, ENVIRONMENT, idle, PREFIX, probe, probeFrom, Stage, serve, Talk } from '../support/stage.ts'
import type { Conversation } from '../support/talk.ts'

const stage = await Stage.up({ name: 'restart' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(async () => {
  await stage.resume()
  await cleanUp(host)
})

/** dockerd tries every call for 15 s before it gives up, a minute for each container: so this goes on beside the other tests. */
const absence = dieInAbsence()
absence.catch(() => undefined)

async function dieInAbsence(): Promise<void> {
  await using lonely = await Host.start({ name: 'lonely', forward: true })
  await lonely.startDockerd()
  await lonely.startSlash64(ENVIRONMENT)
  await createNetwork(lonely, 'web', '-o', 'group=web')
  for (const name of ['removed', 'killed', 'stopped']) await idle(lonely, name, 'web', '-p', '80:80')
  await lonely.stopSlash64()
  await Promise.all([
    lonely.docker('rm', '-f', 'removed'),
    lonely.docker('kill', 'killed'),
    lonely.docker('stop', '-t', '0', 'stopped'),
  ])
  await lonely.startSlash64(ENVIRONMENT)
  await assertConsistent(lonely)
  await lonely.docker('start', 'stopped')
  await cleanUp(lonely)
}

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port, patience: 500 })
const outcomes = (findings: readonly Finding[]): string[] => findings.map(({ outcome }) => outcome)

function assertWhole({ sent, lost, tcp: stream }: Conversation): void {
  assert.ok(sent > 50, `only ${sent} datagrams were sent`)
  assert.deepEqual(lost, [], `of ${sent} datagrams`)
  assert.deepEqual(stream, { sent: stream.sent, back: stream.sent, error: '' })
}

/** Two groups; `store` lets in what `front` may, and `stranger` is nobody to it. */
async function village(): Promise<{ store: string; front: string }> {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db', '-o', 'allow=web:5432,web:5432/udp')
  await serve(host, 'store', 'db', [22, 5432])
  await serve(host, 'front', 'web', [80, 81], '-p', '80:80', '-p', '80:80/udp')
  return { store: await addressOf(host, 'store', 'db'), front: await addressOf(host, 'front', 'web') }
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`a restart by ${signal}: no packet is lost, denied stays denied, and there is nothing to repair`, async () => {
    const { store, front } = await village()
    const closed = async (): Promise<void> => {
      assert.deepEqual(outcomes(await probe(host, 'front', [tcp(store, 5432), tcp(store, 22)])), [
        'answered',
        'ECONNREFUSED',
      ])
      assert.deepEqual(outcomes(await probe(host, 'store', [tcp(front, 81)])), ['ECONNREFUSED'])
      assert.deepEqual(outcomes(await probeFrom(topology.internet, [tcp(front, 80), tcp(front, 81)])), [
        'answered',
        'timeout',
      ])
    }
    await using inside = await Talk.begin(host, store, 5432, await inspect(host, 'front', '{{.State.Pid}}'))
    await using outside = await Talk.begin(topology.internet, front, 80)
    const before = host.slash64.log().length
    const began = performance.now()
    const code = await host.stopSlash64(signal)
    assert.ok(performance.now() - began < 2000, 'it does not wait for connections that dockerd keeps')
    if (signal === 'SIGTERM') assert.equal(code, 0)
    await closed()
    await stage.startSlash64()
    await closed()
    assert.doesNotMatch(host.slash64.log().slice(before), /brought the kernel into line|could not be repaired/)
    await idle(host, 'newcomer', 'web')
    assert.ok(![store, front].includes(await addressOf(host, 'newcomer', 'web')))
    assertWhole(await inside.end())
    assertWhole(await outside.end())
  })
}

test('addresses that were used before a crash are not used again after it', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  const seen = new Set<string>()
  for (let turn = 0; turn < 3; turn++) {
    await idle(host, 'turn', 'web')
    seen.add(await addressOf(host, 'turn', 'web'))
    await host.docker('rm', '-f', 'turn')
    await stage.restartSlash64('SIGKILL')
  }
  assert.equal(seen.size, 3)
})

test('what was damaged while it was down is as it should be when it answers', async () => {
  const { store, front } = await village()
  const link = `s64${(await inspect(host, 'store', '{{(index .NetworkSettings.Networks "db").EndpointID}}')).slice(0, 12)}`
  await host.stopSlash64('SIGKILL')
  const damages = [
    'nft delete table inet slash64',
    'nft delete table arp slash64',
    `ip -6 route delete ${store}/128`,
    `ip -6 neighbour flush dev ${link} nud permanent`,
    `ip -6 route delete unreachable ${PREFIX}`,
    `ip -6 route add ${store.replace(/:\w+$/, ':77')}/128 dev ${link} proto 64`,
    `ip address delete ${PREFIX.replace('/64', '1')}/128 dev lo`,
    'ip link add s640123456789ab type veth peer name elsewhere',
    'ip link set s640123456789ab alias slash64/gone/gone',
    'sysctl -q -w net.ipv6.conf.all.forwarding=0',
  ]
  for (const damage of damages) await host.check(['sh', '-c', damage])
  await stage.startSlash64()
  await assertConsistent(host)
  assert.deepEqual(outcomes(await probe(host, 'front', [tcp(store, 5432), tcp(store, 22)])), [
    'answered',
    'ECONNREFUSED',
  ])
  assert.deepEqual(outcomes(await probeFrom(topology.internet, [tcp(front, 80)])), ['answered'])
})

test('a link that was deleted while it was down is born again', async () => {
  const { store } = await village()
  const link = `s64${(await inspect(host, 'store', '{{(index .NetworkSettings.Networks "db").EndpointID}}')).slice(0, 12)}`
  await host.stopSlash64()
  await host.check(['ip', 'link', 'delete', link])
  await stage.startSlash64()
  assert.deepEqual(outcomes(await probe(host, 'front', [tcp(store, 5432), tcp(store, 22)])), [
    'answered',
    'ECONNREFUSED',
  ])
})

test('nft flush ruleset by somebody else does nothing while it runs', async () => {
  const { store } = await village()
  await host.exec(['nft', 'flush', 'ruleset'])
  await assertConsistent(host)
  assert.deepEqual(outcomes(await probe(host, 'front', [tcp(store, 5432), tcp(store, 22)])), [
    'answered',
    'ECONNREFUSED',
  ])
})

test('a removal that begins while it is down ends well when it comes back', async () => {
  await village()
  await host.stopSlash64('SIGKILL')
  const removal = host.docker('rm', '-f', 'store')
  const creation = tryLater(() =>
    host.docker('network', 'create', '-d', 'slash64', '--ipam-driver', 'slash64', '--ipv4=false', '--ipv6', 'late'),
  )
  await new Promise(resolve => setTimeout(resolve, 500))
  await stage.startSlash64()
  await removal
  await creation
})

/** A creation that meets no daemon may fail, but not hang or leave anything. */
async function tryLater(act: () => Promise<unknown>): Promise<void> {
  await act().catch(() => undefined)
}

test('containers that died or were removed while it was down leave nothing', async () => {
  await absence
})
