// What a measurement is: a row of the table, and the benches that make rows.

/** Unit of a row's value and peerValue. */
export type Unit = 'ms' | 'us' | 'MB' | 'Mbit/s' | '1/s' | '%'

/** One figure of slash64 beside one of a peer or a floor that was measured in the same run. */
export interface Row {
  /** As `npm run bench -- --only` takes it: `start.bridge`, `acl.update_10`. */
  readonly id: string
  /** slash64's. For `start.*` the time over `docker run --network none`. */
  readonly value: number
  readonly unit: Unit
  /** What peerValue was measured of, in a few words: `built-in bridge`, `plain routed veth`. */
  readonly peer: string
  /** Same unit as value. */
  readonly peerValue: number
  /** value / peerValue. */
  readonly ratio: number
  /** Interquartile range of value, in per cent of its median. */
  readonly spread: number
  /** Measurements behind value. */
  readonly n: number
}

/** A limit that a row has to keep: `of` names the field that is held against it. */
export interface Bar {
  readonly id: string
  readonly of: 'ratio' | 'value'
  readonly atMost?: number
  readonly atLeast?: number
  /** Id of another row: the limit is so many times its field, and not an absolute number. */
  readonly times?: string
}

export interface BenchContext {
  /** Fewer measurements of everything. */
  readonly quick: boolean
  /** Says what is being measured now: the line under the table. */
  readonly progress: (text: string) => void
  /** Whether a row is wanted: false for rows that `--only` leaves out, and with `--quick` for those that no bar names. */
  readonly only: (id: string) => boolean
}

/** Rows that share a set-up. */
export interface Bench {
  /** What it is called while it is prepared: `start`, `acl`, `flow`. */
  readonly id: string
  /** Ids of all its rows, in the order of the table. It is left out when none of them is wanted. */
  readonly ids: readonly string[]
  readonly bars?: readonly Bar[]
  /**
   * Measures the rows that `context.only` wants. Throws when a measurement failed; a missed bar is no failure. Everything that it made is gone when
   * it has resolved or thrown; for Ctrl-C whatever is no Machine of the lab is registered with atExit() of test/lab/leftovers.ts.
   */
  readonly rows: (context: BenchContext) => Promise<readonly Row[]>
}
