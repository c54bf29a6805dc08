// Every command of README.md, docs/*.md and examples/*/README.md, in reading order, with the output that the page shows.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Page, pagePaths, readPage, type SetUp, setUps } from '../support/docs.ts'
import { Ground } from '../support/docs-ground.ts'
import { runPage } from '../support/docs-run.ts'

const pages = pagePaths().flatMap(path => readable(path) ?? [])
let current: { setUp: SetUp; ground: Ground } | undefined
after(leave)

/** What cannot be read is unit/docs.test.ts's to tell. */
function readable(path: string): Page | undefined {
  try {
    return readPage(path)
  } catch {
    return undefined
  }
}

/** Pages of one set-up share it, one after the other. */
async function groundFor(setUp: SetUp): Promise<Ground> {
  if (current?.setUp !== setUp) {
    await leave()
    current = { setUp, ground: await Ground.up(setUp) }
  }
  return current.ground
}

async function leave(): Promise<void> {
  await current?.ground[Symbol.asyncDispose]()
  current = undefined
}

for (const setUp of setUps) {
  for (const page of pages.filter(one => one.setUp === setUp))
    test(`${page.path}, on the set-up "${setUp}"`, async () => {
      const problems = await runPage(page, await groundFor(setUp))
      if (problems.length === 0) return
      await leave()
      assert.fail(`\n${problems.join('\n')}`)
    })
}
