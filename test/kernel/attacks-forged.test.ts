// More of what root in a container may put on the wire: every header with everything that could be wrong in it.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SysctlTree } from '../../src/kernel/sysctl.ts'
import { all, counted, delivered, portOf, stopped } from '../support/check.ts'
import { A_UPLINK, type Fabric, withFabric } from '../support/fabric.ts'
import * as packet from '../support/packet.ts'
import * as cases from '../support/ruleset-checks.ts'
import { open, passes, there } from '../support/ruleset-flows.ts'

const { tcpTo, udpTo, sctpTo, HOST, NOT_THE_LINKS } = cases

const sysctl = (f: Fabric, ...path: string[]): number =>
  f.machines.a.enter(() => Number(new SysctlTree().read(['net', ...path])))

const FORGED: Readonly<Record<string, (f: Fabric) => Promise<void>>> = {
  'another source address of any kind': async f => {
    const [w1, gateway, own] = [f.address('w1'), cases.gateway('evil')(f), f.address('e1')]
    const group = w1.split(':').slice(5, 7).join(':')
    const sources = [
      w1, // another container's
      f.address('w3'), // one of another host
      own.replace(/:1$/, ':2'), // a second one of its own group
      `2001:db8:1:a:0:${group}:99`, // nobody's, in another group
      f.address('l1'),
      HOST,
      A_UPLINK,
      gateway,
      'fe80::1',
      '::',
      '::ffff:c633:6401',
      f.address('internet'),
      '::1',
      'ff02::1',
    ]
    for (const source of sources) {
      for (const to of ['d1', 'internet'] as const) {
        // The kernel itself drops the last two before any rule sees them (ip6_rcv_core in net/ipv6/ip6_input.c).
        const counts = ['::1', 'ff02::1'].includes(source) ? {} : { counts: NOT_THE_LINKS }
        await stopped('e1', to, tcpTo(5432), { source, ...counts })(f)
      }
    }
  },

  'IPv4, and IPv4 and IPv6 inside a priority tag': async f => {
    await cases.ip4('e1', '198.51.100.66', false, 'early_container 1: only IPv6')(f)
    const token = f.token()
    const { via, mac } = f.at('e1')
    using seen = f.capture('d1', ({ bytes }) => bytes.includes(token))
    const forged = packet.ip6(
      { source: f.address('w1'), destination: f.address('d1') },
      packet.tcp({ sport: portOf(token), dport: 5432, data: token }),
    )
    for (const tags of [[0], [0, 0], [5]]) {
      const tagged = tags.map((vlan, at) =>
        Buffer.concat([packet.u16(vlan), packet.u16(at < tags.length - 1 ? 0x8100 : 0x86dd)]),
      )
      f.sendFrames('e1', packet.frame(via, mac, Buffer.concat([...tagged, forged]), 0x8100))
    }
    assert.equal(await seen.first(15), undefined)
  },

  'another source or destination MAC': async f => {
    const token = f.token()
    const address = f.address('d1')
    using seen = f.capture('d1', ({ bytes }) => bytes.includes(token))
    const forged = packet.ip6(
      { source: f.address('w1'), destination: address },
      packet.tcp({ sport: 9, dport: 5432, data: token }),
    )
    const honest = packet.ip6(
      { source: f.address('e1'), destination: address },
      packet.tcp({ sport: 9, dport: 5432, data: token }),
    )
    for (const to of [f.at('e1').via, f.at('w1').via, f.at('d1').mac, 'ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01']) {
      for (const from of [f.at('e1').mac, f.at('w1').mac, 'ff:ff:ff:ff:ff:ff']) {
        f.sendFrames('e1', packet.frame(to, from, forged), packet.frame(to, from, honest))
      }
    }
    assert.equal(await seen.first(15), undefined)
    // A container that changed its MAC still is who its link says.
    const again = f.token()
    using arrived = f.capture('internet', ({ bytes }) => bytes.includes(again))
    const out = { source: f.address('e1'), destination: f.address('internet') }
    f.sendFrames(
      'e1',
      packet.frame(
        f.at('e1').via,
        '02:00:00:00:00:77',
        packet.ip6(out, packet.udp({ sport: 1, dport: 1, data: again })),
      ),
    )
    assert.ok(await arrived.first())
  },

  'router adverts and redirects, plain, behind options, in fragments': async f => {
    const forwarded = sysctl(f, 'ipv6', 'conf', 'all', 'forwarding')
    const advert = packet.routerAdvert('2001:db8:bad::', '02:00:00:00:00:99')
    const turned = packet.redirect('fe80::99', f.address('internet'))
    const [gateway, source] = [cases.gateway('evil')(f), f.address('e1')]
    const before = f.machines.a.json('-6 route show table all').length
    for (const message of [advert, turned]) {
      for (const destination of [gateway, 'ff02::1', f.address('w1'), HOST]) {
        const header = { source, destination, hopLimit: 255 }
        f.send('e1', packet.ip6(header, message), packet.ip6(header, packet.options('destination'), message))
        f.send('e1', packet.ip6(header, packet.options('hop-by-hop'), message))
        f.send('e1', ...packet.fragments(packet.ip6(header, message), header, 99, 16))
        f.send('e1', packet.ip6({ ...header, source: 'fe80::99' }, message))
      }
    }
    assert.equal(f.machines.a.json('-6 route show table all').length, before)
    assert.equal(sysctl(f, 'ipv6', 'conf', 'all', 'forwarding'), forwarded)
    assert.doesNotMatch(f.machines.a.ip('-6 address show'), /2001:db8:bad/)
  },

  'ports hidden in later fragments and behind extension headers': async f => {
    const header = { source: f.address('e1'), destination: f.address('d1') }
    const token = f.token()
    using seen = f.capture('d1', ({ bytes }) => bytes.includes(token))
    const tcp = packet.tcp({ sport: portOf(token), dport: 5432, data: token })
    const [hop, destination] = [packet.options('hop-by-hop'), packet.options('destination')]
    const chains = [
      [hop],
      [destination],
      [packet.routing(0, 0, ['::1'])],
      [hop, destination, destination],
      [packet.fragment(1, 0, false)],
      [destination, packet.fragment(2, 0, false)],
    ]
    await counted(f, 'deny 1: denied', () => {
      for (const chain of chains) f.send('e1', packet.ip6(header, ...chain, tcp))
      const long = packet.options('destination', Buffer.concat([Buffer.of(1, 200), Buffer.alloc(200)]))
      for (const size of [8, 16, 24])
        f.send('e1', ...packet.fragments(packet.ip6(header, tcp), header, 1000 + size, size))
      f.send('e1', packet.ip6(header, long, long, long, tcp))
    })
    for (const protocol of [4, 41, 47, 50, 59, 94, 108, 115, 135, 136, 139, 140, 253]) {
      f.send('e1', packet.ip6(header, packet.raw(protocol, Buffer.concat([Buffer.alloc(8), token]))))
    }
    assert.equal(await seen.first(15), undefined)
    // The same headers on a flow that is allowed: they decide nothing. What is authenticated has no port that a rule could see.
    await stopped('w1', 'd1', (data, sport) => [packet.authentication(), packet.tcp({ sport, dport: 5432, data })], {
      counts: 'deny 2: denied',
    })(f)
    for (const chain of chains)
      await delivered('w1', 'd1', (data, sport) => [...chain, packet.tcp({ sport, dport: 5432, data })])(f)
  },

  'overlapping fragments that rewrite the port': async f => {
    const token = f.token()
    const header = { source: f.address('w1'), destination: f.address('d1') }
    using seen = f.capture('d1', ({ bytes }) => bytes.includes(token))
    const [allowed, wanted] = [5432, 22].map(dport =>
      packet.ip6(header, packet.tcp({ sport: 9, dport, data: token })).subarray(40),
    )
    const piece = (offset: number, more: boolean, bytes: Buffer) =>
      packet.ip6(header, packet.fragment(555, offset, more, 6), packet.raw(6, bytes))
    f.send(
      'w1',
      piece(0, true, allowed?.subarray(0, 16) ?? Buffer.alloc(16)),
      piece(0, true, wanted?.subarray(0, 16) ?? Buffer.alloc(16)),
    )
    f.send('w1', piece(16, false, allowed?.subarray(16) ?? Buffer.alloc(12)))
    assert.equal(await seen.first(15), undefined)
  },

  'flags that claim a connection': async f => {
    const claims = [
      ['ack'],
      ['syn', 'ack'],
      ['rst'],
      ['fin'],
      ['fin', 'ack'],
      ['psh', 'ack'],
      ['rst', 'ack'],
      ['syn', 'fin'],
      ['syn', 'rst'],
      [],
    ] as const
    for (const flags of claims) {
      await stopped('e1', 'd1', tcpTo(5432, flags))(f)
      await stopped('internet', 'w1', tcpTo(443, flags))(f)
      await stopped('w1', 'w2', tcpTo(80, flags))(f)
      await stopped('e1', 'internet', tcpTo(80, flags))(f)
    }
  },

  'answers to questions that nobody asked': all(
    stopped('e1', 'd1', data => [packet.udp({ sport: 53, dport: 40_000, data })]),
    stopped('internet', 'w1', data => [packet.udp({ sport: 53, dport: 40_000, data })]),
    stopped('internet', 'w1', data => [packet.sctp({ sport: 443, dport: 40_000, data })]),
    stopped('internet', 'd1', sctpTo(9899)),
  ),

  'errors about a flow of another host’s container': async f => {
    const flow = open(f, 'w1', 'internet', 9)
    const quoted = there(f, flow)
    for (const error of [packet.tooBig(1280, quoted), packet.unreachable(4, quoted), packet.timeExceeded(quoted)]) {
      const bytes = packet.ip6({ source: f.address('e3'), destination: f.address('w1') }, error)
      await passes(f, 'e3', 'w1', quoted.subarray(48), bytes, false)
    }
  },

  'a DHCPv6 server, also behind options': all(
    stopped('w1', 'w2', data => [packet.udp({ sport: 547, dport: 546, data })], {
      counts: 'guard 3: no DHCPv6 server in a container',
    }),
    stopped('w1', 'w2', data => [packet.options('destination'), packet.udp({ sport: 547, dport: 546, data })], {
      counts: 'guard 3: no DHCPv6 server in a container',
    }),
  ),

  multicast: all(
    ...['ff02::1', 'ff02::fb', 'ff05::1:3', 'ff0e::1'].map(destination =>
      stopped('e1', 'w1', udpTo(5353), { destination, counts: 'guard 4: no multicast' }),
    ),
  ),

  'a group of one host, claimed from an uplink and from a bridge': all(
    stopped('uplink', 'l1', udpTo(80), { source: cases.localGroupAtB, counts: 'deny 2: denied' }),
    stopped('uplink', 'l1', udpTo(80), { source: f => f.address('l2'), counts: 'early 5: our prefix from outside' }),
    stopped('bridged', 'l1', udpTo(80), { source: cases.localGroupAtB }),
    stopped('e3', 'l1', udpTo(80)),
    stopped('e1', 'l1', udpTo(80)),
  ),

  'one container reaches no other by its link': async f => {
    // Its own address, the gateway of another network, an address nobody has.
    for (const destination of [f.address('e1'), cases.gateway('db')(f), '2001:db8:1:a:0:1:2:3', '::1', '::']) {
      await stopped('e1', 'd1', udpTo(5432), { destination })(f)
    }
  },
}

suite('forged packets', () => {
  test('reach nobody', t =>
    withFabric(async f => {
      for (const [name, act] of Object.entries(FORGED)) await t.test(name, () => act(f))
    }))
})
