// What `npm test` is asked to run, and how it went: the pure part of test/run.ts.

/** `long` runs only when it is asked for: `npm run test:long`. */
const usual = ['unit', 'kernel', 'e2e'] as const
const levels = [...usual, 'long'] as const

export type Plan = {
  /** Whether types and style are checked first: only when everything is asked for. */
  check: boolean
  levels: readonly string[]
  /** Parts that a test file's path must all have. */
  filters: readonly string[]
  /** Options for node's test runner. */
  options: readonly string[]
}

export type Totals = { passed: number; failed: number; skipped: number }

/** Reads the arguments of `npm test --`: names of levels, options of node's test runner (--…), parts of file paths. */
export function planOf(args: readonly string[]): Plan {
  const options = args.filter(arg => arg.startsWith('--'))
  const chosen = levels.filter(level => args.includes(level))
  const filters = args.filter(arg => !arg.startsWith('--') && !levels.some(level => level === arg))
  return { check: args.length === 0, levels: chosen.length > 0 ? chosen : usual, filters, options }
}

/** The totals at the end of node:test's TAP output. Cancelled tests count as failed; output without totals is one failure. */
export function totalsOf(tap: string): Totals {
  const total = (name: string) => Number(tap.match(new RegExp(`^# ${name} (\\d+)$`, 'm'))?.[1] ?? Number.NaN)
  const passed = total('pass')
  if (Number.isNaN(passed)) return { passed: 0, failed: 1, skipped: 0 }
  return { passed, failed: total('fail') + total('cancelled'), skipped: total('skipped') + total('todo') }
}
