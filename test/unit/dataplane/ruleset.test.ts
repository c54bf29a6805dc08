// The shape of the ruleset. What it does with packets is tested with packets, in a kernel.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RulesetOptions } from '../../../src/dataplane/options.ts'
import { hostTables } from '../../../src/dataplane/ruleset.ts'
import { elementSets } from '../../../src/dataplane/sets.ts'

const options: RulesetOptions = {
  prefixes: ['2001:db8:1:a::/64'],
  fleet: ['2001:db8:1::/48'],
  uplinks: ['eth0'],
  flowsFrom: 100,
  flowsTo: 400,
}
const [filter, arp] = hostTables(options)
assert.ok(filter && arp)
const { chains, sets } = filter

/** Every object in a value. */
function objectsIn(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap(objectsIn)
  return Array.isArray(value) ? inner : [value as Record<string, unknown>, ...inner]
}

const verdictsIn = (value: unknown) => objectsIn(value).filter(({ kind }) => kind === 'verdict')

describe('the tables of a host', () => {
  it('are ours and outlive us', () => {
    assert.deepEqual([filter.table.family, filter.table.name], ['inet', 'slash64'])
    assert.deepEqual([arp.table.family, arp.table.name], ['arp', 'slash64'])
    for (const { table } of [filter, arp]) assert.deepEqual(table.flags, ['owner', 'persist'])
  })

  it('have the same rules whatever the configuration says: only sets and limits follow it', () => {
    const other = { ...options, prefixes: ['fd00::/64', 'fd00:1::/64'], fleet: ['fd00::/16'], uplinks: [] }
    assert.deepEqual(hostTables(other)[0]?.chains, chains)
    assert.deepEqual(hostTables(options), [filter, arp])
  })

  it('have the sets that elements are put into, and look into every one of them', () => {
    const names = sets.map(set => set.name)
    const read = new Set(objectsIn(chains).flatMap(one => (one['kind'] === 'lookup' ? [one['set']] : [])))
    for (const set of Object.values(elementSets)) {
      assert.ok(names.includes(set.name), set.name)
      assert.ok(read.has(set.name), `nobody looks into ${set.name}`)
    }
  })

  it('use only sets and chains that are there, and every chain', () => {
    const names = new Set<unknown>(sets.map(set => set.name))
    const used = objectsIn(chains).filter(one => one['kind'] === 'lookup' || one['kind'] === 'dynset')
    assert.ok(used.length > 10)
    for (const { set } of used) assert.ok(names.has(set), `${set}`)
    const targets = new Set(verdictsIn(chains).flatMap(({ chain }) => (chain === undefined ? [] : [chain])))
    const regular = chains.filter(chain => !('hook' in chain)).map(chain => chain.name)
    assert.deepEqual([...targets].toSorted(), regular.toSorted())
  })

  it('go to chains and never come back: one way through for each packet', () => {
    const codes = new Set(verdictsIn(chains).map(({ code }) => code))
    assert.deepEqual([...codes].toSorted(), ['accept', 'drop', 'goto'])
  })

  it('are closed: a chain that a packet was sent to ends with a verdict for whatever is left', () => {
    for (const { name, rules } of chains.filter(chain => !('hook' in chain))) {
      const kinds = rules.at(-1)?.statements.map(({ kind }) => kind) ?? []
      assert.ok(
        kinds.every(kind => ['counter', 'verdict', 'reject'].includes(kind)) && kinds.at(-1) !== 'counter',
        `${name} ends with ${kinds.join(', ')}`,
      )
    }
  })

  it('let everything pass that is none of ours', () => {
    for (const chain of chains.filter(one => 'hook' in one)) {
      assert.equal('policy' in chain ? chain.policy : undefined, 'accept', chain.name)
    }
  })

  it('stand in front of others: before reassembly, before connection tracking, and before filters at 0', () => {
    const places = chains.flatMap(chain => ('hook' in chain ? [`${chain.name} ${chain.hook} ${chain.priority}`] : []))
    assert.deepEqual(places, ['early prerouting -450', 'guard prerouting -300', 'forward forward -5', 'input input -5'])
  })
})
