// The installed daemon at work, with a real engine: activation by its socket, an upgrade under running containers, and a removal that leaves nothing.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Host } from '../lab/host.ts'
import { provideSystemd } from '../lab/systemd.ts'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, removeAll } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { activate, answered, ask, configure, service, tryService } from '../support/installed.ts'
import type { Probe } from '../support/probe.ts'
import { createNetwork, ENVIRONMENT, PREFIX, probe, probeFrom, serve, Talk, UPLINK } from '../support/stage.ts'

const host = await Host.start({ name: 'service', forward: true })
const topology = await Topology.up({ hosts: [{ host, prefix: PREFIX, uplinkAddress: UPLINK }] })
after(async () => {
  await topology.dispose()
  await host.dispose()
})
await host.startDockerd()
await provideSystemd(host)

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port, patience: 500 })

/** Lines about slash64 in everything that the kernel shows of links, addresses, routes, neighbours and rules. */
async function traces(): Promise<string[]> {
  const shows = [
    'ip -o link',
    'ip -6 -o address',
    'ip -6 route show table all',
    'ip -6 neighbour show nud all',
    'nft list ruleset',
  ]
  const texts = await Promise.all(shows.map(show => host.check(show.split(' '))))
  return texts.flatMap(text => text.split('\n').filter(line => /s64|slash64|proto 64|2001:db8:100:a:/.test(line)))
}

test('a request that was there before the daemon is answered, and so is one after its end', async () => {
  assert.deepEqual(await traces(), [])
  await service(host)
  await configure(host, ENVIRONMENT)
  for (const turn of ['the first time', 'again']) {
    const daemon = await activate(host)
    const { status, body } = await ask(host, '/Plugin.Activate')
    assert.deepEqual([status, JSON.parse(body)], [200, { Implements: ['NetworkDriver', 'IpamDriver'] }], turn)
    assert.match(await answered(host), /2001:db8:100:a/)
    assert.equal(await daemon.stop('SIGTERM'), 0)
    await host.check(['test', '-S', '/run/docker/plugins/slash64.sock']) // it is systemd's, and not the daemon's to take away
  }
})

test('several sockets are refused with a sentence', async () => {
  const daemon = await activate(host, '/run/other.sock')
  await assert.rejects(ask(host, '/Plugin.Activate'), /socket hang up|ECONNRESET/)
  assert.equal(await daemon.exited, 1)
  assert.match(daemon.log(), /LISTEN_FDS is \\"2\\", and not 1/)
})

test('containers go on while it is upgraded, networks stand in the way of a removal, and a removal leaves nothing', async () => {
  const daemon = await activate(host)
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db', '-o', 'allow=web:5432,web:5432/udp')
  await serve(host, 'store', 'db', [22, 5432])
  await serve(host, 'front', 'web', [80, 81], '-p', '80:80', '-p', '80:80/udp')
  const [store, front] = [await addressOf(host, 'store', 'db'), await addressOf(host, 'front', 'web')]
  const outcomes = async () => {
    const findings = await probe(host, 'front', [tcp(store, 5432), tcp(store, 22)])
    return [...findings, ...(await probeFrom(topology.internet, [tcp(front, 80)]))].map(({ outcome }) => outcome)
  }
  const wanted = ['answered', 'ECONNREFUSED', 'answered']
  assert.deepEqual(await outcomes(), wanted)

  await using inside = await Talk.begin(host, store, 5432, await inspect(host, 'front', '{{.State.Pid}}'))
  await service(host)
  await daemon.stop('SIGTERM')
  const upgraded = await activate(host)
  assert.equal((await ask(host, '/Plugin.Activate')).status, 200)
  assert.deepEqual(await outcomes(), wanted)
  const { sent, lost } = await inside.end()
  assert.ok(sent > 50 && lost.length === 0, `${lost.length} of ${sent} datagrams were lost`)
  await assertConsistent(host)

  assert.match(
    (await tryService(host, '--remove')).stderr,
    /these networks of slash64 exist: \w{12} \((db|web)\), \w{12}/,
  )
  const running = await tryService(host, '--remove', '--force')
  assert.match(
    running.stderr,
    /^slash64: the kernel does not let it write its nftables tables: another slash64 is running/,
  )
  await assertConsistent(host)
  await removeAll(host)
  await upgraded.stop('SIGTERM')
  assert.ok(
    (await traces()).some(line => line.startsWith('table inet slash64')),
    'its rules outlive the daemon',
  )
  assert.match(await service(host, '--remove', '--purge'), /taken out of the kernel: .*table inet slash64/)
  assert.deepEqual(await traces(), [])
})

test('a removal by force takes the links of running containers, and the rules that iptables was given', async () => {
  await service(host)
  await configure(host, ENVIRONMENT)
  await host.check(['ip6tables', '-P', 'FORWARD', 'DROP'])
  const daemon = await activate(host)
  await createNetwork(host, 'web')
  await serve(host, 'front', 'web', [80], '-p', '80:80')
  assert.match(await host.check(['ip6tables', '-S', 'FORWARD']), /-o s64\+ -j ACCEPT\n-A FORWARD -i s64\+ -j ACCEPT/)
  await daemon.stop('SIGTERM')
  await service(host, '--remove', '--force', '--purge')
  assert.deepEqual(await traces(), [])
})
