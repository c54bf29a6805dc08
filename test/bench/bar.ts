// Whether rows keep their bars.
import type { Bar, Row } from './row.ts'

/** How a row stands to a bar: by how many per cent it misses it, 0 when it is met. `limit` is what it was held against. */
export interface Verdict {
  readonly bar: Bar
  readonly row: Row
  readonly limit: number
  readonly missedBy: number
}

/** The verdicts of all bars whose rows, the other one of `times` included, were measured. */
export function judge(bars: readonly Bar[], rows: readonly Row[]): Verdict[] {
  return bars.flatMap(bar => {
    const row = rows.find(({ id }) => id === bar.id)
    const other = rows.find(({ id }) => id === bar.times)
    if (!row || (bar.times !== undefined && !other)) return []
    return [verdict(bar, row, other?.[bar.of] ?? 1)]
  })
}

function verdict(bar: Bar, row: Row, unit: number): Verdict {
  const value = row[bar.of]
  const limit = (bar.atMost ?? bar.atLeast ?? Number.NaN) * unit
  const kept = bar.atMost === undefined ? value >= limit : value <= limit
  // A ratio of NaN keeps nothing.
  return { bar, row, limit, missedBy: kept ? 0 : Math.abs((100 * (value - limit)) / limit) }
}

/** Ids of the rows that have to be measured for these bars. */
export function barred(bars: readonly Bar[]): ReadonlySet<string> {
  return new Set(bars.flatMap(({ id, times }) => (times === undefined ? [id] : [id, times])))
}

/** `ratio at most 0.35`, `value at most 1.2 x start.bridge's`. */
export function sentence({ of, atMost, atLeast, times }: Bar): string {
  const limit = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`
  return `${of} ${limit}${times === undefined ? '' : ` x ${times}'s`}`
}

/** `met`, or `missed by 12 %`. */
export function outcome({ missedBy }: Verdict): string {
  if (missedBy === 0) return 'met'
  return `missed by ${missedBy < 1 ? missedBy.toFixed(1) : Math.round(missedBy)} %`
}
