// The rows of the traffic: which there are, and whom a run has to start for them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { barred } from '../bench/bar.ts'
import { bench } from '../bench/flow.ts'
import { bench as hosts } from '../bench/flow-hosts.ts'
import { carriersOf, idsOf, oneHost, type Ready, rowsOf, twoHosts } from '../bench/flow-plan.ts'

const NAMED = ['throughput', 'throughput_8', 'rr', 'pps', 'cps', 'cps_10k'].map(name => `flow.${name}`)

describe('the rows of the traffic', () => {
  it('are the named ones, each beside the floor, and the same beside every peer and across two hosts', () => {
    assert.deepEqual(
      bench.ids.filter(id => id.split('.').length === 2),
      NAMED,
    )
    for (const id of NAMED.slice(0, 5)) {
      for (const peer of ['untracked', 'engine', 'bridge', 'routed', 'macvlan'])
        assert.ok(bench.ids.includes(`${id}.${peer}`), id)
      for (const peer of ['hosts', 'overlay']) assert.ok(hosts.ids.includes(`${id}.${peer}`), id)
    }
    assert.ok(bench.ids.includes('flow.cps_10k.linear'))
  })

  it('have ids of their own', () => {
    const ids = [...idsOf(oneHost), ...idsOf(twoHosts)]
    assert.equal(new Set(ids).size, ids.length)
  })

  it('have bars that name them', () => {
    for (const id of barred(bench.bars ?? [])) assert.ok(bench.ids.includes(id), id)
  })
})

describe('carriersOf', () => {
  it('asks only for those who have a part in a wanted row', () => {
    const needed = barred(bench.bars ?? [])
    assert.deepEqual([...carriersOf(oneHost, id => needed.has(id))].toSorted(), ['many', 'plain', 'slash64'])
    assert.deepEqual([...carriersOf(oneHost, id => id === 'flow.rr.macvlan')].toSorted(), ['macvlan', 'slash64'])
    assert.deepEqual([...carriersOf(twoHosts, () => false)], [])
  })
})

describe('rowsOf', () => {
  const context = { quick: true, progress: () => {} }

  it('measures nothing that is not wanted', async () => {
    assert.deepEqual(await rowsOf({ ...context, only: () => false }, oneHost, new Map<never, Ready>()), [])
  })

  it('names the row and the carrier that is not there', async () => {
    await assert.rejects(
      rowsOf({ ...context, only: id => id === 'flow.rr' }, oneHost, new Map<never, Ready>()),
      /flow\.rr: slash64 is not ready/,
    )
  })
})
