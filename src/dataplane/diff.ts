// The work between two dataplanes, and its reverse.
import { conditionOf, type Item, keyOf, order } from './item.ts'

/** One step in the kernel. A changed object is removed and added again. */
export interface Operation {
  readonly verb: 'add' | 'remove'
  readonly item: Item
}

/**
 * The steps that turn `from` into `to`: first everything that goes, in reverse order of making, then everything that comes. `diff(a, a)` is empty.
 * A table that comes anew comes empty, so every element that is wanted comes with it.
 */
export function diff(from: Iterable<Item>, to: Iterable<Item>): Operation[] {
  const before = new Map([...from].map(item => [keyOf(item), item]))
  const after = new Map([...to].map(item => [keyOf(item), item]))
  const same = (item: Item): boolean => {
    const other = before.get(keyOf(item))
    return other !== undefined && conditionOf(other) === conditionOf(item)
  }
  const added = [...after.values()].filter(item => !same(item))
  const replaced = added.some(item => item.kind === 'table' && before.has(keyOf(item)))
  const removed = [...before.values()].filter(item => {
    const other = after.get(keyOf(item))
    return other === undefined || conditionOf(other) !== conditionOf(item)
  })
  const refilled = replaced ? [...after.values()].filter(item => item.kind === 'element' && same(item)) : []
  return [
    ...removed
      .filter(item => !(item.kind === 'table' && after.has(keyOf(item))))
      .sort((a, b) => rank(b) - rank(a))
      .map(item => ({ verb: 'remove' as const, item })),
    ...[...added, ...refilled].sort((a, b) => rank(a) - rank(b)).map(item => ({ verb: 'add' as const, item })),
  ]
}

/** The steps that take `operations` back. */
export function inverse(operations: readonly Operation[]): Operation[] {
  return operations
    .map(({ verb, item }) => ({ verb: verb === 'add' ? ('remove' as const) : ('add' as const), item }))
    .reverse()
}

/** `links` elements come last of all and go first: they are what lets a container's packets in. */
function rank(item: Item): number {
  return order.indexOf(item.kind) + (item.kind === 'element' && item.set === 'links' ? 0.5 : 0)
}
