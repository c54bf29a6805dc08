// The Compose examples, each as its README says, and nothing left of it in Docker, in the state files and in the kernel.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { assertRows, checkExample, Example, exampleNames, readTable } from '../support/examples.ts'
import { Stage } from '../support/stage.ts'

const stage = await Stage.up({ name: 'examples' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

for (const name of exampleNames()) {
  test(`examples/${name}`, async () => {
    await checkExample(host, topology.internet, name, 'slash64')
    await assertConsistent(host)
  })
}

test('the name of the driver is a setting, for networks and addresses alike', async () => {
  for (const name of exampleNames()) {
    const text = await new Example(host, topology.internet, name, 'slash64:latest').compose(
      'config',
      '--format',
      'json',
    )
    const { networks } = JSON.parse(text) as { networks: Record<string, { driver: string; ipam: { driver?: string } }> }
    const ours = Object.values(networks).filter(({ driver }) => driver !== 'bridge')
    assert.ok(ours.length > 0, name)
    for (const { driver, ipam } of ours) assert.deepEqual([driver, ipam.driver], ['slash64:latest', 'slash64:latest'])
  }
})

test('a table that promises too much, or too little, is found out', async () => {
  const example = new Example(host, topology.internet, 'web-shop', 'slash64')
  await example.compose('up', '-d', '--wait')
  try {
    const rows = readTable('web-shop').filter(({ from, to }) => [from, to].join().match(/proxy|database/))
    const wrong = rows.map(row => ({ ...row, verdict: row.verdict === 'yes' ? 'no, no answer' : 'yes' }) as const)
    await assert.rejects(assertRows(example, wrong), ({ message }: Error) => {
      for (const { from, to, port } of wrong) assert.ok(message.includes(`${from} -> ${to} ${port}:`), message)
      return true
    })
  } finally {
    await example.compose('down', '--volumes')
  }
})
