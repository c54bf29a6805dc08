// Conversations that were recorded with Docker 28.5.2 and a driver of another kind: every request of them is answered,
// and becomes the commands of the file beside it (after a change on purpose: --test-update-snapshots).
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { test } from 'node:test'
import { fakeDaemon } from './fake-daemon.ts'

const FOLDER = `${import.meta.dirname}/../../golden/rpc`

interface Recorded {
  path: string
  req: unknown
}

const asLines = (commands: object[]): string => commands.map(command => `${JSON.stringify(command)}\n`).join('')

for (const file of readdirSync(FOLDER).filter(name => /^[\w-]+\.jsonl$/.test(name))) {
  test(`the recorded conversation ${file}`, async context => {
    const { post, commands } = fakeDaemon()
    const lines = readFileSync(`${FOLDER}/${file}`, 'utf8').trim().split('\n')
    for (const { path, req } of lines.map(line => JSON.parse(line) as Recorded)) {
      const { status, body } = await post(path, req ?? undefined)
      assert.equal(status, 200, `${path}: ${body.Err}`)
    }
    const expected = `${FOLDER}/${basename(file, '.jsonl')}.commands.txt`
    context.assert.fileSnapshot(commands, expected, { serializers: [asLines] })
  })
}
