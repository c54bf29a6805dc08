// The generated parts of the pages in docs/: what stands between `<!-- generated: NAME -->` and `<!-- end -->`.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const DOCS = join(import.meta.dirname, '../../docs')

/** Parts of a page: the names in their markers, and the Markdown between. */
export type Parts = Readonly<Record<string, string>>

/**
 * Throws an AssertionError with the difference when a part of the page (`options.md`) is not what it should be, or when the page has other parts
 * than these. With UPDATE_GOLDEN=1 the page is written anew first; what stands around the parts stays as it is.
 */
export function assertGenerated(page: string, parts: Parts): void {
  const file = join(DOCS, page)
  const text = readFileSync(file, 'utf8')
  const fresh = text.replace(PART, (all, name: string) => (parts[name] === undefined ? all : marked(name, parts[name])))
  if (process.env['UPDATE_GOLDEN'] === '1' && fresh !== text) writeFileSync(file, fresh)
  const found = partsOf(process.env['UPDATE_GOLDEN'] === '1' ? fresh : text)
  assert.deepEqual(Object.keys(found).toSorted(), Object.keys(parts).toSorted(), `the generated parts of docs/${page}`)
  for (const [name, part] of Object.entries(parts)) {
    assert.equal(found[name], part.trim(), `docs/${page} is stale at "${name}": run the test with UPDATE_GOLDEN=1`)
  }
}

const PART = /^<!-- generated: ([a-z -]+) -->\n(.*?)^<!-- end -->$/gms

function marked(name: string, part: string): string {
  return `<!-- generated: ${name} -->\n\n${part.trim()}\n\n<!-- end -->`
}

function partsOf(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(PART)].map(([, name, part = '']) => [name, part.trim()]))
}

/** A Markdown table. A `|` in a cell is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}

/** The message of what `act` throws. Throws an AssertionError when it does not. */
export function sentenceOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return (error as Error).message.replace(/^slash64: /, '')
  }
  return assert.fail(`nothing was refused: ${act}`)
}
