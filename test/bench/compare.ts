// What moved between two runs, beyond what the runs themselves vary.
import type { Row } from './row.ts'
import { number } from './table.ts'

export interface Move {
  readonly id: string
  readonly before: number
  readonly after: number
  /** Change of the ratio, in per cent. */
  readonly percent: number
  /** Up to how many per cent could be chance. */
  readonly noise: number
  readonly verdict: 'better' | 'worse' | 'same'
}

/** Runs differ by this much, in per cent, where nothing changed: where programs lie in memory, what else the machine did. */
const BETWEEN_RUNS = 8

/** Of these, more is better. */
const RATES: ReadonlySet<string> = new Set(['1/s', 'Mbit/s'])

/** The rows that both runs have, by their ratios: times of two machines say nothing, or of one on two days. */
export function compare(before: readonly Row[], after: readonly Row[]): Move[] {
  return after.flatMap(now => {
    const then = before.find(({ id }) => id === now.id)
    return then ? [move(then, now)] : []
  })
}

function move(then: Row, now: Row): Move {
  const percent = 100 * (now.ratio / then.ratio - 1)
  const noise = Math.max(BETWEEN_RUNS, 3 * Math.hypot(error(then), error(now)))
  const better = RATES.has(now.unit) ? percent > 0 : percent < 0
  const verdict = Math.abs(percent) <= noise ? 'same' : better ? 'better' : 'worse'
  return { id: now.id, before: then.ratio, after: now.ratio, percent, noise, verdict }
}

/**
 * Standard error of a row's ratio in per cent, were the samples normal: that of a median is 1.253 sigma / sqrt(n), an interquartile range 1.349 sigma.
 * The peer is taken to vary as much.
 */
function error({ spread, n }: Row): number {
  return (Math.SQRT2 * 1.253 * (spread / 1.349)) / Math.sqrt(n)
}

/** Lines for the terminal: what moved, and how many rows did not. */
export function moveLines(moves: readonly Move[]): string[] {
  const moved = moves.filter(({ verdict }) => verdict !== 'same')
  const line = ({ id, before, after, percent, noise, verdict }: Move): string => {
    const change = `${percent > 0 ? '+' : ''}${Math.round(percent)} %`
    return `${verdict}: ${id}, ratio ${number(before)} -> ${number(after)} (${change}, beyond the noise of ${Math.round(noise)} %)`
  }
  return [...moved.map(line), `${moves.length - moved.length} of ${moves.length} rows did not move beyond the noise`]
}
