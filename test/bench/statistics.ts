// Medians and spreads, and measuring in turns.
import type { Row, Unit } from './row.ts'

/** The value below which `share` (0 to 1) of the samples lie, between two samples in proportion. NaN without samples. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const low = sorted[Math.floor(place)] ?? Number.NaN
  const high = sorted[Math.ceil(place)] ?? Number.NaN
  return low + (high - low) * (place - Math.floor(place))
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** Interquartile range in per cent of `of`, by default the median. 0 where nothing varies. */
export function spread(samples: readonly number[], of: number = median(samples)): number {
  const range = quantile(samples, 0.75) - quantile(samples, 0.25)
  return range === 0 ? 0 : Math.abs((100 * range) / of)
}

/** What a row is made of. */
export interface Measured {
  readonly id: string
  readonly unit: Unit
  readonly peer: string
  readonly samples: readonly number[]
  readonly peerSamples: readonly number[]
}

/** The row of two medians. Throws an Error that names the row when either side has no samples. */
export function row({ id, unit, peer, samples, peerSamples }: Measured): Row {
  if (samples.length === 0 || peerSamples.length === 0) throw new Error(`${id}: nothing was measured`)
  const value = median(samples)
  const peerValue = median(peerSamples)
  return { id, value, unit, peer, peerValue, ratio: value / peerValue, spread: spread(samples), n: samples.length }
}

/** How often subjects are measured. */
export interface Turns<T extends string> {
  readonly rounds: number
  /** Subjects that take long: only every so many rounds. */
  readonly seldom?: ReadonlyMap<T, number>
  /** A subject that is taken off all others of its round: what the machine does beside is in both, and does not count. */
  readonly over?: T
  /** Gets the round, from 1. */
  readonly progress?: (round: number) => void
}

/**
 * Measures every subject once a round: A B C, then the other way round from another one on: none always follows the same one. A first time of each does
 * not count. Resolves to the samples by name.
 */
export async function inTurns<T extends string>(
  { rounds, seldom = new Map<T, number>(), over, progress = () => {} }: Turns<NoInfer<T>>,
  subjects: Readonly<Record<T, () => Promise<number>>>,
): Promise<Record<T, number[]>> {
  const names = Object.keys(subjects) as T[]
  const samples = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<T, number[]>
  for (const name of names) await subjects[name]()
  for (let round = 0; round < rounds; round++) {
    progress(round + 1)
    const found = new Map<T, number>()
    const due = turn(names, round).filter(name => round % (seldom.get(name) ?? 1) === 0)
    for (const name of due) found.set(name, await subjects[name]())
    const base = over === undefined ? 0 : (found.get(over) ?? Number.NaN)
    for (const [name, value] of found) samples[name].push(name === over ? value : value - base)
  }
  return samples
}

/** The order of a round: each begins with another name, and every second one is backwards. */
export function turn<T>(names: readonly T[], round: number): T[] {
  const start = names.length === 0 ? 0 : round % names.length
  const rotated = [...names.slice(start), ...names.slice(0, start)]
  return round % 2 === 0 ? rotated : rotated.reverse()
}
