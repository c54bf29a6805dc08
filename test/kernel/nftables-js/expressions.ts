// One rule for every expression and every form of it: as nft lists it, and as a value.
import {
  accept,
  anyOf,
  concat,
  connlimit,
  continue_,
  counter,
  ct,
  drop,
  dynset,
  ether,
  exists,
  exthdr,
  fib,
  goto,
  icmp,
  icmpv6,
  inSet,
  ip,
  ip6,
  is,
  jump,
  limit,
  log,
  mask,
  meta,
  missing,
  type NamedSet,
  noneOf,
  not,
  notInSet,
  notRange,
  notrack,
  range,
  reject,
  return_,
  type Statement,
  setCt,
  setMeta,
  tcp,
  th,
  udp,
  vmap,
  vmapSet,
} from 'nftables-js'

/** `text` as typed and as listed; `listed` where the two differ, or one spelling for each nft (1.0.6 and the newest). */
export interface Case {
  readonly text: string
  readonly statements: readonly Statement[]
  readonly listed?: string | readonly [old: string, recent: string]
}

const c = (text: string, ...statements: Statement[]): Case => ({ text, statements })
const listedAs = (listed: NonNullable<Case['listed']>, of: Case): Case => ({ ...of, listed })

/** Sets that the rules refer to. */
export const sets: readonly NamedSet[] = [
  { name: 'links', type: ['ifname', 'ipv6_addr'] },
  { name: 'hosts', type: 'ipv6_addr' },
  { name: 'seen', type: 'ipv6_addr', size: 1000, flags: ['dynamic', 'timeout'], timeout: 60_000 },
  { name: 'flows', type: ['ipv6_addr', 'inet_service'], size: 1000, flags: ['dynamic'] },
  { name: 'verdicts', type: ['ipv6_addr', 'inet_service'], map: 'verdict' },
]

const selectors: Case[] = [
  c('iifname "eth0" accept', is(meta('iifname'), 'eth0'), accept),
  c('oifname != "veth*" accept', not(meta('oifname'), 'veth*'), accept),
  c('oif "lo" accept', is(meta('oif'), 1), accept),
  c('iifgroup 64 accept', is(meta('iifgroup'), 64), accept),
  c('oifgroup { 1, 2 } accept', anyOf(meta('oifgroup'), [1, 2]), accept),
  c('meta nfproto ipv4 accept', is(meta('nfproto'), 'ipv4'), accept),
  c('meta l4proto udp accept', is(meta('l4proto'), 'udp'), accept),
  c('meta pkttype multicast drop', is(meta('pkttype'), 'multicast'), drop),
  c('meta length 1500 drop', is(meta('length'), 1500), drop),
  c('meta protocol ip6 accept', is(meta('protocol'), 'ip6'), accept),
  c('meta mark 0x00000010 accept', is(meta('mark'), 0x10), accept),
  c('meta mark & 0x000000ff == 0x00000010 accept', is(mask(meta('mark'), 0xff), 0x10), accept),
  c('ip6 saddr ::1 accept', is(ip6('saddr'), '::1'), accept),
  c('ip6 daddr != 2001:db8::/32 accept', not(ip6('daddr'), '2001:db8::/32'), accept),
  c('ip6 daddr 2001:db8::/33 accept', is(ip6('daddr'), '2001:db8::/33'), accept),
  c('ip6 hoplimit 255 accept', is(ip6('hoplimit'), 255), accept),
  c('ip6 nexthdr tcp accept', is(ip6('nexthdr'), 'tcp'), accept),
  c('ip6 length 100 accept', is(ip6('length'), 100), accept),
  c('ip saddr 10.0.0.0/8 accept', is(ip('saddr'), '10.0.0.0/8'), accept),
  c('ip daddr 192.0.2.1 accept', is(ip('daddr'), '192.0.2.1'), accept),
  c('ip daddr 172.16.0.0/12 accept', is(ip('daddr'), '172.16.0.0/12'), accept),
  c('ip protocol tcp accept', is(ip('protocol'), 'tcp'), accept),
  c('ip ttl 1 drop', is(ip('ttl'), 1), drop),
  c('ip length 100 drop', is(ip('length'), 100), drop),
  c('ether saddr 02:00:00:00:00:01 accept', is(ether('saddr'), '02:00:00:00:00:01'), accept),
  c('th dport 22 accept', is(th('dport'), 22), accept),
  c('tcp sport 22 accept', is(tcp('sport'), 22), accept),
  listedAs(
    'udp dport 53 accept',
    c('meta l4proto udp udp dport 53 accept', is(meta('l4proto'), 'udp'), is(udp('dport'), 53), accept),
  ),
  c('icmp type echo-request accept', is(icmp('type'), 'echo-request'), accept),
  c('icmpv6 type packet-too-big accept', is(icmpv6('type'), 'packet-too-big'), accept),
  listedAs(
    ['icmpv6 code no-route accept', 'icmpv6 code 0 accept'],
    c('icmpv6 code no-route accept', is(icmpv6('code'), 'no-route'), accept),
  ),
  c('ct state established,related accept', is(ct('state'), ['established', 'related']), accept),
  c('ct state != established accept', not(ct('state'), 'established'), accept),
  c('ct direction original accept', is(ct('direction'), 'original'), accept),
  c('ct status dnat accept', is(ct('status'), 'dnat'), accept),
  c('ct mark 0x00000005 accept', is(ct('mark'), 5), accept),
  c('ct original ip6 saddr ::1 accept', is(ct('original ip6 saddr'), '::1'), accept),
  c('ct reply ip6 daddr 2001:db8::/32 accept', is(ct('reply ip6 daddr'), '2001:db8::/32'), accept),
  c('ct original ip saddr 192.0.2.1 accept', is(ct('original ip saddr'), '192.0.2.1'), accept),
  c('fib saddr type local drop', is(fib(['saddr'], 'type'), 'local'), drop),
  c('fib daddr . iif type != local drop', not(fib(['daddr', 'iif'], 'type'), 'local'), drop),
  c('fib saddr oifname "lo" drop', is(fib(['saddr'], 'oifname'), 'lo'), drop),
  c('exthdr hbh missing accept', missing(exthdr('hbh')), accept),
  c('exthdr rt exists drop', exists(exthdr('rt')), drop),
  c('exthdr dst exists drop', exists(exthdr('dst')), drop),
]

const flags: Case[] = [
  c('tcp flags syn accept', is(tcp('flags'), 'syn'), accept),
  listedAs(
    ['tcp flags syn,ack accept', 'tcp flags syn,ack accept'],
    c('tcp flags syn,ack accept', is(tcp('flags'), ['syn', 'ack']), accept),
  ),
  c('tcp flags != syn accept', not(tcp('flags'), 'syn'), accept),
  listedAs(
    ['tcp flags syn / fin,syn,rst,ack accept', 'tcp flags & (fin | syn | rst | ack) == syn accept'],
    c(
      'tcp flags & (fin | syn | rst | ack) == syn accept',
      is(mask(tcp('flags'), ['fin', 'syn', 'rst', 'ack']), 'syn'),
      accept,
    ),
  ),
]

const several: Case[] = [
  c('tcp dport { 22, 80 } accept', anyOf(tcp('dport'), [22, 80]), accept),
  c('tcp dport != { 22, 80 } accept', noneOf(tcp('dport'), [22, 80]), accept),
  c('tcp dport { 1-5, 9 } accept', anyOf(tcp('dport'), [9, '1-5']), accept),
  listedAs(
    'tcp dport { 1-9, 65530-65535 } accept',
    c('tcp dport { 6-9, 1-5, 65530-65535 } accept', anyOf(tcp('dport'), ['6-9', '1-5', '65530-65535']), accept),
  ),
  c('ip6 saddr { ::1, 2001:db8::/32 } accept', anyOf(ip6('saddr'), ['2001:db8::/32', '::1']), accept),
  c('iifname { "a", "b" } accept', anyOf(meta('iifname'), ['a', 'b']), accept),
  c('meta mark { 0x00000001-0x00000005, 0x00000009 } accept', anyOf(meta('mark'), ['1-5', 9]), accept),
  c(
    'ip6 saddr . tcp dport { ::1 . 22, ::2 . 23 } accept',
    anyOf(concat(ip6('saddr'), tcp('dport')), [
      ['::1', 22],
      ['::2', 23],
    ]),
    accept,
  ),
  c(
    'ip6 saddr . tcp dport { 2001:db8::/32 . 22, ::1 . 1-5 } accept',
    anyOf(concat(ip6('saddr'), tcp('dport')), [
      ['2001:db8::/32', 22],
      ['::1', '1-5'],
    ]),
    accept,
  ),
  c('iifname . oifname { "a" . "b" } accept', anyOf(concat(meta('iifname'), meta('oifname')), [['a', 'b']]), accept),
  c('iifname . ip6 saddr @links accept', inSet(concat(meta('iifname'), ip6('saddr')), 'links'), accept),
  c('ip6 daddr != @hosts accept', notInSet(ip6('daddr'), 'hosts'), accept),
]

/** The newest nft has one instruction for a range where 1.0.6 has two, and compares one byte of a route's presence. */
const changed: Case[] = [
  c('tcp dport 80-90 accept', range(tcp('dport'), 80, 90), accept),
  c('tcp dport != 80-90 accept', notRange(tcp('dport'), 80, 90), accept),
  c('meta length 100-200 accept', range(meta('length'), 100, 200), accept),
  c('meta mark 0x00000001-0x00000005 accept', range(meta('mark'), 1, 5), accept),
  c('ip6 saddr ::1-::5 accept', range(ip6('saddr'), '::1', '::5'), accept),
  listedAs(
    ['fib saddr . iif oif missing drop', 'fib saddr . iif check missing drop'],
    c('fib saddr . iif oif missing drop', missing(fib(['saddr', 'iif'], 'oif')), drop),
  ),
  listedAs(
    ['fib saddr oif exists accept', 'fib saddr check exists accept'],
    c('fib saddr oif exists accept', exists(fib(['saddr'], 'oif')), accept),
  ),
]

const verdicts: Case[] = [
  c('jump other', jump('other')),
  c('goto other', goto('other')),
  c('return', return_),
  c('continue', continue_),
  c(
    'ct state vmap { invalid : drop, established : accept, related : jump other }',
    vmap(ct('state'), [
      ['invalid', drop],
      ['established', accept],
      ['related', jump('other')],
    ]),
  ),
  c(
    'tcp dport vmap { 22 : accept, 23 : drop, 80-90 : goto other }',
    vmap(tcp('dport'), [
      ['80-90', goto('other')],
      [22, accept],
      [23, drop],
    ]),
  ),
  c(
    'meta l4proto . th dport vmap { tcp . 22 : accept, udp . 53 : jump other }',
    vmap(concat(meta('l4proto'), th('dport')), [
      [['tcp', 22], accept],
      [['udp', 53], jump('other')],
    ]),
  ),
  c('ip6 saddr . tcp dport vmap @verdicts', vmapSet(concat(ip6('saddr'), tcp('dport')), 'verdicts')),
]

const limits: Case[] = [
  c('counter accept', counter(), accept),
  listedAs(
    ['limit rate 10/second accept', 'limit rate 10/second burst 5 packets accept'],
    c('limit rate 10/second accept', limit({ rate: 10, per: 'second' }), accept),
  ),
  c('limit rate over 3/minute burst 7 packets drop', limit({ rate: 3, per: 'minute', burst: 7, over: true }), drop),
  c('limit rate 10 kbytes/second accept', limit({ rate: 10_240, per: 'second', unit: 'bytes' }), accept),
  c(
    'limit rate over 10 mbytes/second burst 1 mbytes drop',
    limit({ rate: 10 << 20, per: 'second', unit: 'bytes', burst: 1 << 20, over: true }),
    drop,
  ),
  c('ct count over 20 drop', connlimit({ count: 20, over: true }), drop),
  c('ct count 20 accept', connlimit({ count: 20, over: false }), accept),
  c('add @seen { ip6 saddr }', dynset({ op: 'add', set: 'seen', key: ip6('saddr') })),
  c('update @seen { ip6 saddr timeout 5s }', dynset({ op: 'update', set: 'seen', key: ip6('saddr'), timeout: 5000 })),
  c('delete @seen { ip6 saddr }', dynset({ op: 'delete', set: 'seen', key: ip6('saddr') })),
  c(
    'add @flows { ip6 saddr . tcp dport limit rate over 1/second burst 6 packets counter } drop',
    dynset({
      op: 'add',
      set: 'flows',
      key: concat(ip6('saddr'), tcp('dport')),
      statements: [limit({ rate: 1, per: 'second', burst: 6, over: true }), counter()],
    }),
    drop,
  ),
]

const actions: Case[] = [
  c(
    'log prefix "hi" group 5 snaplen 80 queue-threshold 10',
    log({ group: 5, prefix: 'hi', snaplen: 80, queueThreshold: 10 }),
  ),
  c('log group 0', log({ group: 0 })),
  listedAs('log prefix "hi "', c('log prefix "hi " level warn', log({ level: 'warn', prefix: 'hi ' }))),
  c('log level debug', log({ level: 'debug' })),
  listedAs(
    'meta l4proto tcp iifname "a" reject with tcp reset',
    c('iifname "a" reject with tcp reset', is(meta('iifname'), 'a'), reject({ with: 'tcp reset' })),
  ),
  c('reject with icmpv6 policy-fail', reject({ with: 'icmpv6', code: 'policy-fail' })),
  c('ip6 saddr ::1 reject with icmpv6 no-route', is(ip6('saddr'), '::1'), reject({ with: 'icmpv6', code: 'no-route' })),
  c('reject with icmp host-prohibited', reject({ with: 'icmp', code: 'host-prohibited' })),
  c('reject with icmpx admin-prohibited', reject({ with: 'icmpx', code: 'admin-prohibited' })),
  c('meta mark set 0x00000011', setMeta('mark', 0x11)),
  c('meta mark set ct mark', setMeta('mark', ct('mark'))),
  c('ct mark set 0x00000012', setCt('mark', 0x12)),
  c('ct mark set meta mark', setCt('mark', meta('mark'))),
  c('notrack', notrack),
]

/** All of them, by kind. */
export const cases: Readonly<Record<string, readonly Case[]>> = {
  selectors,
  flags,
  several,
  verdicts,
  limits,
  actions,
}

/** Rules of which nft 1.0.6 and the newest make different expressions with the same meaning: those of 1.0.6 are written. */
export const variants: Readonly<Record<string, readonly Case[]>> = { ranges: changed }
