// Anonymous sets: the `{ … }` of a rule, made in the same transaction and gone with the rule.
import type { DataType } from './datatypes.ts'
import { type Boundary, boundaries, type Interval, isInterval, sortIntervals } from './intervals.ts'
import { encodeKey, fieldsOfTypes, type Layout, makeLayout } from './layout.ts'
import type { Scalar, Value, Verdict } from './model.ts'
import { fieldsOf, type Selector } from './selectors.ts'

/** An anonymous set that a rule brings along: its layout, kernel flags and items. */
export interface AnonymousSet {
  readonly map: boolean
  readonly layout: Layout
  readonly items: readonly { readonly boundary: Boundary<Verdict>; readonly keyEnd?: Buffer }[]
}

/** `key` alone (a set), or with a verdict (a map). */
export type Entry = readonly [key: Value, verdict?: Verdict]

function scalars(key: Value): readonly Scalar[] {
  return typeof key === 'string' || typeof key === 'number' ? [key] : key
}

function encode(layout: Layout, [key, of]: Entry): Interval<Verdict> {
  encodeKey(layout, key)
  const low = Buffer.from(layout.low)
  return { low, high: layout.interval ? Buffer.from(layout.high) : low, ...(of && { of }) }
}

/**
 * The anonymous set of `entries` for `selector`. `swap`: the type whose host-order value must be turned big-endian before
 * the lookup, because the set holds intervals of it. Throws TypeError for values that do not fit.
 */
export function anonymousSet(selector: Selector, entries: readonly Entry[]): { set: AnonymousSet; swap?: DataType } {
  const fields = fieldsOf(selector).map(each => (each.kind === 'masked' ? each.of.type : each.type))
  const interval = entries.some(([key]) =>
    scalars(key).some((value, index) => {
      const type = fields[index]
      return type !== undefined && isInterval(type, value)
    }),
  )
  const concatenated = selector.kind === 'concat'
  const [only] = fields
  const swap = interval && !concatenated && only?.order === 'host' ? only : undefined
  const types = swap ? [{ ...swap, order: 'big' as const }] : fields
  const map = entries.some(([, verdict]) => verdict !== undefined)
  const layout = makeLayout('{ … }', fieldsOfTypes(types, concatenated), interval, map ? 'verdict' : undefined)
  const encoded = entries.map(entry => encode(layout, entry))
  const items =
    interval && !concatenated
      ? boundaries(sortIntervals(encoded)).map(boundary => ({ boundary }))
      : encoded.map(({ low, high, of }) => ({
          boundary: { key: low, end: false, ...(of && { of }) },
          ...(interval && { keyEnd: high }),
        }))
  return { set: { map, layout, items }, ...(swap && { swap }) }
}
