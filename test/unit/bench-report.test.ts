import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { barred, judge, outcome, sentence } from '../bench/bar.ts'
import { benches } from '../bench/benches.ts'
import { compare, moveLines } from '../bench/compare.ts'
import { cpuModel } from '../bench/machine.ts'
import { pageParts, withParts, writeResults } from '../bench/report.ts'
import type { Bar, Row } from '../bench/row.ts'
import { Screen } from '../bench/screen.ts'
import { lines, number, verdictLines } from '../bench/table.ts'
import { repository } from '../lab/setup.ts'

function rowOf(id: string, value: number, peerValue: number, more: Partial<Row> = {}): Row {
  return { id, value, unit: 'ms', peer: 'bridge', peerValue, ratio: value / peerValue, spread: 4, n: 16, ...more }
}

suite('bars', () => {
  const rows = [rowOf('a', 30, 100), rowOf('b', 90, 100), rowOf('c', 12, 10)]
  const judged = (bar: Bar) => judge([bar], rows).map(outcome)

  test('are met up to the limit and missed beyond it', () => {
    assert.deepEqual(judged({ id: 'a', of: 'ratio', atMost: 0.3 }), ['met'])
    assert.deepEqual(judged({ id: 'a', of: 'ratio', atMost: 0.25 }), ['missed by 20 %'])
    assert.deepEqual(judged({ id: 'b', of: 'ratio', atLeast: 0.9 }), ['met'])
    assert.deepEqual(judged({ id: 'b', of: 'ratio', atLeast: 0.904 }), ['missed by 0.4 %'])
    assert.deepEqual(judged({ id: 'b', of: 'value', atMost: 80 }), ['missed by 13 %'])
  })

  test('may be so many times another row', () => {
    assert.deepEqual(judged({ id: 'a', of: 'value', atMost: 2, times: 'c' }), ['missed by 25 %'])
    assert.deepEqual(judged({ id: 'a', of: 'value', atMost: 2.5, times: 'c' }), ['met'])
  })

  test('say nothing of what was not measured, and a figure that is none keeps no bar', () => {
    assert.deepEqual(judged({ id: 'x', of: 'value', atMost: 2 }), [])
    assert.deepEqual(judged({ id: 'a', of: 'value', atMost: 2, times: 'x' }), [])
    const broken = judge([{ id: 'd', of: 'ratio', atMost: 1 }], [rowOf('d', Number.NaN, 1)])
    assert.notDeepEqual(broken.map(outcome), ['met'])
  })

  test('name the rows that have to be measured, and say what they want', () => {
    const bar: Bar = { id: 'a', of: 'value', atMost: 1.2, times: 'c' }
    assert.deepEqual(barred([bar, { id: 'b', of: 'ratio', atLeast: 1 }]), new Set(['a', 'c', 'b']))
    assert.equal(sentence(bar), "value at most 1.2 x c's")
    assert.equal(sentence({ id: 'b', of: 'ratio', atLeast: 0.97 }), 'ratio at least 0.97')
  })
})

suite('the benches', () => {
  const ids = benches.flatMap(bench => bench.ids)

  test('have rows of different names', () => assert.deepEqual(ids.toSorted(), [...new Set(ids)].toSorted()))

  test('have bars for rows that there are, each with one limit', () => {
    const bars = benches.flatMap(({ bars = [] }) => bars)
    assert.deepEqual(
      [...barred(bars)].filter(id => !ids.includes(id)),
      [],
    )
    for (const bar of bars)
      assert.equal([bar.atMost, bar.atLeast].filter(limit => limit !== undefined).length, 1, bar.id)
  })
})

suite('--compare', () => {
  const verdictOf = (before: Partial<Row>, after: Partial<Row>): string | undefined =>
    compare([rowOf('a', 100, 100, before)], [rowOf('a', 100, 100, after)])[0]?.verdict

  test('goes by ratios and calls small changes the same', () => {
    assert.equal(verdictOf({ value: 1, ratio: 1 }, { value: 9, ratio: 1.05 }), 'same')
    assert.equal(verdictOf({ ratio: 1 }, { ratio: 1.2 }), 'worse')
    assert.equal(verdictOf({ ratio: 1 }, { ratio: 0.8 }), 'better')
  })

  test('knows of what more is better', () => {
    assert.equal(verdictOf({ unit: '1/s', ratio: 1 }, { unit: '1/s', ratio: 1.2 }), 'better')
    assert.equal(verdictOf({ unit: 'Mbit/s', ratio: 1 }, { unit: 'Mbit/s', ratio: 0.8 }), 'worse')
  })

  test('lets rows that vary move further, and those that were measured more often less', () => {
    assert.equal(verdictOf({ spread: 60, ratio: 1 }, { ratio: 1.2 }), 'same')
    assert.equal(verdictOf({ spread: 60, n: 1000, ratio: 1 }, { ratio: 1.2 }), 'worse')
  })

  test('says what moved, and how many did not', () => {
    const before = [rowOf('a', 10, 10), rowOf('b', 10, 10), rowOf('gone', 1, 1)]
    const moves = compare(before, [rowOf('a', 20, 10), rowOf('b', 10, 10), rowOf('new', 1, 1)])
    assert.deepEqual(moveLines(moves), [
      'worse: a, ratio 1.00 -> 2.00 (+100 %, beyond the noise of 8 %)',
      '1 of 2 rows did not move beyond the noise',
    ])
  })
})

suite('what is printed and written', () => {
  const rows = [rowOf('start.bridge', 28.4567, 86.1), rowOf('rss.1k', 143.2, 76, { unit: 'MB', peer: 'node' })]
  const bar: Bar = { id: 'start.bridge', of: 'ratio', atMost: 0.3 }

  test('figures have three digits that count', () => {
    assert.deepEqual([0.01234, 1.234, 12.34, 123.4, 12_345.6, 0, Number.NaN].map(number), [
      '0.0123',
      '1.23',
      '12.3',
      '123',
      '12346',
      '0.00',
      '–',
    ])
  })

  test('a table and the bars', () => {
    assert.deepEqual(lines(rows), [
      'row           slash64   beside  of      ratio  spread   n',
      'start.bridge  28.5 ms  86.1 ms  bridge   0.33     4 %  16',
      'rss.1k         143 MB  76.0 MB  node     1.88     4 %  16',
    ])
    assert.deepEqual(verdictLines(judge([bar], rows)), ['start.bridge  ratio at most 0.3: 0.33, missed by 10 %'])
  })

  test('results.json is an array of rows', () => {
    const folder = mkdtempSync(join(tmpdir(), 'slash64-test-'))
    try {
      writeResults(rows, join(folder, 'results.json'))
      const written = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8'))
      assert.deepEqual(Object.keys(written[0]), ['id', 'value', 'unit', 'peer', 'peerValue', 'ratio', 'spread', 'n'])
      assert.deepEqual([written[0].value, written[1].value, written.length], [28.46, 143.2, 2])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('docs/benchmarks.md has a place for every part, and the rest of it stays', () => {
    const page = readFileSync(join(repository, 'docs/benchmarks.md'), 'utf8')
    const written = withParts(page, pageParts({ CPU: 'one', cores: '2' }, rows, judge([bar], rows)))
    assert.match(written, /^CPU: one · cores: 2$/m)
    assert.match(written, /^\| `start\.bridge` \| ratio at most 0\.3 \| 0\.33 \| missed by 10 % \|$/m)
    assert.match(written, /^\| `rss\.1k` \| 143 MB \| 76\.0 MB \| node \| 1\.88 \| 4 % \| 16 \|$/m)
    assert.equal(written.split('\n')[0], '# Benchmarks')
    assert.equal(
      withParts(written, { machine: 'x' }),
      withParts(withParts(written, { machine: 'y' }), { machine: 'x' }),
    )
    assert.throws(() => withParts(page, { other: '' }), /no part "other"/)
  })

  test('the CPU, where the architecture tells it', () => {
    assert.equal(cpuModel('processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags : fpu\n'), 'Some CPU @ 2 GHz')
    assert.equal(cpuModel('processor\t: 0\nBogoMIPS\t: 50\n'), undefined)
  })
})

suite('progress', () => {
  const written = (isTTY: boolean, act: (screen: Screen, wait: (ms: number) => void) => void): string => {
    let text = ''
    let now = 1000
    const output = { isTTY, columns: 20, write: (more: string) => (text += more) }
    const screen = new Screen(output, () => now)
    act(screen, ms => (now += ms))
    return text
  }

  test('on a terminal takes one line, which lines that stay push down', () => {
    const text = written(true, (screen, wait) => {
      screen.progress('one')
      wait(61_000)
      screen.progress('two, and it is much too long')
      screen.print('table')
    })
    assert.equal(text, '\r\x1b[K0:00  one\r\x1b[K1:01  two, and it i\r\x1b[Ktable\n')
  })

  test('in a file is a line now and then', () => {
    const text = written(false, (screen, wait) => {
      for (let i = 0; i < 40; i++, wait(1000)) screen.progress(`step ${i}`)
    })
    assert.equal(text, '0:00  step 0\n0:15  step 15\n0:30  step 30\n')
  })
})
