import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planOf, totalsOf } from '../../lab/plan.ts'

test('without arguments everything runs, checks first', () => {
  assert.deepEqual(planOf([]), { check: true, levels: ['unit', 'kernel', 'e2e'], filters: [], options: [] })
})

test('levels, parts of paths and options of the runner are told apart', () => {
  assert.deepEqual(planOf(['kernel', 'veth', '--test-name-pattern=mtu', 'unit']), {
    check: false,
    levels: ['unit', 'kernel'],
    filters: ['veth'],
    options: ['--test-name-pattern=mtu'],
  })
  assert.deepEqual(planOf(['veth']).levels, ['unit', 'kernel', 'e2e'])
  assert.deepEqual(planOf(['long']), { check: false, levels: ['long'], filters: [], options: [] })
})

test('totals are read from the end of TAP output', () => {
  const tap = '# pass 99 of them\nok 1 - x\n1..5\n# tests 8\n# pass 3\n# fail 1\n# cancelled 1\n# skipped 2\n# todo 1\n'
  assert.deepEqual(totalsOf(tap), { passed: 3, failed: 2, skipped: 3 })
})

test('a run that ended before its totals is a failure', () => {
  assert.deepEqual(totalsOf('ok 1 - x\n'), { passed: 0, failed: 1, skipped: 0 })
})
