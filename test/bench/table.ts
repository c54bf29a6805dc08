// The rows as people read them on a terminal.
import { outcome, sentence, type Verdict } from './bar.ts'
import type { Row, Unit } from './row.ts'

const HEAD = ['row', 'slash64', 'beside', 'of', 'ratio', 'spread', 'n'] as const
const LEFT = new Set([0, 3])

/** Three digits that count: 0.0123, 1.23, 12.3, 123, 12300. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const digits = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)))
  return digits >= 2 ? String(Math.round(value)) : value.toFixed(Math.min(2 - digits, 6))
}

/** `24.3 ms`. */
export function quantity(value: number, unit: Unit): string {
  return `${number(value)} ${unit}`
}

/** The cells of a row, as in HEAD. */
export function cells(row: Row): string[] {
  return [
    row.id,
    quantity(row.value, row.unit),
    quantity(row.peerValue, row.unit),
    row.peer,
    row.ratio.toFixed(2),
    `${Math.round(row.spread)} %`,
    String(row.n),
  ]
}

/** Lines of a table. Columns are as wide as their widest cell. */
export function lines(rows: readonly Row[]): string[] {
  const grid = [[...HEAD], ...rows.map(cells)]
  const widths = HEAD.map((_, column) => Math.max(...grid.map(line => line[column]?.length ?? 0)))
  const pad = (cell: string, column: number) =>
    LEFT.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return grid.map(line => line.map(pad).join('  ').trimEnd())
}

/** Lines that say which bars are met. */
export function verdictLines(verdicts: readonly Verdict[]): string[] {
  const width = Math.max(0, ...verdicts.map(({ bar }) => bar.id.length))
  return verdicts.map(verdict => {
    const { bar, row } = verdict
    const value = bar.of === 'ratio' ? row.ratio.toFixed(2) : quantity(row.value, row.unit)
    return `${bar.id.padEnd(width)}  ${sentence(bar)}: ${value}, ${outcome(verdict)}`
  })
}
