// docs/moby-tests.md names tests; each of them is there, and every test that has a name of moby's stands in the page.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'

const tests = join(import.meta.dirname, '../..')
const page = readFileSync(join(tests, '../docs/moby-tests.md'), 'utf8')
const named = [...page.matchAll(/`([\w/-]+) › ([^`]*)`/g)].map(([, file = '', name = '']) => ({ file, name }))
const source = (file: string): string => readFileSync(join(tests, `${file}.test.ts`), 'utf8')

it('every test that the page names is there', () => {
  assert.ok(named.length > 80, `${named.length} names`)
  const missing = named.filter(({ file, name }) => !source(file).includes(name))
  assert.deepEqual(missing, [])
})

it('every row says where, or why not', () => {
  const rows = page.split('\n').filter(line => line.startsWith('| ') && !line.startsWith('| scenario'))
  assert.ok(rows.length > 80, `${rows.length} rows`)
  for (const row of rows) assert.match(row, /^\| [^|]+ \| (no: .{10,}|`[\w/-]+ › [^`]+`.*) \|$/)
})

it('every test that has a name of moby’s stands in the page', () => {
  const files = globSync(['unit/http/moby-*.test.ts', 'long/moby-*.test.ts'], { cwd: tests })
  for (const file of files) {
    const names = [...source(file.replace(/\.test\.ts$/, '')).matchAll(/^ +it\('([^']+)'/gm)].map(
      ([, name = '']) => name,
    )
    for (const name of names) assert.ok(page.includes(`› ${name}\``), `${file}: ${name}`)
  }
})
