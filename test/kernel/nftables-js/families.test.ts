// Tables of the other families: their hooks, and the checks that statements imply in them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { accept, drop, ether, icmp, icmpv6, ip, ip6, is, meta, type Rule, type Ruleset, reject, tcp } from 'nftables-js'
import { type NftCommand, nftCommands } from '../../support/nft.ts'
import { assertReloads, list, meaningOf, rulesOf, withRulesets } from './listing.ts'

const rule = (...statements: Rule['statements']): Rule => ({ statements })
const port = is(tcp('dport'), 22)

/** A ruleset with one chain, the chain's head in nft's words, and its rules as typed and listed. */
const rows: readonly (readonly [ruleset: Ruleset, head: string, rules: readonly string[]])[] = [
  [
    ruleset('ip6', { hook: 'output', type: 'route', priority: -150, policy: 'drop' }, [
      rule(is(ip6('saddr'), '::1'), accept),
      rule(is(icmpv6('type'), 'echo-request'), accept),
      rule(port, reject({ with: 'tcp reset' })),
    ]),
    'type route hook output priority -150; policy drop;',
    ['ip6 saddr ::1 accept', 'icmpv6 type echo-request accept', 'tcp dport 22 reject with tcp reset'],
  ],
  [
    ruleset('ip', { hook: 'postrouting', type: 'filter', priority: 5 }, [
      rule(is(ip('saddr'), '10.0.0.0/8'), port, accept),
      rule(is(icmp('type'), 'echo-request'), drop),
    ]),
    'type filter hook postrouting priority 5; policy accept;',
    ['ip saddr 10.0.0.0/8 tcp dport 22 accept', 'icmp type echo-request drop'],
  ],
  [
    ruleset('arp', { hook: 'input', type: 'filter', priority: 0 }, [rule(is(meta('iifname'), 's64*'), drop)]),
    'type filter hook input priority 0; policy accept;',
    ['iifname "s64*" drop'],
  ],
  [
    ruleset('bridge', { hook: 'forward', type: 'filter', priority: -200 }, [
      rule(is(ether('saddr'), '02:00:00:00:00:01'), accept),
      rule(is(ip6('daddr'), '::1'), drop),
      rule(is(ether('type'), 'arp'), drop),
    ]),
    'type filter hook forward priority -200; policy accept;',
    ['ether saddr 02:00:00:00:00:01 accept', 'ip6 daddr ::1 drop', 'ether type arp drop'],
  ],
  [
    ruleset('netdev', { hook: 'ingress', device: 'lo', type: 'filter', priority: 0 }, [
      rule(is(ip6('daddr'), '::1'), accept),
    ]),
    'type filter hook ingress device "lo" priority 0; policy accept;',
    ['ip6 daddr ::1 accept'],
  ],
  [
    ruleset('inet', { hook: 'ingress', device: 'lo', type: 'filter', priority: 0 }, [
      rule(is(ip6('daddr'), '::1'), accept),
    ]),
    'type filter hook ingress device "lo" priority 0; policy accept;',
    ['ip6 daddr ::1 accept'],
  ],
]

function ruleset(
  family: Ruleset['table']['family'],
  base: Omit<Ruleset['chains'][number], 'name' | 'rules'>,
  rules: Rule[],
): Ruleset {
  return { table: { family, name: 'other' }, sets: [], chains: [{ name: 'base', ...base, rules }] }
}

function check(command: NftCommand, [value, head, rules]: (typeof rows)[number]): Promise<void> {
  return withRulesets([value], async (ns, nft) => {
    const listing = list(ns, command, '-y')
    assert.ok(listing.replaceAll('devices = { "lo" }', 'device "lo"').includes(head), listing)
    assert.deepEqual(rulesOf(listing, 'base'), rules)
    await assertReloads(list(ns, command), command)
    const { family } = value.table
    const text = `table ${family} other {\n chain base { ${head}\n${rules.join('\n')}\n}\n}\n`
    assert.deepEqual(nft.describe(value.table), await meaningOf(text, command, value.table))
    const [chain] = nft.listChains(value.table)
    const { rules: _, ...written } = value.chains[0] ?? assert.fail()
    assert.deepEqual(chain, { policy: 'accept', ...written, handle: chain?.handle })
  })
}

for (const command of nftCommands()) {
  describe(`families and ${command.name}`, () => {
    for (const row of rows) {
      const [{ table, chains }] = row
      it(`${table.family} ${chains[0]?.hook}`, () => check(command, row))
    }
  })
}
