import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { Turns } from '../../src/turns.ts'

const PATIENCE = 5000
const LIMIT = 8000

/** Runs what is waiting for promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
}

describe('Turns', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  function start() {
    const entered: string[] = []
    const expired: string[] = []
    const refused: string[] = []
    const turns = new Turns({
      patience: PATIENCE,
      expired: () => expired.push(entered.at(-1) ?? 'nobody'),
      limit: LIMIT,
      refused: () => new Error('busy'),
    })
    const enter = (name: string) =>
      turns.enter().then(
        () => entered.push(name),
        () => refused.push(name),
      )
    return { turns, enter, entered, expired, refused }
  }

  it('lets the first in at once, and the others in the order of asking, one at a time', async () => {
    const { turns, enter, entered, expired } = start()
    for (const name of ['a', 'b', 'c']) void enter(name)
    await settle()
    assert.deepEqual(entered, ['a'])
    turns.leave()
    await settle()
    assert.deepEqual(entered, ['a', 'b'])
    turns.leave()
    await settle()
    assert.deepEqual(entered, ['a', 'b', 'c'])
    assert.deepEqual(expired, [])
  })

  it('takes one that comes later after everybody left', async () => {
    const { turns, enter, entered } = start()
    void enter('a')
    turns.leave()
    turns.leave()
    void enter('b')
    void enter('c')
    await settle()
    assert.deepEqual(entered, ['a', 'b'])
  })

  it('turns away who waited too long, and does not let them in later', async () => {
    const { turns, enter, entered, refused } = start()
    for (const name of ['a', 'b', 'c']) void enter(name)
    await settle()
    mock.timers.tick(PATIENCE)
    await settle()
    assert.deepEqual([entered, refused], [['a', 'b'], []])
    mock.timers.tick(LIMIT - PATIENCE)
    await settle()
    assert.deepEqual([entered, refused], [['a', 'b'], ['c']])
    void enter('d')
    turns.leave()
    await settle()
    assert.deepEqual([entered, refused], [['a', 'b', 'd'], ['c']])
  })

  it('ends a turn after its patience, not before, and tells its holder', async () => {
    const { enter, entered, expired } = start()
    void enter('a')
    void enter('b')
    await settle()
    mock.timers.tick(PATIENCE - 1)
    await settle()
    assert.deepEqual([entered, expired], [['a'], []])
    mock.timers.tick(1)
    await settle()
    assert.deepEqual([entered, expired], [['a', 'b'], ['a']])
  })

  it('gives each holder its full patience', async () => {
    const { turns, enter, entered, expired } = start()
    void enter('a')
    void enter('b')
    await settle()
    mock.timers.tick(PATIENCE - 1)
    turns.leave()
    await settle()
    mock.timers.tick(PATIENCE - 1)
    await settle()
    assert.deepEqual([entered, expired], [['a', 'b'], []])
    mock.timers.tick(1)
    assert.deepEqual(expired, ['b'])
  })

  it('does not tell a holder that left in time', async () => {
    const { turns, enter, expired } = start()
    void enter('a')
    await settle()
    turns.leave()
    mock.timers.tick(10 * PATIENCE)
    assert.deepEqual(expired, [])
  })

  it('lets everybody through in the end when nobody ever leaves', async () => {
    const { enter, entered, expired } = start()
    for (const name of ['a', 'b']) void enter(name)
    for (let turn = 0; turn < 3; turn++) {
      await settle()
      mock.timers.tick(PATIENCE)
    }
    assert.deepEqual(
      [entered, expired],
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    )
  })
})
