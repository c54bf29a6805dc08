// Access lists as rows of the kernel's sets. Each row is one element; a packet is looked up with its addresses masked
// to their groups.
import { type GroupBits, groupText } from '../address/group.ts'
import { groupKey } from '../address/plan.ts'
import type { AllowEntry, PortRange, Protocol } from './allow.ts'

/** Source and destination group as masked addresses, `::5c1f:8e02:0`. */
type Pair = readonly [source: string, destination: string]

/**
 * One element: the set, its key in the order of the set's type, and a comment of at most 120 bytes (nft ends them at
 * 128). A range is `from-to`.
 */
export type AllowRow =
  | { readonly set: 'allow_group'; readonly key: Pair; readonly comment: string }
  | { readonly set: 'allow_port'; readonly key: readonly [...Pair, Protocol, number]; readonly comment: string }
  | { readonly set: 'allow_range'; readonly key: readonly [...Pair, Protocol, string]; readonly comment: string }

/**
 * Ranges up to this many ports become exact rows: a hash lookup is cheaper than the interval set that a range needs.
 */
const EXACT_PORTS = 256

// Two names and ' -> ' are at most 120 bytes.
const LONGEST_NAME = 58

/**
 * The rows that entries of `allow` (in normal form, as `parseAllow` gives them) need for a destination group:
 * `allow_group` for an entry without ports, `allow_port` for each port of a range up to 256, `allow_range` for a longer
 * one. No two rows have the same key. `name` is the destination's, for the comment; without it the comment has the
 * bits.
 */
export function allowRows(entries: readonly AllowEntry[], destination: GroupBits, name?: string): AllowRow[] {
  const to = shorten(name ?? groupText(destination))
  return entries.flatMap(({ peer, ports }): AllowRow[] => {
    const pair: Pair = [groupKey(peer.bits), groupKey(destination)]
    const comment = `${shorten(peer.name)} -> ${to}`
    return ports ? portRows(pair, ports, comment) : [{ set: 'allow_group', key: pair, comment }]
  })
}

function portRows(pair: Pair, { protocol, first, last }: PortRange, comment: string): AllowRow[] {
  const count = last - first + 1
  if (count > EXACT_PORTS) return [{ set: 'allow_range', key: [...pair, protocol, `${first}-${last}`], comment }]
  return Array.from({ length: count }, (_, index) => ({
    set: 'allow_port',
    key: [...pair, protocol, first + index],
    comment,
  }))
}

function shorten(name: string): string {
  return name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME - 3)}...`
}
