// What stays of a run: test/bench/results.json and the generated parts of docs/benchmarks.md.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../lab/setup.ts'
import { type Parts, table } from '../support/reference.ts'
import { outcome, sentence, type Verdict } from './bar.ts'
import type { Row } from './row.ts'
import { cells, quantity } from './table.ts'

const RESULTS = 'test/bench/results.json'
const PAGE = join(repository, 'docs/benchmarks.md')

/** Writes the rows, figures to four digits: what lies behind them is noise. */
export function writeResults(rows: readonly Row[], file: string = join(repository, RESULTS)): void {
  const short = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value)
  writeFileSync(file, `[\n${rows.map(row => `  ${JSON.stringify(row, short)}`).join(',\n')}\n]\n`)
}

/** The rows that were committed last. Throws an Error where there are none. */
export function committedResults(): Row[] {
  try {
    const text = execFileSync('git', ['-C', repository, 'show', `HEAD:${RESULTS}`], { encoding: 'utf8', stdio: 'pipe' })
    return JSON.parse(text) as Row[]
  } catch {
    throw new Error(`HEAD has no ${RESULTS} to compare with: run "npm run bench" and commit what it writes`)
  }
}

/** Writes the page's generated parts anew; what stands around them stays. */
export function writePage(parts: Parts): void {
  writeFileSync(PAGE, withParts(readFileSync(PAGE, 'utf8'), parts))
}

/** A page with these parts between its markers. Throws an Error for a part that the page has no markers for. */
export function withParts(page: string, parts: Parts): string {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const marked = new RegExp(`^<!-- generated: ${name} -->\\n.*?^<!-- end -->$`, 'ms')
    if (!marked.test(text)) throw new Error(`the page has no part "${name}": write <!-- generated: ${name} --> into it`)
    return text.replace(marked, () => `<!-- generated: ${name} -->\n\n${part}\n\n<!-- end -->`)
  }, page)
}

/** The parts of docs/benchmarks.md. */
export function pageParts(
  machine: Readonly<Record<string, string>>,
  rows: readonly Row[],
  verdicts: readonly Verdict[],
): Parts {
  const facts = Object.entries(machine).map(([name, value]) => `${name}: ${value}`)
  return { machine: facts.join(' · '), bars: barTable(verdicts), rows: rowTable(rows) }
}

function barTable(verdicts: readonly Verdict[]): string {
  const line = (verdict: Verdict): string[] => {
    const { bar, row } = verdict
    const measured = bar.of === 'ratio' ? row.ratio.toFixed(2) : quantity(row.value, row.unit)
    return [`\`${bar.id}\``, sentence(bar), measured, outcome(verdict)]
  }
  return table(['row', 'is to keep', 'measured', ''], verdicts.map(line))
}

function rowTable(rows: readonly Row[]): string {
  const lines = rows.map(row => {
    const [id, ...rest] = cells(row)
    return [`\`${id}\``, ...rest]
  })
  return table(['row', 'slash64', 'beside', 'of', 'ratio', 'spread', 'n'], lines)
}
