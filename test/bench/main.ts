// npm run bench: slash64 beside what it is to be held against. Prints a table, writes test/bench/results.json and docs/benchmarks.md.
//   -- --quick          fewer measurements, and only the rows that a bar names; leaves the page as it is
//   -- --only PATTERN   only rows whose id matches this regular expression; writes nothing
//   -- --compare        a quick run beside the results of HEAD; writes nothing
import { parseArgs } from 'node:util'
import { ensureLab } from '../lab/setup.ts'
import { barred, judge } from './bar.ts'
import { benches } from './benches.ts'
import { compare, moveLines } from './compare.ts'
import { describeMachine } from './machine.ts'
import { committedResults, pageParts, writePage, writeResults } from './report.ts'
import type { Bench, BenchContext, Row } from './row.ts'
import { Screen } from './screen.ts'
import { lines, verdictLines } from './table.ts'

interface Wishes {
  readonly quick: boolean
  readonly compare: boolean
  readonly pattern: RegExp | undefined
}

const bars = benches.flatMap(({ bars = [] }) => bars)

try {
  await main(readArguments())
} catch (error) {
  console.error(`npm run bench: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}

function readArguments(): Wishes {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean' }, compare: { type: 'boolean' }, only: { type: 'string' } },
  })
  const { quick = false, compare = false, only } = values
  return { quick: quick || compare, compare, pattern: only === undefined ? undefined : new RegExp(only) }
}

async function main(wishes: Wishes): Promise<void> {
  const { quick, pattern } = wishes
  const before = wishes.compare ? committedResults() : []
  const only = wanted(wishes)
  const chosen = benches.filter(({ ids }) => ids.some(only))
  if (chosen.length === 0) throw new Error(`no row matches ${pattern}: docs/benchmarks.md lists them`)
  await ensureLab(line => console.log(line))
  const machine = await describeMachine()
  const parts = Object.entries(machine).map(([name, value]) => `${name}: ${value}`)
  console.log(parts.join(' · '))
  const rows = await measure(chosen, quick, only)
  const verdicts = judge(bars, rows)
  console.log(`\n${verdictLines(verdicts).join('\n')}`)
  if (wishes.compare) console.log(`\n${moveLines(compare(before, rows)).join('\n')}`)
  if (wishes.compare || pattern) return
  writeResults(rows)
  if (!quick) writePage(pageParts(machine, rows, verdicts))
}

/** Which rows are measured. */
function wanted({ quick, pattern = /./ }: Wishes): BenchContext['only'] {
  const needed = barred(bars)
  return id => (!quick || needed.has(id)) && pattern.test(id)
}

/** Each bench's rows are printed when it is done. */
async function measure(chosen: readonly Bench[], quick: boolean, only: BenchContext['only']): Promise<Row[]> {
  const screen = new Screen(process.stdout)
  const rows: Row[] = []
  for (const [index, bench] of chosen.entries()) {
    const progress: BenchContext['progress'] = text =>
      screen.progress(`${index + 1} of ${chosen.length}, ${bench.id}: ${text}`)
    progress('being prepared')
    const fresh = await bench.rows({ quick, progress, only })
    const missing = bench.ids.filter(id => only(id) && !fresh.some(row => row.id === id))
    if (missing.length > 0) throw new Error(`${bench.id} did not measure ${missing.join(', ')}`)
    screen.print(`\n${lines(fresh).join('\n')}`)
    rows.push(...fresh)
  }
  screen.clear()
  return rows
}
