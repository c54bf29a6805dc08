// Every rule of every chain, held against real packets: one that it concerns, one that it leaves alone.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Ruleset } from 'nftables-js'
import { type Fabric, withFabric } from '../support/fabric.ts'
import type { NamedRule } from '../support/host.ts'
import { RULE_CASES, SECOND_LINES } from '../support/ruleset-cases.ts'

suite('ruleset', () => {
  test('rules', t =>
    withFabric(async f => {
      await t.test('every rule has its packets', () => {
        const names = f.a.rules().map(({ name }) => name)
        assert.deepEqual(RULE_CASES.map(({ rule }) => rule).toSorted(), names.toSorted())
        for (const name of Object.keys(SECOND_LINES)) assert.ok(names.includes(name), `no rule "${name}"`)
      })
      for (const { rule, hit, miss } of RULE_CASES) {
        await t.test(`${rule}: decides`, () => hit(f))
        await t.test(`${rule}: leaves alone`, () => miss(f))
      }
    }))

  test('no rule is there for nothing: without it a packet fares otherwise', () =>
    withFabric(async f => {
      f.patience = 60
      f.counting = false
      const idle: string[] = []
      for (const one of f.a.rules()) if (!(await matters(f, one))) idle.push(one.name)
      assert.deepEqual(idle.toSorted(), Object.keys(SECOND_LINES).toSorted())
    }))
})

/** Whether a case of the rule fails when the rule is not there. */
async function matters(f: Fabric, { name, ...place }: NamedRule): Promise<boolean> {
  const cases = RULE_CASES.filter(({ rule }) => rule === name)
  f.a.transform = ruleset => without(ruleset, place)
  f.a.apply()
  try {
    for (const { hit, miss } of cases) {
      await hit(f)
      await miss(f)
    }
    return false
  } catch {
    return true
  } finally {
    f.a.transform = ruleset => ruleset
    f.a.apply()
  }
}

function without(ruleset: Ruleset, { table, chain, index }: Omit<NamedRule, 'name'>): Ruleset {
  if (ruleset.table.family !== table) return ruleset
  const chains = ruleset.chains.map(one =>
    one.name === chain ? { ...one, rules: one.rules.filter((_, at) => at !== index) } : one,
  )
  return { ...ruleset, chains }
}
