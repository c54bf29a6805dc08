// Every expression: listed by nft as a person would type it, reloadable, and the same expressions as nft makes of the text.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ruleset } from 'nftables-js'
import { nftCommands } from '../../support/nft.ts'
import { type Case, cases, sets, variants } from './expressions.ts'
import { assertReloads, list, meaningOf, rulesOf, withRulesets } from './listing.ts'

const table = { family: 'inet', name: 'every' } as const
const setText = `
  set links { type ifname . ipv6_addr; }
  set hosts { type ipv6_addr; }
  set seen { type ipv6_addr; size 1000; flags dynamic, timeout; timeout 1m; }
  set flows { type ipv6_addr . inet_service; size 1000; flags dynamic; }
  map verdicts { type ipv6_addr . inet_service : verdict; }
  chain other { }
`

function rulesetOf(rules: readonly Case[]): Ruleset {
  const base = { type: 'filter', hook: 'prerouting', priority: -350 } as const
  return {
    table,
    sets,
    chains: [
      { name: 'other', rules: [] },
      { name: 'rules', ...base, rules },
    ],
  }
}

function textOf(rules: readonly Case[]): string {
  const body = rules.map(({ text }) => `    ${text}\n`).join('')
  return `table inet every {\n${setText}  chain rules { type filter hook prerouting priority -350;\n${body}  }\n}\n`
}

function listedBy(rule: Case, old: boolean): string {
  if (rule.listed === undefined || typeof rule.listed === 'string') return rule.listed ?? rule.text
  return rule.listed[old ? 0 : 1]
}

for (const command of nftCommands()) {
  const old = command.name.includes('v1.0.')
  describe(`expressions and ${command.name}`, () => {
    for (const [kind, rules] of Object.entries({ ...cases, ...variants })) {
      it(`${kind} are listed as they were typed and reload`, () =>
        withRulesets([rulesetOf(rules)], async ns => {
          const listing = list(ns, command)
          const wanted = rules.map(rule => listedBy(rule, old))
          assert.deepEqual(rulesOf(listing, 'rules'), wanted)
          await assertReloads(listing, command)
        }))
    }

    for (const [kind, rules] of Object.entries(old ? { ...cases, ...variants } : cases)) {
      it(`${kind} are what nft makes of the text`, async () => {
        const meaning = await meaningOf(textOf(rules), command, table)
        await withRulesets([rulesetOf(rules)], (_, nft) => assert.deepEqual(nft.describe(table), meaning))
      })
    }
  })
}
