// The ruleset: static, closed, and the same size whatever runs. No rule names a container or a group; sets do (sets.ts).
//
// A packet meets the chains in this order:
//   early         prerouting -450  before reassembly: who may send with this source address over this link at all?
//   guard         prerouting -300  types that no container may send (neighbour discovery, router advertisements, multicast, …)
//   forward       forward -5       container <-> anything: answers pass by direction, new flows by group, list and -p
//   input         input -5         container -> the host itself: echo and answers, nothing else
// and ARP dies in a table of its own, because no inet hook ever sees it. Which attack each rule closes: docs/ruleset.md.
import {
  accept,
  anyOf,
  concat,
  connlimit,
  counter,
  ct,
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
  mask,
  meta,
  missing,
  type NamedSet,
  not,
  notInSet,
  type Rule,
  type Ruleset,
  reject,
  type Selector,
  type Statement,
  tcp,
  th,
  udp,
  vmap,
} from 'nftables-js'
import { groupMask } from '../address/group.ts'
import { allowGroup, allowPort, allowRange, elementSets, internal, links, published } from './sets.ts'

/** What of the configuration stands in the rules. */
export interface RulesetOptions {
  /** Own prefixes: sources that may only come over our own links. */
  readonly prefixes: readonly string[]
  /** Prefixes of the hosts that run slash64, own ones included: sources that carry a group. */
  readonly fleet: readonly string[]
  /** Links over which the fleet's other hosts are reached. */
  readonly uplinks: readonly string[]
  /** Flows that one container may hold open towards others. */
  readonly flowsFrom: number
  /** Flows that the world may hold open to one container. */
  readonly flowsTo: number
  /** False on kernels before 6.9: a table without an owner outlives the daemon, but others can flush it. */
  readonly owned?: boolean
}

const OURS = 's64*'

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

const rule = (comment: string, ...statements: Statement[]): Rule => ({ statements, comment })
const bare = (...statements: Statement[]): Rule => ({ statements })

const fromOurs = is(meta('iifname'), OURS)
const toOurs = is(meta('oifname'), OURS)
const sourceGroup = mask(ip6('saddr'), groupMask)
const destinationGroup = mask(ip6('daddr'), groupMask)
const groupsAndPort = concat(sourceGroup, destinationGroup, meta('l4proto'), th('dport'))
/** Bit 80 of an address: set in groups that have no name (address plan). */
const LOCAL_BIT = '::8000:0:0'

/** The tables of a host: the ruleset, and the one that keeps ARP off our links. */
export function hostTables(options: RulesetOptions): Ruleset[] {
  return [filterTable(options), arpTable(options)]
}

function filterTable(options: RulesetOptions): Ruleset {
  return {
    table: { family: 'inet', name: 'slash64', flags: tableFlags(options), comment: 'slash64: see docs/ruleset.md' },
    sets: [...configuredSets(options), ...Object.values(elementSets), ...countingSets],
    chains: [...earlyChains, guardChain, ...forwardChains(options), ...inputChains],
  }
}

function arpTable(options: RulesetOptions): Ruleset {
  return {
    table: { family: 'arp', name: 'slash64', flags: tableFlags(options) },
    sets: [],
    chains: [
      {
        name: 'input',
        type: 'filter',
        hook: 'input',
        priority: 0,
        policy: 'accept',
        rules: [rule('no IPv4 on our links', fromOurs, counter(), drop)],
      },
    ],
  }
}

function tableFlags({ owned = true }: RulesetOptions): Ruleset['table']['flags'] & object {
  return owned ? ['owner', 'persist'] : []
}

function configuredSets({ prefixes, fleet, uplinks }: RulesetOptions): Ruleset['sets'] {
  const element = (key: string): { key: string } => ({ key })
  return [
    { name: 'host_prefix', type: 'ipv6_addr', flags: ['interval'], elements: prefixes.map(element) },
    { name: 'fleet', type: 'ipv6_addr', flags: ['interval'], elements: fleet.map(element) },
    { name: 'uplinks', type: 'ifname', elements: uplinks.map(element) },
  ]
}

const fragments = {
  name: 'fragments',
  type: 'ifname',
  flags: ['dynamic', 'timeout'],
  size: 65535,
  timeout: 60_000,
} as const satisfies NamedSet
const flowsFromSet = {
  name: 'flows_from',
  type: 'ipv6_addr',
  flags: ['dynamic'],
  size: 65535,
} as const satisfies NamedSet
const flowsToSet = { name: 'flows_to', type: 'ipv6_addr', flags: ['dynamic'], size: 65535 } as const satisfies NamedSet
const countingSets: readonly NamedSet[] = [fragments, flowsFromSet, flowsToSet]

/** Before reassembly, so that nobody completes another one's fragments: every fragment carries its source address. */
const earlyChains: Ruleset['chains'] = [
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

const guardChain: Ruleset['chains'][number] = {
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

function forwardChains(options: RulesetOptions): Ruleset['chains'] {
  return [
    {
      name: 'forward',
      type: 'filter',
      hook: 'forward',
      priority: -5,
      policy: 'accept',
      rules: [bare(fromOurs, goto('decide')), bare(toOurs, goto('decide'))],
    },
    { name: 'decide', rules: decideRules },
    { name: 'related', rules: relatedRules },
    { name: 'inside', rules: insideRules },
    { name: 'to_group', rules: groupRules },
    { name: 'closed', rules: [rule('from the world to a closed port', counter(), drop)] },
    { name: 'deny', rules: denyRules },
    { name: 'admit', rules: admitRules(options) },
  ]
}

/** Answers pass by direction, not by "established": so today's policy meets every packet of a flow's own direction. */
const decideRules: Rule[] = [
  bare(
    vmap(ct('state'), [
      ['invalid', drop],
      ['untracked', drop],
      ['related', goto('related')],
    ]),
  ),
  bare(is(ct('direction'), 'reply'), accept),
  rule(
    'a flow that nobody saw begin',
    is(ct('state'), 'new'),
    is(meta('l4proto'), 'tcp'),
    not(mask(tcp('flags'), ['fin', 'syn', 'rst', 'ack']), ['syn']),
    counter(),
    drop,
  ),
  bare(fromOurs, inSet(concat(sourceGroup, sourceGroup), internal.name), goto('inside')),
  bare(toOurs, inSet(concat(destinationGroup, destinationGroup), internal.name), goto('inside')),
  rule('echo', is(icmpv6('type'), 'echo-request'), counter(), goto('admit')),
  rule('-p', inSet(concat(ip6('daddr'), meta('l4proto'), th('dport')), published.name), counter(), goto('admit')),
  bare(toOurs, inSet(ip6('saddr'), 'fleet'), goto('to_group')),
  bare(toOurs, goto('closed')),
  rule('out', counter(), goto('admit')),
]

/** ICMPv6 errors only (no expectations of helpers), and from a container only about its own flows. */
const relatedRules: Rule[] = [
  rule('an expectation of a helper', not(meta('l4proto'), 'ipv6-icmp'), counter(), drop),
  bare(not(meta('iifname'), OURS), accept),
  bare(inSet(concat(meta('iifname'), ct('original ip6 saddr')), links.name), accept),
  bare(inSet(concat(meta('iifname'), ct('original ip6 daddr')), links.name), accept),
  rule('an error about somebody else’s flow', counter(), drop),
]

/** Both ends are containers of the fleet: their addresses say which groups. */
const groupRules: Rule[] = [
  rule(
    'a group that exists on its own host only',
    not(meta('iifname'), OURS),
    is(mask(ip6('saddr'), LOCAL_BIT), LOCAL_BIT),
    goto('deny'),
  ),
  rule(
    'same group, or all ports allowed',
    inSet(concat(sourceGroup, destinationGroup), allowGroup.name),
    counter(),
    goto('admit'),
  ),
  rule('allowed port', inSet(groupsAndPort, allowPort.name), counter(), goto('admit')),
  rule('allowed range', inSet(groupsAndPort, allowRange.name), counter(), goto('admit')),
  bare(goto('deny')),
]

/** From or to an internal group: nothing but its own members, whatever is published or allowed. Bits are a group's in the fleet only, at both ends. */
const insideRules: Rule[] = [
  bare(notInSet(ip6('saddr'), 'fleet'), goto('closed')),
  bare(notInSet(ip6('daddr'), 'fleet'), goto('deny')),
  bare(not(meta('iifname'), OURS), is(mask(ip6('saddr'), LOCAL_BIT), LOCAL_BIT), goto('deny')),
  rule(
    'inside an internal group',
    inSet(concat(sourceGroup, destinationGroup), internal.name),
    counter(),
    goto('admit'),
  ),
  bare(goto('deny')),
]

/** A refusal inside the fleet is told at once, so that clients fail fast. */
const denyRules: Rule[] = [
  rule('denied', is(meta('l4proto'), 'tcp'), counter(), reject({ with: 'tcp reset' })),
  rule('denied', counter(), reject({ with: 'icmpv6', code: 'admin-prohibited' })),
]

/** What the policy allows still has to leave room in the connection table for everybody else. */
function admitRules({ flowsFrom, flowsTo }: RulesetOptions): Rule[] {
  const counted = (set: string, key: Selector, count: number): Statement =>
    dynset({ op: 'add', set, key, statements: [connlimit({ count, over: true })] })
  return [
    bare(is(ct('state'), 'established'), accept),
    rule(
      'more flows than one container may hold',
      fromOurs,
      counted(flowsFromSet.name, ip6('saddr'), flowsFrom),
      counter(),
      drop,
    ),
    rule(
      'more flows than others may hold to one container',
      not(meta('iifname'), OURS),
      counted(flowsToSet.name, ip6('daddr'), flowsTo),
      counter(),
      drop,
    ),
    bare(accept),
  ]
}

const inputChains: Ruleset['chains'] = [
  {
    name: 'input',
    type: 'filter',
    hook: 'input',
    priority: -5,
    policy: 'accept',
    rules: [
      bare(fromOurs, goto('to_host')),
      bare(not(meta('iif'), 1), inSet(ip6('saddr'), 'fleet'), not(sourceGroup, '::'), goto('to_host')),
    ],
  },
  {
    name: 'to_host',
    rules: [
      rule('echo', is(icmpv6('type'), 'echo-request'), limit({ rate: 1000, per: 'second', burst: 100 }), accept),
      bare(is(ct('state'), 'related'), goto('related')),
      bare(is(ct('state'), 'established'), is(ct('direction'), 'reply'), accept),
      rule(
        'services of the host are not for containers',
        is(meta('l4proto'), 'tcp'),
        counter(),
        reject({ with: 'tcp reset' }),
      ),
      rule('services of the host are not for containers', counter(), drop),
    ],
  },
]
