import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { globSync, lstatSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { build, strip } from '../../src/install/build.ts'
import { run } from '../lab/process.ts'

const scratch = mkdtempSync(join(tmpdir(), 'slash64-build-'))
after(() => rmSync(scratch, { recursive: true }))

test('types go, lines and columns stay, relative imports lead to .js', () => {
  const source = `import type { A } from './a.ts'
import { b, type B } from '../b.ts'
const c: B = b('./d.ts')
const { e } = await import('./e.ts')
export * from './f.ts'
import zod from 'zod'
`
  const lines = strip(source).split('\n')
  assert.equal(lines.length, source.split('\n').length)
  assert.equal(lines[0]?.trim(), '')
  assert.match(lines[1] ?? '', /from '\.\.\/b\.js'/)
  assert.match(lines[2] ?? '', /^const c {4}= b\('\.\/d\.ts'\)$/, 'a string that is no import stays')
  assert.match(lines[3] ?? '', /import\('\.\/e\.js'\)/)
  assert.match(lines[4] ?? '', /'\.\/f\.js'/)
  assert.match(lines[5] ?? '', /'zod'/)
})

const filesOf = (folder: string): string[] =>
  globSync('**/*', { cwd: folder })
    .filter(file => lstatSync(join(folder, file)).isFile())
    .sort()

function digest(folder: string): string {
  const hash = createHash('sha256')
  for (const file of filesOf(folder)) hash.update(file).update(readFileSync(join(folder, file)))
  return hash.digest('hex')
}

test('the application is the same twice, has what it needs and nothing for developers, and runs without types', async () => {
  const [one, two] = [join(scratch, 'one'), join(scratch, 'two')]
  build(one)
  build(two)
  assert.equal(digest(one), digest(two))
  const files = filesOf(one)
  assert.deepEqual(
    files.filter(file => /\.ts$|\.md$|\/(typescript|@biomejs|node-linux-\w+|fast-check)\/|^src\/install/.test(file)),
    [],
  )
  assert.equal(globSync('**/*', { cwd: one }).filter(file => lstatSync(join(one, file)).isSymbolicLink()).length, 0)
  assert.ok(files.includes('node_modules/nftables-js/dist/index.js'))
  assert.ok(files.some(file => /koffi-linux-\w+\/.*\.node$/.test(file)))
  // A setting that does not exist: every module has been loaded by then, and nothing is touched.
  const { code, stdout, stderr } = await run(
    [process.execPath, '--no-experimental-strip-types', join(one, 'src/main.js')],
    {
      env: { PATH: process.env['PATH'], SLASH64_PREFX: 'x' },
    },
  )
  assert.equal(code, 1, stderr)
  assert.match(stdout, /"SLASH64_PREFX" is no setting|SLASH64_PREFX.*write SLASH64_PREFIX/)
  assert.equal(stderr, '')
})
