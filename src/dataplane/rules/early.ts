// Prerouting: who may send with this source address over this link at all, and what no container may send whoever it is.
import {
  accept,
  anyOf,
  concat,
  counter,
  drop,
  dynset,
  exists,
  exthdr,
  fib,
  goto,
  icmpv6,
  inSet,
  ip6,
  is,
  limit,
  meta,
  missing,
  type NamedSet,
  not,
  notInSet,
  type Ruleset,
  udp,
} from 'nftables-js'
import { links } from '../sets.ts'
import { bare, fromOurs, OURS, rule } from './words.ts'

/** Neighbour and router discovery, redirects, MLD (RFC 4861, 2710, 3810): link matters, and ours are point to point with permanent entries. */
const LINK_MATTERS = [
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

export const fragments = {
  name: 'fragments',
  type: 'ifname',
  flags: ['dynamic', 'timeout'],
  size: 65535,
  timeout: 60_000,
} as const satisfies NamedSet

/** Before reassembly, so that nobody completes another one's fragments: every fragment carries its source address. */
export const earlyChains: Ruleset['chains'] = [
  {
    name: 'early',
    type: 'filter',
    hook: 'prerouting',
    priority: -450,
    policy: 'accept',
    rules: [
      bare(fromOurs, goto('early_container')),
      bare(not(meta('nfproto'), 'ipv6'), accept),
      bare(is(meta('iif'), 1), accept),
      rule('one of our own addresses from outside', is(fib(['saddr'], 'type'), 'local'), counter(), drop),
      rule('our prefix from outside', inSet(ip6('saddr'), 'host_prefix'), counter(), drop),
      bare(notInSet(ip6('saddr'), 'fleet'), accept),
      rule('fleet source on a link that is no uplink', notInSet(meta('iifname'), 'uplinks'), counter(), drop),
      rule(
        'fleet source that we would not answer over this link',
        missing(fib(['saddr', 'iif'], 'oif')),
        counter(),
        drop,
      ),
    ],
  },
  {
    name: 'early_container',
    rules: [
      rule('only IPv6', not(meta('nfproto'), 'ipv6'), counter(), drop),
      rule(
        'too many fragments',
        exists(exthdr('frag')),
        dynset({
          op: 'update',
          set: fragments.name,
          key: meta('iifname'),
          statements: [limit({ rate: 20, per: 'second', burst: 20, over: true })],
        }),
        counter(),
        drop,
      ),
      bare(inSet(concat(meta('iifname'), ip6('saddr')), links.name), accept),
      rule('source is not this link’s', counter(), drop),
    ],
  },
]

export const guardChain: Ruleset['chains'][number] = {
  name: 'guard',
  type: 'filter',
  hook: 'prerouting',
  priority: -300,
  policy: 'accept',
  rules: [
    bare(not(meta('iifname'), OURS), accept),
    rule('link matters are not for containers', anyOf(icmpv6('type'), LINK_MATTERS), counter(), drop),
    rule('no DHCPv6 server in a container', is(udp('sport'), 547), counter(), drop),
    rule('no multicast', is(ip6('daddr'), 'ff00::/8'), counter(), drop),
  ],
}
