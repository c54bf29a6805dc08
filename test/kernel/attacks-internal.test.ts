// What root in a container of an internal group may try to get a packet out, or to have one come in.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { all, counted, delivered, portOf, stopped } from '../support/check.ts'
import { A_UPLINK, type Fabric, type PlaceName, withFabric } from '../support/fabric.ts'
import * as packet from '../support/packet.ts'
import * as cases from '../support/ruleset-checks.ts'
import { back, open, passes, there } from '../support/ruleset-flows.ts'
import { refused, vaultOutside } from '../support/ruleset-internal.ts'

const { tcpTo, udpTo, echo, HOST, NOT_THE_LINKS } = cases

/** Outside of the group: the world, the site, a bridge, groups here and on another host, one that lets vault in, another internal one. */
const OUTSIDE = ['internet', 'lan', 'bridged', 'w1', 'g1', 'l1', 'n1', 'w3'] as const

const ESCAPES: Readonly<Record<string, (f: Fabric) => Promise<void>>> = {
  'another source address': async f => {
    const group = f.address('v1').split(':').slice(5, 7).join(':')
    const sources = [
      f.address('w1'),
      f.address('v2'),
      f.address('v3'),
      `2001:db8:1:a:0:${group}:99`,
      HOST,
      A_UPLINK,
      cases.gateway('vault')(f),
      'fe80::1',
      '::',
      f.address('internet'),
    ]
    for (const source of sources) {
      for (const to of ['internet', 'g1'] as const)
        await stopped('v1', to, udpTo(53), { source, counts: NOT_THE_LINKS })(f)
    }
  },

  'the bits of the group in an address outside of the fleet': all(
    stopped('v1', 'internet', udpTo(53), { destination: vaultOutside }),
    stopped('v1', 'internet', echo, { destination: vaultOutside }),
    // And in: the world claims them.
    stopped('internet', 'v1', udpTo(53), {
      source: vaultOutside,
      counts: 'closed 1: from the world to a closed port',
    }),
    stopped('lan', 'v1', udpTo(53), { source: f => f.address('v1').replace('2001:db8:1:a:', '2001:db8:1:f:') }),
  ),

  'every port and protocol that others leave open': all(
    ...OUTSIDE.flatMap(to =>
      [tcpTo(443), udpTo(443), udpTo(53), cases.sctpTo(9899), echo].map(one => stopped('v1', to, one)),
    ),
    ...OUTSIDE.map(to => stopped('v1', to, data => [packet.raw(253, data)])),
    refused('v1', 'd1', 5432),
  ),

  'flags that claim a connection, answers that nobody asked for': async f => {
    for (const to of ['internet', 'g1'] as const) {
      for (const flags of [['ack'], ['syn', 'ack'], ['rst'], ['fin', 'ack'], ['psh', 'ack'], []] as const)
        await stopped('v1', to, tcpTo(443, flags))(f)
      await stopped('v1', to, data => [packet.udp({ sport: 53, dport: 40_000, data })])(f)
      await stopped('v1', to, (data, id) => [packet.echoReply(id, data)])(f)
    }
  },

  'ports hidden in later fragments and behind extension headers': async f => {
    for (const to of ['internet', 'g1'] as const) {
      const token = f.token()
      const header = { source: f.address('v1'), destination: f.address(to) }
      using seen = f.capture(to, ({ bytes }) => bytes.includes(token))
      const datagram = packet.udp({ sport: portOf(token), dport: 443, data: token })
      const layers = [
        packet.options('hop-by-hop'),
        packet.options('destination'),
        packet.routing(0, 0, ['::1']),
        packet.fragment(1, 0, false),
        packet.authentication(),
      ]
      await counted(f, 'deny 2: denied', () => {
        for (const layer of layers) f.send('v1', packet.ip6(header, layer, datagram))
        f.send('v1', ...packet.fragments(packet.ip6(header, datagram), header, 7, 8))
      })
      assert.equal(await seen.first(15), undefined)
    }
  },

  'a routing header by way of a member, of the host': async f => {
    for (const destination of [f.address('v2'), HOST]) {
      for (const type of [0, 2, 3, 4]) {
        await stopped(
          'v1',
          'internet',
          (data, id) => [packet.routing(type, 1, [f.address('internet')]), packet.udp({ sport: id, dport: 53, data })],
          { destination },
        )(f)
      }
    }
  },

  'errors that carry something, about its own flows and about those of others': async f => {
    const own = open(f, 'v1', 'v2', 9)
    const foreign = open(f, 'w1', 'internet', 9)
    const never = { from: 'internet', to: 'v1', sport: 4000, dport: 443 } as const
    for (const to of ['internet', 'w1', 'g1'] as const) {
      for (const quoted of [back(f, own), there(f, own), there(f, foreign), back(f, foreign), there(f, never)]) {
        for (const error of [packet.unreachable(4, quoted), packet.tooBig(1280, quoted)]) {
          const bytes = packet.ip6({ source: f.address('v1'), destination: f.address(to) }, error)
          await passes(f, 'v1', to, quoted.subarray(48), bytes, false)
        }
      }
    }
  },

  'an answer to a flow that was refused': async f => {
    const asks: PlaceName[] = ['internet', 'g1']
    for (const from of asks) {
      const flow = open(f, from, 'v1', 443, false)
      const token = f.token()
      await passes(f, 'v1', from, token, back(f, flow, token), false)
    }
  },

  'neighbour discovery, adverts, multicast, IPv4': all(
    ...[133, 134, 135, 136, 137, 143].map(type =>
      stopped('v1', 'v2', data => [packet.icmp6(type, 0, Buffer.concat([Buffer.alloc(20), data]))], {
        hopLimit: 255,
        counts: 'guard 2: link matters are not for containers',
      }),
    ),
    ...['ff02::1', 'ff05::1:3', 'ff0e::1'].map(destination =>
      stopped('v1', 'internet', udpTo(5353), { destination, counts: 'guard 4: no multicast' }),
    ),
    cases.ip4('v1', '198.51.100.66', false, 'early_container 1: only IPv6'),
  ),

  'services of the host, and of the other one': all(
    stopped('v1', 'uplink', tcpTo(22), {
      destination: HOST,
      counts: 'to_host 4: services of the host are not for containers',
    }),
    stopped('v1', 'uplink', udpTo(53), {
      destination: A_UPLINK,
      counts: 'to_host 5: services of the host are not for containers',
    }),
    refused('v1', 'w3', 22),
    stopped('v1', 'uplinkB', udpTo(53), { destination: '2001:db8:1:b::1', counts: 'deny 2: denied' }),
  ),

  'a flow that was open when its group still was': async f => {
    const flow = open(f, 'e1', 'internet', 9)
    f.a.network('evil', '', { internal: true })
    f.a.apply()
    const [out, home] = [f.token(), f.token()]
    await counted(f, 'deny 2: denied', () => passes(f, 'e1', 'internet', out, there(f, flow, out), false))
    // Answers to what it asked while it might still come; they carry nothing out.
    await passes(f, 'internet', 'e1', home, back(f, flow, home), true)
    f.a.network('evil')
    f.a.apply()
  },
}

suite('an internal group', () => {
  test('keeps its own in, and others out', t =>
    withFabric(async f => {
      for (const [name, act] of Object.entries(ESCAPES)) await t.test(name, () => act(f))
      await t.test('its members still talk, on one host and on two', () =>
        all(
          delivered('v1', 'v2', tcpTo(80)),
          delivered('v2', 'v3', udpTo(53)),
          delivered('v3', 'v1', echo),
          delivered('w1', 'internet', tcpTo(80)),
        )(f),
      )
    }))
})
