// A ruleset of the shape that a host firewall for routed containers has: every kind of rule in it is one that a person wrote
// with nft, and stands beside it as text.
import {
  accept,
  anyOf,
  concat,
  connlimit,
  counter,
  ct,
  drop,
  dynset,
  type Element,
  exists,
  exthdr,
  fib,
  goto,
  icmpv6,
  inSet,
  ip6,
  is,
  limit,
  mask,
  meta,
  not,
  notInSet,
  type Rule,
  type Ruleset,
  reject,
  type Statement,
  tcp,
  th,
  udp,
  vmap,
} from 'nftables-js'

/** A rule in nft's words and as a value. */
export type Line = readonly [text: string, rule: Rule]

const line = (text: string, ...statements: Statement[]): Line => {
  const comment = /comment "(.*)"$/.exec(text)?.[1]
  return [text, { statements, ...(comment !== undefined && { comment }) }]
}
const s64 = is(meta('iifname'), 's64*')
const saddr = ip6('saddr')
const daddr = ip6('daddr')
const protocol = meta('l4proto')
const state = ct('state')
const bare = mask(tcp('flags'), ['fin', 'syn', 'rst', 'ack'])
const fromGroup = mask(saddr, '::ffff:ffff:0')
const toGroup = mask(daddr, '::ffff:ffff:0')
const early = [is(ip6('saddr'), 'fe80::/10'), is(daddr, 'fe80::/10')]
const isTcp = is(protocol, 'tcp')
const burst = { rate: 20, per: 'second', burst: 20, over: true } as const
const noisy = [
  'mld-listener-query',
  'mld-listener-report',
  'mld-listener-done',
  'nd-router-solicit',
  'nd-router-advert',
  'nd-neighbor-solicit',
  'nd-neighbor-advert',
  'nd-redirect',
  'mld2-listener-report',
]

/** The rules of each chain of the inet table. */
export const lines: Readonly<Record<string, readonly Line[]>> = {
  early: [
    line('iifname "s64*" goto early_endpoint', s64, goto('early_endpoint')),
    line('iif "lo" accept', is(meta('iif'), 'lo'), accept),
    line(
      'fib saddr type local counter drop comment "one of our own addresses from outside"',
      is(fib(['saddr'], 'type'), 'local'),
      counter(),
      drop,
    ),
    line(
      'ip6 saddr @host_prefix counter drop comment "own prefix from outside"',
      inSet(saddr, 'host_prefix'),
      counter(),
      drop,
    ),
    line(
      'ip6 saddr @fleet iifname != @uplinks counter drop comment "fleet source on a link that is no uplink"',
      inSet(saddr, 'fleet'),
      notInSet(meta('iifname'), 'uplinks'),
      counter(),
      drop,
    ),
  ],
  early_endpoint: [
    line('meta nfproto != ipv6 counter drop', not(meta('nfproto'), 'ipv6'), counter(), drop),
    line(
      'exthdr frag exists update @frags { iifname limit rate over 20/second burst 20 packets } counter drop',
      exists(exthdr('frag')),
      dynset({ op: 'update', set: 'frags', key: meta('iifname'), statements: [limit(burst)] }),
      counter(),
      drop,
    ),
    line('iifname . ip6 saddr @links accept', inSet(concat(meta('iifname'), saddr), 'links'), accept),
    line(
      'ip6 saddr fe80::/10 ip6 daddr fe80::/10 meta l4proto icmpv6 icmpv6 type echo-request accept',
      ...early,
      is(protocol, 'icmpv6'),
      is(icmpv6('type'), 'echo-request'),
      accept,
    ),
    line('counter drop comment "source is not this link\'s"', counter(), drop),
  ],
  guard: [
    line(
      `iifname "s64*" icmpv6 type { ${noisy.join(', ')} } counter drop`,
      s64,
      anyOf(icmpv6('type'), noisy),
      counter(),
      drop,
    ),
    line('iifname "s64*" udp sport 547 counter drop', s64, is(udp('sport'), 547), counter(), drop),
    line('iifname "s64*" ip6 daddr ff00::/8 counter drop', s64, is(daddr, 'ff00::/8'), counter(), drop),
  ],
  policy_fwd: [
    line('iifname "s64*" goto decide', s64, goto('decide')),
    line('oifname "s64*" goto decide', is(meta('oifname'), 's64*'), goto('decide')),
  ],
  related: [
    line('meta l4proto != icmpv6 counter drop', not(protocol, 'icmpv6'), counter(), drop),
    line('iifname != "s64*" accept', not(meta('iifname'), 's64*'), accept),
    line(
      'iifname . ct original ip6 saddr @links accept',
      inSet(concat(meta('iifname'), ct('original ip6 saddr')), 'links'),
      accept,
    ),
    line(
      'iifname . ct original ip6 daddr @links accept',
      inSet(concat(meta('iifname'), ct('original ip6 daddr')), 'links'),
      accept,
    ),
    line('counter drop comment "error about somebody else\'s flow"', counter(), drop),
  ],
  decide: [
    line(
      'ct state vmap { invalid : drop, related : goto related, untracked : drop }',
      vmap(state, [
        ['invalid', drop],
        ['related', goto('related')],
        ['untracked', drop],
      ]),
    ),
    line('ct direction reply accept', is(ct('direction'), 'reply'), accept),
    line(
      'ct state new meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn counter drop',
      is(state, 'new'),
      isTcp,
      not(bare, 'syn'),
      counter(),
      drop,
    ),
    line(
      'ct state new iifname "s64*" add @conns { ip6 saddr ct count over 2000 } counter drop',
      is(state, 'new'),
      s64,
      dynset({ op: 'add', set: 'conns', key: saddr, statements: [connlimit({ count: 2000, over: true })] }),
      counter(),
      drop,
    ),
    line('icmpv6 type echo-request accept', is(icmpv6('type'), 'echo-request'), accept),
    line(
      'ip6 daddr . meta l4proto . th dport @published counter accept',
      inSet(concat(daddr, protocol, th('dport')), 'published'),
      counter(),
      accept,
    ),
    line(
      'ip6 saddr @fleet oifname "s64*" goto fleet_in',
      inSet(saddr, 'fleet'),
      is(meta('oifname'), 's64*'),
      goto('fleet_in'),
    ),
    line('oifname "s64*" counter drop comment "world to a closed port"', is(meta('oifname'), 's64*'), counter(), drop),
    line('ip6 daddr @fleet accept comment "decided by the destination\'s host"', inSet(daddr, 'fleet'), accept),
    line('accept comment "egress open"', accept),
  ],
  fleet_in: [
    line(
      'ip6 saddr & ::ffff:ffff:0 . ip6 daddr & ::ffff:ffff:0 @allow_group counter accept',
      inSet(concat(fromGroup, toGroup), 'allow_group'),
      counter(),
      accept,
    ),
    line(
      'ip6 saddr & ::ffff:ffff:0 . ip6 daddr & ::ffff:ffff:0 . meta l4proto . th dport @allow_port counter accept',
      inSet(concat(fromGroup, toGroup, protocol, th('dport')), 'allow_port'),
      counter(),
      accept,
    ),
    line('meta l4proto tcp counter reject with tcp reset', isTcp, counter(), reject({ with: 'tcp reset' })),
    line(
      'counter reject with icmpv6 admin-prohibited',
      counter(),
      reject({ with: 'icmpv6', code: 'admin-prohibited' }),
    ),
  ],
  to_host: [
    line('iifname "s64*" goto host_in', s64, goto('host_in')),
    line(
      'iif != "lo" ip6 saddr @fleet ip6 saddr & ::ffff:ffff:0 != :: goto host_in',
      not(meta('iif'), 'lo'),
      inSet(saddr, 'fleet'),
      not(fromGroup, '::'),
      goto('host_in'),
    ),
  ],
  host_in: [
    line(
      'icmpv6 type echo-request limit rate 1000/second accept',
      is(icmpv6('type'), 'echo-request'),
      limit({ rate: 1000, per: 'second' }),
      accept,
    ),
    line('ct state established accept', is(state, 'established'), accept),
    line('ct state related goto related', is(state, 'related'), goto('related')),
    line('meta l4proto tcp counter reject with tcp reset', isTcp, counter(), reject({ with: 'tcp reset' })),
    line('counter drop', counter(), drop),
  ],
}

const hooks = {
  early: { hook: 'prerouting', priority: -450 },
  guard: { hook: 'prerouting', priority: -300 },
  policy_fwd: { hook: 'forward', priority: -5 },
  to_host: { hook: 'input', priority: -5 },
} as const

/** Chains in an order in which nft accepts them: targets of jumps before their rules. */
export const chains: Ruleset['chains'] = Object.entries(lines).map(([name, rules]) => {
  const base = Object.hasOwn(hooks, name) ? hooks[name as keyof typeof hooks] : undefined
  return {
    name,
    ...(base && { ...base, type: 'filter' as const, policy: 'accept' as const }),
    rules: rules.map(([, rule]) => rule),
  }
})

const keys = (...all: Element['key'][]): Element[] => all.map(key => ({ key }))

/** The sets, as values. */
export const sets: Ruleset['sets'] = [
  { name: 'fleet', type: 'ipv6_addr', flags: ['interval'], elements: keys('2001:db8:1:a::/64', '2001:db8:1:b::/64') },
  { name: 'host_prefix', type: 'ipv6_addr', flags: ['interval'], elements: keys('2001:db8:1:a::/64') },
  { name: 'uplinks', type: 'ifname', elements: keys('up0', 'lo') },
  {
    name: 'links',
    type: ['ifname', 'ipv6_addr'],
    elements: keys(['s64w1', '2001:db8:1:a::a:1'], ['s64w2', '2001:db8:1:a::a:2'], ['s64d1', '2001:db8:1:a::d:1']),
  },
  {
    name: 'allow_port',
    type: ['ipv6_addr', 'ipv6_addr', 'inet_proto', 'inet_service'],
    elements: [{ key: ['::a:0', '::d:0', 'tcp', 5432], comment: 'web -> db' }],
  },
  {
    name: 'allow_group',
    type: ['ipv6_addr', 'ipv6_addr'],
    elements: [
      { key: ['::a:0', '::a:0'], comment: 'web' },
      { key: ['::d:0', '::d:0'], comment: 'db' },
    ],
  },
  {
    name: 'published',
    type: ['ipv6_addr', 'inet_proto', 'inet_service'],
    elements: keys(['2001:db8:1:a:0:0:a:1', 'tcp', 443]),
  },
  { name: 'frags', type: 'ifname', size: 65_535, flags: ['dynamic', 'timeout'], timeout: 60_000 },
  { name: 'conns', type: 'ipv6_addr', size: 65_535, flags: ['dynamic'] },
]

/** The sets in nft's words. */
export const setText = `
  set fleet { type ipv6_addr; flags interval; elements = { 2001:db8:1:a::/64, 2001:db8:1:b::/64 } }
  set host_prefix { type ipv6_addr; flags interval; elements = { 2001:db8:1:a::/64 } }
  set uplinks { type ifname; elements = { "up0", "lo" } }
  set links { type ifname . ipv6_addr; elements = {
    "s64w1" . 2001:db8:1:a::a:1, "s64w2" . 2001:db8:1:a::a:2, "s64d1" . 2001:db8:1:a::d:1 } }
  set allow_port { type ipv6_addr . ipv6_addr . inet_proto . inet_service
    elements = { ::a:0 . ::d:0 . tcp . 5432 comment "web -> db" } }
  set allow_group { type ipv6_addr . ipv6_addr; elements = { ::a:0 . ::a:0 comment "web", ::d:0 . ::d:0 comment "db" } }
  set published { type ipv6_addr . inet_proto . inet_service; elements = { 2001:db8:1:a:0:0:a:1 . tcp . 443 } }
  set frags { type ifname; size 65535; flags dynamic, timeout; timeout 1m; }
  set conns { type ipv6_addr; size 65535; flags dynamic; }
`

/** The chain declarations in nft's words, with their rules. */
export function chainText(): string {
  return Object.entries(lines)
    .map(([name, rules]) => {
      const base = Object.hasOwn(hooks, name) ? hooks[name as keyof typeof hooks] : undefined
      const head = base ? `type filter hook ${base.hook} priority ${base.priority}; policy accept;` : ''
      return `  chain ${name} { ${head}\n${rules.map(([text]) => `    ${text}\n`).join('')}  }`
    })
    .join('\n')
}
