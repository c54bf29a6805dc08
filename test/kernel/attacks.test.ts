// What root in a container, its accomplices outside, and careless neighbours on the host may try: the attacks on the first ruleset, by number.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { linkSettings } from '../../src/dataplane/host.ts'
import { SysctlTree } from '../../src/kernel/sysctl.ts'
import { all, counted, delivered, isReset, stopped } from '../support/check.ts'
import { A_UPLINK, ACCOMPLICE, type Fabric, withFabric } from '../support/fabric.ts'
import { withNetns } from '../support/netns.ts'
import * as packet from '../support/packet.ts'
import * as cases from '../support/ruleset-checks.ts'
import { foreignErrors, limited, open, passes, there } from '../support/ruleset-flows.ts'
import { attempt, Stream } from '../support/stream.ts'

const { tcpTo, udpTo, echo, HOST, NOT_THE_LINKS } = cases
const LIMIT = 100

const sysctl = (f: Fabric, ...path: string[]): number =>
  f.machines.a.enter(() => Number(new SysctlTree().read(['net', ...path])))
const connections = (f: Fabric): number => sysctl(f, 'netfilter', 'nf_conntrack_count')
const neighbours = (f: Fabric): number =>
  f.machines.a.json('-6 neigh show').length + f.machines.a.json('-4 neigh show').length
const countTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index)

/** Assured TCP flows between e1 and its accomplice outside: SYN, SYN-ACK and ACK, all forged. */
function assured(f: Fabric, count: number): void {
  f.at('e1').ns.ip(`route replace blackhole ${ACCOMPLICE}/128`) // or the honest kernel of e1 would reset what it does not know
  const out = { source: f.address('e1'), destination: ACCOMPLICE }
  const home = { source: out.destination, destination: out.source }
  for (const n of countTo(count)) {
    const [sport, dport] = [20_000 + n, 4000]
    f.send('e1', packet.ip6(out, packet.tcp({ sport, dport, seq: 1 })))
    f.send(
      'internet',
      packet.ip6(home, packet.tcp({ sport: dport, dport: sport, flags: ['syn', 'ack'], seq: 1, ack: 2 })),
    )
    f.send('e1', packet.ip6(out, packet.tcp({ sport, dport, flags: ['ack'], seq: 2, ack: 2 })))
  }
}

/** An address of `place` with another interface part. */
function randomLinkLocal(n: number, group = '0:0'): string {
  return `fe80::${(n + 0x1000).toString(16)}:${group}:${(n + 1).toString(16)}`
}

const TWENTY: Readonly<Record<string, (f: Fabric) => Promise<void>>> = {
  '1 connection tracking filled by a container and an accomplice': limited(
    { flowsFrom: LIMIT, flowsTo: LIMIT },
    async f => {
      const before = connections(f)
      await counted(f, 'admit 2: more flows than one container may hold', () => assured(f, 5 * LIMIT))
      assert.ok(connections(f) - before <= LIMIT + 1, `${connections(f) - before} entries`)
      await delivered('internet', 'w1', tcpTo(443))(f)
      await counted(f, 'admit 3: more flows than others may hold to one container', () => {
        for (const _ of countTo(5 * LIMIT)) open(f, 'internet', 'w1', 443, false)
      })
      assert.ok(connections(f) - before <= 2 * LIMIT + 2, `${connections(f) - before} entries`)
      await delivered('w2', 'internet', tcpTo(80))(f)
      assert.equal((await attempt(f.machines.a, f.address('internet'), 80)).outcome, 'ECONNREFUSED')
    },
  ),

  '2 the neighbour table filled by solicitations, adverts and link-local destinations': async f => {
    const before = neighbours(f)
    const [mac, gateway, source] = ['02:00:00:00:00:99', cases.gateway('evil')(f), f.address('e1')]
    const group = source.split(':').slice(5, 7).join(':')
    for (const n of countTo(300)) {
      const solicit = packet.neighbourSolicit(gateway, mac)
      f.send('e1', packet.ip6({ source: randomLinkLocal(n), destination: gateway, hopLimit: 255 }, solicit))
      f.send('e1', packet.ip6({ source, destination: gateway, hopLimit: 255 }, solicit))
      const advert = packet.neighbourAdvert(randomLinkLocal(n), mac)
      f.send('e1', packet.ip6({ source, destination: gateway, hopLimit: 255 }, advert))
      // Addressed to its own group on its own link: a connected route for fe80::/64 would have the host look for them.
      for (const bits of ['0:0', group]) {
        f.send(
          'e1',
          packet.ip6({ source, destination: randomLinkLocal(n, bits) }, packet.udp({ sport: n + 1, dport: 9 })),
        )
      }
      f.send(
        'e1',
        packet.ip6(
          { source, destination: `2001:db8:1:a::${(n + 2).toString(16)}` },
          packet.udp({ sport: n + 1, dport: 9 }),
        ),
      )
    }
    assert.equal(neighbours(f), before)
  },

  '3 ARP': async f => {
    const before = neighbours(f)
    await cases.arp('e1', false, 'arp input 1: no IPv4 on our links')(f)
    const { mac } = f.at('e1')
    const questions = countTo(300).map(n => packet.arpRequest(mac, `198.51.100.${(n % 250) + 3}`, '198.51.100.1'))
    f.sendFrames('e1', ...questions.map(one => packet.frame('ff:ff:ff:ff:ff:ff', mac, one, 0x0806)))
    assert.equal(neighbours(f), before)
  },

  '4 an honest machine of the site that numbers itself into a group': stopped('lan', 'd1', tcpTo(5432), {
    source: f => f.address('w1').replace('2001:db8:1:a:', '2001:db8:1:f:'),
    counts: 'closed 1: from the world to a closed port',
  }),

  '5 a fleet source on a link that is no uplink': all(
    stopped('bridged', 'd1', tcpTo(5432), {
      source: f => f.address('w3'),
      counts: 'early 7: fleet source on a link that is no uplink',
    }),
    stopped('bridged', 'd1', tcpTo(5432), { source: f => f.address('w1'), counts: 'early 5: our prefix from outside' }),
  ),

  '6 services of a host, from another host’s container': all(
    cases.toHost('e3', 'ECONNREFUSED', 'to_host 4: services of the host are not for containers'),
    cases.datagramToHost('e3', false, 'to_host 5: services of the host are not for containers'),
    async f => {
      using _server = Stream.serve(f.machines.a, 'tcp', 22)
      const gateway = cases.gateway('evil')(f)
      // By the address of its uplink, by that of its ordinary bridge, by the container's own gateway.
      for (const address of [A_UPLINK, '2001:db8:3::1']) {
        for (const from of ['e1', 'e3'] as const) {
          assert.equal((await attempt(f.at(from).ns, address, 22)).outcome, 'ECONNREFUSED')
        }
      }
      await stopped('e1', 'uplink', tcpTo(22), {
        destination: gateway,
        answer: isReset,
        counts: 'to_host 4: services of the host are not for containers',
      })(f)
    },
  ),

  '7 other programs that flush, delete or change our tables': async f => {
    f.a.nft('flush ruleset')
    for (const table of ['inet slash64', 'arp slash64']) {
      assert.throws(() => f.a.nft(`delete table ${table}`), /Operation not permitted/)
      assert.throws(() => f.a.nft(`flush table ${table}`), /Operation not permitted/)
    }
    assert.throws(() => f.a.nft('insert rule inet slash64 forward accept'), /Operation not permitted/)
    assert.throws(() => f.a.nft('add element inet slash64 uplinks { "br0" }'), /Operation not permitted/)
    assert.throws(() => f.a.nft('add table inet slash64 { flags dormant; }'), /Operation not permitted/)
    await stopped('internet', 'd1', tcpTo(5432), { counts: 'closed 1: from the world to a closed port' })(f)
    await stopped('e1', 'd1', tcpTo(5432), { counts: 'deny 1: denied' })(f)
    await stopped('e1', 'd1', tcpTo(5432), { source: g => g.address('w1'), counts: NOT_THE_LINKS })(f)
    // The middle of a connection that was let in while nothing was enforced.
    await stopped('d1', 'internet', tcpTo(7777, ['psh', 'ack']), { counts: 'decide 3: a flow that nobody saw begin' })(
      f,
    )
  },

  '8 errors about the flows of others': foreignErrors,

  '9 flows that outlive their permission': async f => {
    const flow = open(f, 'w1', 'd1', 53)
    f.a.network('db', 'web:5432')
    f.a.apply()
    const token = f.token()
    await counted(f, 'deny 2: denied', () => passes(f, 'w1', 'd1', token, there(f, flow, token), false))
    f.a.network('db', 'web:5432,web:53/udp')
    f.a.apply()
  },

  '10 another one’s fragments completed': async f => {
    const [first, last] = countTo(2).map(() => f.token())
    const header = { source: f.address('w1'), destination: f.address('w2') }
    const data = Buffer.concat([first ?? Buffer.alloc(0), Buffer.alloc(96 - 8 - 8), last ?? Buffer.alloc(0)])
    const pieces = packet.fragments(packet.ip6(header, packet.udp({ sport: 9, dport: 9, data })), header, 77, 56)
    using seen = f.capture('w2', ({ bytes }) => first !== undefined && bytes.includes(first))
    await counted(f, NOT_THE_LINKS, () => f.send('e1', ...pieces.slice(0, 1)))
    f.send('w1', ...pieces.slice(1))
    assert.equal(await seen.first(15), undefined)
    // Otherwise the same pieces arrive.
    f.send('w1', ...pieces)
    assert.ok(await seen.first())
  },

  '11 memory for fragments used up': async f => {
    await counted(f, 'early_container 2: too many fragments', () => {
      const header = { source: f.address('e1'), destination: f.address('internet') }
      for (const n of countTo(2000))
        f.send('e1', packet.ip6(header, packet.fragment(n, 0, true, 17), packet.raw(17, Buffer.alloc(1200))))
    })
    await cases.inFragments('w2', 'w1', 0, true)(f)
    assert.equal(sysctl(f, 'netfilter', 'nf_conntrack_frag6_timeout'), 5)
  },

  '12 the host’s own address from outside': all(
    stopped('uplink', 'w1', echo, { source: HOST, counts: 'early 4: one of our own addresses from outside' }),
    stopped('bridged', 'w1', tcpTo(443), { source: HOST, counts: 'early 4: one of our own addresses from outside' }),
    stopped('uplink', 'w1', tcpTo(443), { source: cases.gateway('web') }),
  ),

  '13 neighbour discovery and MLD routed inside a group': async f => {
    for (const type of [130, 131, 132, 133, 134, 135, 136, 137, 143]) {
      await stopped('w1', 'w2', data => [packet.icmp6(type, 0, Buffer.concat([Buffer.alloc(20), data]))], {
        hopLimit: 255,
        counts: 'guard 2: link matters are not for containers',
      })(f)
    }
    for (const type of [1, 2, 3, 4, 129, 138, 140, 141, 142, 144, 145, 147, 148, 149, 151, 152, 153, 155, 200, 255]) {
      await stopped('w1', 'w2', data => [packet.icmp6(type, 0, Buffer.concat([Buffer.alloc(20), data]))])(f)
    }
  },

  '14 the address of another network over this link': stopped('w1', 'internet', udpTo(53), {
    source: f => f.address('w1').replace(/:[0-9a-f]+:[0-9a-f]+:1$/, ':1:2:1'),
    counts: NOT_THE_LINKS,
  }),

  '15 echo as a way around the lists: requests and their answers, nothing that only looks like them': all(
    delivered('e1', 'd1', echo, { counts: 'decide 6: echo' }),
    stopped('e1', 'd1', (data, id) => [packet.echoReply(id, data)]),
    stopped('internet', 'd1', (data, id) => [packet.echoReply(id, data)]),
  ),

  '16 egress is open, also to ordinary bridges of the host and to its site': all(
    delivered('e1', 'bridged', tcpTo(80), { counts: 'decide 10: out' }),
    delivered('e1', 'lan', tcpTo(80), { counts: 'decide 10: out' }),
  ),

  '17 a container that was disconnected and still has its link': async f => {
    f.a.change('w2', { phase: 'left' })
    f.a.apply()
    await stopped('w2', 'internet', udpTo(53), { counts: NOT_THE_LINKS })(f)
    await stopped('w1', 'w2', udpTo(53))(f)
    f.a.change('w2', { phase: 'joined' })
    f.a.apply()
    await delivered('w1', 'w2', udpTo(53))(f)
  },

  '18 a route alone lets nobody send': async f => {
    f.machines.a.ip(`route add 2001:db8:1:a:0:1:2:3/128 dev ${f.a.linkOf('e1')}`)
    await stopped('e1', 'internet', udpTo(53), { source: '2001:db8:1:a:0:1:2:3', counts: NOT_THE_LINKS })(f)
    f.machines.a.ip('route del 2001:db8:1:a:0:1:2:3/128')
  },

  '19 what the host’s end of a link would take from a container': async f => {
    f.machines.a.enter(() => {
      for (const { name } of linkSettings) new SysctlTree().writeIfPresent(['net', 'ipv6', 'conf', 'default', name], 1)
    })
    await withNetns(async sandbox => {
      f.a.endpoint('new', 'evil', 7, sandbox)
      f.a.apply()
      for (const { name } of linkSettings) {
        assert.equal(sysctl(f, 'ipv6', 'conf', 'default', name), 1, name)
        assert.equal(sysctl(f, 'ipv6', 'conf', f.a.linkOf('new'), name), 0, name)
      }
      f.a.change('new', undefined)
      f.a.apply()
      await f.a.kernel.flush()
    })
    for (const type of [0, 2, 3, 4]) {
      const waypoint = (): string => HOST
      await stopped(
        'e1',
        'd1',
        (data, id, g) => [packet.routing(type, 1, [g.address('d1')]), packet.udp({ sport: id, dport: 5432, data })],
        { destination: waypoint },
      )(f)
      await stopped(
        'internet',
        'd1',
        (data, id, g) => [packet.routing(type, 1, [g.address('d1')]), packet.echoRequest(id, data)],
        { destination: waypoint },
      )(f)
    }
  },

  '20 refusals as an amplifier: one for one, never larger, only to the sender': async f => {
    using answers = f.capture('e1', isReset)
    const header = { source: f.address('e1'), destination: f.address('d1') }
    const asked = countTo(200).map(n => packet.ip6(header, packet.tcp({ sport: 30_000 + n, dport: 5432 })))
    f.send('e1', ...asked)
    await answers.first()
    const bytes = answers.frames().reduce((sum, frame) => sum + frame.bytes.length - 14, 0)
    assert.ok(answers.frames().length <= 200 && bytes <= asked.reduce((sum, one) => sum + one.length, 0))
    assert.ok(answers.frames().every(({ destination }) => destination === f.address('e1')))
  },
}

suite('attacks', () => {
  test('the twenty', t =>
    withFabric(async f => {
      for (const [name, act] of Object.entries(TWENTY)) await t.test(name, () => act(f))
      // And after all of them everything works that should.
      await t.test('what is allowed still passes', () =>
        all(
          delivered('w1', 'd1', tcpTo(5432)),
          delivered('internet', 'w1', tcpTo(443)),
          delivered('e1', 'internet', tcpTo(80)),
        )(f),
      )
    }))
})
