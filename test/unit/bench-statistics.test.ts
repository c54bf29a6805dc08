import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { inTurns, median, quantile, row, spread, turn } from '../bench/statistics.ts'

const samples = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 })

suite('statistics of the bench', () => {
  test('a median is the middle one, or between the middle two', () => {
    assert.equal(median([3, 1, 2]), 2)
    assert.equal(median([4, 1, 2, 3]), 2.5)
    assert.equal(median([]), Number.NaN)
  })

  test('quantiles lie between two samples in proportion', () => {
    assert.equal(quantile([10, 20, 30, 40, 50], 0.25), 20)
    assert.equal(quantile([10, 20], 0.99), 19.9)
    assert.equal(quantile([7], 0.99), 7)
  })

  test('a quantile grows with its share, and does not depend on the order of the samples', () => {
    fc.assert(
      fc.property(
        samples,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (list, a, b) => {
          assert.ok(quantile(list, Math.min(a, b)) <= quantile(list, Math.max(a, b)) + 1e-6)
          assert.equal(quantile(list, a), quantile(list.toReversed(), a))
          assert.ok(quantile(list, a) >= Math.min(...list) - 1e-6 && quantile(list, a) <= Math.max(...list) + 1e-6)
        },
      ),
    )
  })

  test('spread is the interquartile range in per cent of the median, or of what it is told', () => {
    assert.equal(spread([80, 90, 100, 110, 120]), 20)
    assert.equal(spread([80, 90, 100, 110, 120], 50), 40)
    assert.equal(spread([0, 0, 0]), 0)
  })
})

suite('a row of the bench', () => {
  const parts = { id: 'start.x', unit: 'ms', peer: 'y', samples: [120, 130, 125], peerSamples: [200, 150] } as const

  test('has two medians and their ratio', () => {
    const { value, peerValue, ratio, spread, n } = row(parts)
    assert.deepEqual([value, peerValue, ratio, spread, n], [125, 175, 125 / 175, 4, 3])
  })

  test('is refused without measurements', () => {
    assert.throws(() => row({ ...parts, peerSamples: [] }), /start\.x: nothing was measured/)
  })
})

suite('measuring in turns', () => {
  test('warms every subject up once, then measures each once a round', async () => {
    const order: string[] = []
    const subject = (name: string) => async () => order.push(name)
    const found = await inTurns({ rounds: 2 }, { a: subject('a'), b: subject('b'), c: subject('c') })
    assert.deepEqual(order, ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'c', 'b'])
    assert.deepEqual(found, { a: [4, 7], b: [5, 9], c: [6, 8] })
  })

  test('takes what is seldom only every so many rounds, and tells the rounds', async () => {
    const rounds: number[] = []
    const one = async () => 1
    const progress = (round: number) => rounds.push(round)
    const found = await inTurns({ rounds: 5, seldom: new Map([['b' as const, 2]]), progress }, { a: one, b: one })
    assert.deepEqual([found.a.length, found.b.length, rounds], [5, 3, [1, 2, 3, 4, 5]])
  })

  test('takes one subject off the others of the same round', async () => {
    let disturbance = 0
    const subjects = { none: async () => (disturbance += 100), b: async () => disturbance + 7, c: async () => 2000 }
    const seldom = new Map([['c' as const, 2]])
    const found = await inTurns({ rounds: 3, over: 'none', seldom }, subjects)
    assert.deepEqual(found.none, [200, 300, 400])
    assert.deepEqual(found.c, [1800, 1600])
    assert.equal(found.b[0], 7)
  })

  test('every subject is in every round, and over the rounds each comes first', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 0, max: 50 }),
        (names, round) => {
          assert.deepEqual(turn(names, round).toSorted(), names.toSorted())
        },
      ),
    )
    const firsts = [0, 2, 4].map(round => turn(['a', 'b', 'c'], round)[0])
    assert.deepEqual(firsts.toSorted(), ['a', 'b', 'c'])
  })
})
