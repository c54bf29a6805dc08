// A whole ruleset: what this package writes is what nft would have written, and every nft lists and reloads it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drop, is, meta, type Ruleset } from 'nftables-js'
import { nftCommands } from '../../support/nft.ts'
import { assertReloads, list, meaningOf, rulesOf, withRulesets } from './listing.ts'
import { chains, chainText, lines, sets, setText } from './sketch.ts'

const table = { family: 'inet', name: 'sketch' } as const
const arp = { family: 'arp', name: 'sketch' } as const
const ruleset: Ruleset = { table, sets, chains }
const arpRuleset: Ruleset = {
  table: arp,
  sets: [],
  chains: [
    {
      name: 'in',
      type: 'filter',
      hook: 'input',
      priority: 0,
      rules: [{ statements: [is(meta('iifname'), 's64*'), drop] }],
    },
  ],
}
const text = `table inet sketch {\n${setText}\n${chainText()}\n}\n`

/** How nft spells it when it lists: names of constants, protocols that another statement implies. */
const listed = (rule: string, old: boolean): string =>
  rule
    .replace('& (fin | syn | rst | ack) != syn', old ? '!= syn / fin,syn,rst,ack' : '$&')
    .replaceAll('meta l4proto icmpv6 icmpv6', 'icmpv6')
    .replace(/(rate 1000\/second) accept/, old ? '$&' : '$1 burst 5 packets accept')
    .replaceAll('::ffff:ffff:0', '::ffff:255.255.0.0')
    .replace(/^counter reject with icmpv6/, 'meta nfproto ipv6 $&')
    .replaceAll('meta l4proto tcp tcp', 'tcp')
    .replaceAll('l4proto != icmpv6', 'l4proto != ipv6-icmp')

for (const command of nftCommands()) {
  describe(`the ruleset and ${command.name}`, () => {
    it('is listed as it was typed and reloads', () =>
      withRulesets([ruleset, arpRuleset], async ns => {
        const listing = list(ns, command)
        for (const [chain, rules] of Object.entries(lines)) {
          assert.deepEqual(
            rulesOf(listing, chain),
            rules.map(([rule]) => listed(rule, command.name.includes('v1.0.'))),
          )
        }
        await assertReloads(listing, command)
      }))

    it('means what nft makes of the text', async () => {
      const meaning = await meaningOf(text, command, table)
      await withRulesets([ruleset], (_, nft) => assert.deepEqual(nft.describe(table), meaning))
    })
  })
}
