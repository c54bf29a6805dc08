// A page that names a test by a link says what it is called: the link's text is in the test's file.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { pagePaths } from '../support/docs.ts'

const ROOT = join(import.meta.dirname, '../..')

interface Link {
  readonly text: string
  /** The file of tests, as an absolute path. */
  readonly file: string
}

/** Links to files of tests. One whose text is just "test" names the file as a whole. */
function testLinks(page: string): Link[] {
  const links = readFileSync(join(ROOT, page), 'utf8').matchAll(/\[([^\]]+)\]\((\S+\.test\.ts)\)/g)
  return [...links].map(([, text = '', path = '']) => ({ text, file: join(ROOT, dirname(page), path) }))
}

const isThere = ({ text, file }: Link): boolean => text === 'test' || readFileSync(file, 'utf8').includes(text)

suite('tests that are named', () => {
  for (const page of pagePaths()) {
    const links = testLinks(page)
    if (links.length === 0) continue
    test(`in ${page}`, () => {
      const missing = links.filter(link => !isThere(link))
      assert.deepEqual(missing, [])
    })
  }

  test('stand in the security model beside each attack', () => {
    const links = testLinks('docs/security.md')
    assert.ok(links.length > 25, `${links.length} links`)
    assert.equal(isThere({ text: 'no'.repeat(9), file: import.meta.filename }), false)
  })
})
