// For every rule a packet that it concerns and one that it leaves alone. The names are those of namedRules(): a rule that is new or moved makes the
// ruleset test name it.
import assert from 'node:assert/strict'
import { all, type Check, type Content, delivered, isProhibited, isReset, stopped } from './check.ts'
import { A_UPLINK, type Fabric } from './fabric.ts'
import * as packet from './packet.ts'
import {
  arp,
  asks,
  datagramToHost,
  echo,
  fromHost,
  gateway,
  HOST,
  inFragments,
  ip4,
  localGroupAtB,
  multicastEcho,
  NOT_THE_LINKS,
  sctpTo,
  silent,
  tcpTo,
  toHost,
  udpTo,
  w2,
  w3,
  webAtC,
} from './ruleset-checks.ts'
import { FLOW_CASES } from './ruleset-flows.ts'
import { INTERNAL_CASES } from './ruleset-internal.ts'
import { attempt } from './stream.ts'

export interface RuleCase {
  readonly rule: string
  /** The rule decides about this packet. */
  readonly hit: Check
  /** The rule lets this one on to the next. */
  readonly miss: Check
}

const solicit =
  (target: string | ((f: Fabric) => string), mac: string): Content =>
  (_token, _sport, f) => [packet.neighbourSolicit(typeof target === 'string' ? target : target(f), mac)]
const GUARD = { counts: 'guard 2: link matters are not for containers', hopLimit: 255 }
const solicitFromContainer = asks('e1', solicit(gateway('evil'), '02:00:00:00:00:99'), 136, false, {
  ...GUARD,
  destination: gateway('evil'),
})
const solicitOnUplink = asks('uplink', solicit(A_UPLINK, '02:00:00:00:01:00'), 136, true, {
  hopLimit: 255,
  destination: A_UPLINK,
})
const echoToGateway = asks('e1', echo, 129, true, { destination: gateway('evil') })

const SENDERS: readonly RuleCase[] = [
  {
    rule: 'early 1',
    hit: delivered('w1', 'w2', udpTo(9)),
    miss: delivered('internet', 'w1', tcpTo(443)),
  },
  {
    rule: 'early 2',
    hit: ip4('uplink', '192.0.2.7', true),
    miss: stopped('uplink', 'w1', tcpTo(443), { source: A_UPLINK }),
  },
  {
    rule: 'early 3',
    hit: async f => assert.equal((await attempt(f.machines.a, HOST, 9)).outcome, 'ECONNREFUSED'),
    miss: stopped('uplink', 'w1', tcpTo(443), { source: HOST }),
  },
  {
    rule: 'early 4: one of our own addresses from outside',
    hit: stopped('uplink', 'w1', tcpTo(443), {
      source: A_UPLINK,
      counts: 'early 4: one of our own addresses from outside',
    }),
    miss: delivered('internet', 'w1', tcpTo(443)),
  },
  {
    rule: 'early 5: our prefix from outside',
    hit: stopped('uplink', 'w1', tcpTo(443), { source: w2, counts: 'early 5: our prefix from outside' }),
    miss: delivered('w3', 'w1', udpTo(9)),
  },
  {
    rule: 'early 6',
    hit: delivered('bridged', 'w1', tcpTo(443)),
    miss: stopped('bridged', 'd1', tcpTo(5432), { source: w3 }),
  },
  {
    rule: 'early 7: fleet source on a link that is no uplink',
    hit: stopped('bridged', 'd1', tcpTo(5432), {
      source: webAtC,
      counts: 'early 7: fleet source on a link that is no uplink',
    }),
    miss: delivered('w3', 'd1', tcpTo(5432)),
  },
  {
    rule: 'early 8: fleet source that we would not answer over this link',
    hit: stopped('uplink2', 'd1', tcpTo(5432), {
      source: w3,
      counts: 'early 8: fleet source that we would not answer over this link',
    }),
    miss: delivered('w3', 'd1', tcpTo(5432)),
  },
  {
    rule: 'early_container 1: only IPv6',
    hit: ip4('e1', '198.51.100.66', false, 'early_container 1: only IPv6'),
    miss: delivered('e1', 'internet', udpTo(9)),
  },
  {
    rule: 'early_container 2: too many fragments',
    hit: inFragments('l1', 'l2', 40, false, 'early_container 2: too many fragments'),
    miss: inFragments('w1', 'w2', 0, true),
  },
  {
    rule: 'early_container 3',
    hit: delivered('w1', 'w2', udpTo(9)),
    miss: stopped('e1', 'd1', tcpTo(5432), { source: w2 }),
  },
  {
    rule: NOT_THE_LINKS,
    hit: stopped('e1', 'd1', tcpTo(5432), { source: w2, counts: NOT_THE_LINKS }),
    miss: delivered('w2', 'd1', tcpTo(5432)),
  },
]

const GUARDS: readonly RuleCase[] = [
  { rule: 'guard 1', hit: solicitOnUplink, miss: solicitFromContainer },
  { rule: 'guard 2: link matters are not for containers', hit: solicitFromContainer, miss: echoToGateway },
  {
    rule: 'guard 3: no DHCPv6 server in a container',
    hit: stopped('w1', 'w2', data => [packet.udp({ sport: 547, dport: 546, data })], {
      counts: 'guard 3: no DHCPv6 server in a container',
    }),
    miss: delivered('w1', 'w2', data => [packet.udp({ sport: 548, dport: 546, data })]),
  },
  { rule: 'guard 4: no multicast', hit: multicastEcho(false), miss: echoToGateway },
  {
    rule: 'arp input 1: no IPv4 on our links',
    hit: arp('e1', false, 'arp input 1: no IPv4 on our links'),
    miss: arp('bridged', true),
  },
]

const GROUPS: readonly RuleCase[] = [
  {
    rule: 'forward 1',
    hit: stopped('e1', 'internet', tcpTo(80, ['ack'])),
    miss: delivered('bridged', 'internet', tcpTo(80, ['ack'])),
  },
  { rule: 'forward 2', hit: stopped('internet', 'w1', tcpTo(22)), miss: delivered('internet', 'bridged', tcpTo(22)) },
  { rule: 'decide 1', hit: stopped('w1', 'w2', tcpTo(80, [])), miss: delivered('w1', 'w2', tcpTo(80)) },
  {
    rule: 'decide 3: a flow that nobody saw begin',
    hit: stopped('w1', 'w2', tcpTo(80, ['ack']), { counts: 'decide 3: a flow that nobody saw begin' }),
    miss: delivered('w1', 'w2', tcpTo(80)),
  },
  {
    rule: 'decide 6: echo',
    hit: all(
      delivered('e1', 'd1', echo, { counts: 'decide 6: echo', answer: ({ type }) => type === 129 }),
      delivered('internet', 'd1', echo, { counts: 'decide 6: echo' }),
    ),
    miss: stopped('e1', 'd1', data => [packet.icmp6(200, 0, data)]),
  },
  {
    rule: 'decide 7: -p',
    hit: all(
      delivered('internet', 'w1', tcpTo(443), { counts: 'decide 7: -p' }),
      delivered('internet', 'w1', udpTo(443), { counts: 'decide 7: -p' }),
      delivered('lan', 'w1', tcpTo(443), { counts: 'decide 7: -p' }),
      delivered('e1', 'w1', tcpTo(443), { counts: 'decide 7: -p' }),
      delivered('e3', 'w1', tcpTo(443), { counts: 'decide 7: -p' }),
      delivered('bridged', 'w1', tcpTo(443), { counts: 'decide 7: -p' }),
    ),
    miss: all(stopped('internet', 'w1', tcpTo(444)), stopped('internet', 'w1', sctpTo(443))),
  },
  {
    rule: 'decide 8',
    hit: delivered('w1', 'd1', tcpTo(5432)),
    miss: stopped('internet', 'd1', tcpTo(5432)),
  },
  {
    rule: 'decide 9',
    hit: stopped('internet', 'd1', tcpTo(5432)),
    miss: delivered('w1', 'internet', tcpTo(80)),
  },
  {
    rule: 'closed 1: from the world to a closed port',
    hit: all(
      ...(['internet', 'lan', 'bridged'] as const).map(from =>
        stopped(from, 'd1', tcpTo(5432), { counts: 'closed 1: from the world to a closed port' }),
      ),
      silent('internet', 'd1'),
    ),
    miss: delivered('w1', 'internet', tcpTo(80)),
  },
  {
    rule: 'decide 10: out',
    hit: all(
      delivered('w1', 'internet', tcpTo(80), { counts: 'decide 10: out' }),
      delivered('e1', 'e3', udpTo(9), { counts: 'decide 10: out' }),
    ),
    miss: stopped('e1', 'd1', udpTo(9)),
  },
  {
    rule: 'to_group 1: a group that exists on its own host only',
    hit: stopped('uplink', 'l1', tcpTo(80), { source: localGroupAtB }),
    miss: delivered('l2', 'l1', tcpTo(80)),
  },
  {
    rule: 'to_group 2: same group, or all ports allowed',
    hit: all(
      ...(['w2', 'w3'] as const).map(from =>
        delivered(from, 'w1', tcpTo(9), { counts: 'to_group 2: same group, or all ports allowed' }),
      ),
      delivered('w1', 'g1', udpTo(9), { counts: 'to_group 2: same group, or all ports allowed' }),
      delivered('w1', 'g1', data => [packet.raw(253, data)], {
        counts: 'to_group 2: same group, or all ports allowed',
      }),
    ),
    miss: stopped('g1', 'w1', udpTo(9)),
  },
  {
    rule: 'to_group 3: allowed port',
    hit: all(
      ...[tcpTo(5432), tcpTo(7000), tcpTo(7010), udpTo(53), sctpTo(9899)].map(content =>
        delivered('w1', 'd1', content, { counts: 'to_group 3: allowed port' }),
      ),
      delivered('w3', 'd1', tcpTo(5432), { counts: 'to_group 3: allowed port' }),
    ),
    miss: all(
      ...[tcpTo(5433), udpTo(5432), tcpTo(6999), tcpTo(7011), tcpTo(53), sctpTo(5432), tcpTo(9899)].map(content =>
        stopped('w1', 'd1', content),
      ),
      stopped('e1', 'd1', tcpTo(5432)),
    ),
  },
  {
    rule: 'to_group 4: allowed range',
    hit: all(
      ...[20000, 25000, 30000].map(port => delivered('w1', 'd1', udpTo(port), { counts: 'to_group 4: allowed range' })),
    ),
    miss: all(...[udpTo(19999), udpTo(30001), tcpTo(25000)].map(content => stopped('w1', 'd1', content))),
  },
  { rule: 'to_group 5', hit: stopped('e1', 'd1', udpTo(9)), miss: delivered('w1', 'd1', tcpTo(5432)) },
  {
    rule: 'deny 1: denied',
    hit: all(
      stopped('e1', 'd1', tcpTo(5432), { answer: isReset, counts: 'deny 1: denied' }),
      stopped('e3', 'd1', tcpTo(5432), { answer: isReset, counts: 'deny 1: denied' }),
    ),
    miss: stopped('e1', 'd1', udpTo(9), { answer: isProhibited }),
  },
  {
    rule: 'deny 2: denied',
    hit: stopped('e1', 'd1', udpTo(9), { answer: fromHost, counts: 'deny 2: denied' }),
    miss: stopped('e1', 'd1', tcpTo(9), { answer: isReset }),
  },
]

const HOSTS: readonly RuleCase[] = [
  { rule: 'input 1', hit: toHost('e1', 'ECONNREFUSED'), miss: toHost('internet', 'connected') },
  { rule: 'input 2', hit: toHost('e3', 'ECONNREFUSED'), miss: toHost('b', 'connected') },
  {
    rule: 'to_host 1: echo',
    hit: all(echoToGateway, asks('w1', echo, 129, true, { destination: HOST })),
    miss: datagramToHost('e1', false),
  },
  {
    rule: 'to_host 4: services of the host are not for containers',
    hit: toHost('e1', 'ECONNREFUSED', 'to_host 4: services of the host are not for containers'),
    miss: datagramToHost('e1', false),
  },
  {
    rule: 'to_host 5: services of the host are not for containers',
    hit: all(
      datagramToHost('e1', false, 'to_host 5: services of the host are not for containers'),
      datagramToHost('e3', false, 'to_host 5: services of the host are not for containers'),
    ),
    miss: datagramToHost('internet', true),
  },
]

export const RULE_CASES: readonly RuleCase[] = [
  ...SENDERS,
  ...GUARDS,
  ...GROUPS,
  ...INTERNAL_CASES,
  ...FLOW_CASES,
  ...HOSTS,
]

/** Rules without which every packet fares the same, and what they are for. */
export const SECOND_LINES: Readonly<Record<string, string>> = {
  'early 5: our prefix from outside':
    'rules 7 and 8 stop such packets, too; this one counts them apart, and needs no route lookup',
  'early_container 1: only IPv6': 'the last rule of the chain stops them as well; this one counts them apart',
  'guard 2: link matters are not for containers':
    'forward and input stop them as untracked or unasked for; this one before any of it',
  'input 1': 'rule 2 would do while the fleet holds our prefix, which it does; this one needs no set to be right',
  'decide 10: out': 'names and counts; without it, flows out would not be counted by admit',
  'admit 4': 'what the base chain would do anyway, said where it is read',
}
