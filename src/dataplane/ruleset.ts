// The ruleset: static, closed, and the same size whatever runs. No rule names a container or a group; sets do (sets.ts).
//
// A packet meets the chains in this order:
//   early         prerouting -450  before reassembly: who may send with this source address over this link at all?
//   guard         prerouting -300  types that no container may send (neighbour discovery, router advertisements, multicast, …)
//   forward       forward -5       container <-> anything: answers pass by direction, new flows by group, list and -p
//   input         input -5         container -> the host itself: echo and answers, nothing else
// and ARP dies in a table of its own, because no inet hook ever sees it. Which attack each rule closes: docs/ruleset.md.
import { counter, drop, type Ruleset } from 'nftables-js'
import type { RulesetOptions } from './options.ts'
import { earlyChains, fragments, guardChain } from './rules/early.ts'
import { flowsFromSet, flowsToSet, forwardChains } from './rules/forward.ts'
import { inputChains } from './rules/input.ts'
import { fromOurs, rule } from './rules/words.ts'
import { elementSets } from './sets.ts'

/** The tables of a host: the ruleset, and the one that keeps ARP off our links. */
export function hostTables(options: RulesetOptions): Ruleset[] {
  return [filterTable(options), arpTable(options)]
}

function filterTable(options: RulesetOptions): Ruleset {
  return {
    table: { family: 'inet', name: 'slash64', flags: tableFlags(options), comment: 'slash64: see docs/ruleset.md' },
    sets: [...configuredSets(options), ...Object.values(elementSets), fragments, flowsFromSet, flowsToSet],
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
