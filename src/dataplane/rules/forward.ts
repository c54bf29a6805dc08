// Forward: container <-> anything. Answers pass by direction, new flows by group, list and -p.
import {
  accept,
  concat,
  connlimit,
  counter,
  ct,
  drop,
  dynset,
  goto,
  icmpv6,
  inSet,
  ip6,
  is,
  mask,
  meta,
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
  vmap,
} from 'nftables-js'
import type { RulesetOptions } from '../options.ts'
import { allowGroup, allowPort, allowRange, internal, links, published } from '../sets.ts'
import { bare, destinationGroup, fromOurs, groupsAndPort, LOCAL_BIT, OURS, rule, sourceGroup, toOurs } from './words.ts'

export const flowsFromSet = {
  name: 'flows_from',
  type: 'ipv6_addr',
  flags: ['dynamic'],
  size: 65535,
} as const satisfies NamedSet
export const flowsToSet = {
  name: 'flows_to',
  type: 'ipv6_addr',
  flags: ['dynamic'],
  size: 65535,
} as const satisfies NamedSet

export function forwardChains(options: RulesetOptions): Ruleset['chains'] {
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
