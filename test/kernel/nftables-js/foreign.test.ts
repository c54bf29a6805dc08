// Rules in other programs' chains: found whoever wrote them, told apart by what they do with everything, and preceded by new ones.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  accept,
  anyOf,
  counter,
  dynset,
  ip6,
  is,
  jump,
  meta,
  Nftables,
  type Rule,
  type Ruleset,
  Transaction,
  tcp,
} from 'nftables-js'
import { ip6tables } from '../../support/iptables.ts'
import { type Netns, withNetns } from '../../support/netns.ts'
import { nftCommands } from '../../support/nft.ts'
import { cases, sets, variants } from './expressions.ts'
import { loadText, rulesOf, withRulesets } from './listing.ts'

const table = { family: 'inet', name: 'theirs' } as const
const filter = { family: 'ip6', name: 'filter' } as const

/** Rules that can be looked for: without dynset and without a set of their own. */
const findable = Object.values({ ...cases, ...variants })
  .flat()
  .filter(({ text }) => !text.includes('{'))

function rulesetOf(rules: readonly Rule[]): Ruleset {
  const base = { type: 'filter', hook: 'prerouting', priority: -350 } as const
  return {
    table,
    sets,
    chains: [
      { name: 'other', rules: [{ statements: [accept] }] },
      { name: 'rules', ...base, rules },
    ],
  }
}

function withIptables<T>(words: readonly string[], act: (ns: Netns, nft: Nftables) => T): Promise<T> {
  return withNetns(ns => {
    for (const each of words) ip6tables(ns, 'nft', each)
    using nft = ns.enter(() => Nftables.open())
    return act(ns, nft)
  })
}

describe('findRule', () => {
  it('finds every rule that this package writes, and no other', () =>
    withRulesets([rulesetOf(findable)], (_, nft) => {
      assert.ok(findable.length > 60, `${findable.length} rules`)
      const rules = nft.listRules(table, 'rules')
      const meanings = nft.describe(table).filter(line => line.startsWith('rule rules '))
      findable.forEach((rule, index) => {
        const handle = nft.findRule(table, 'rules', rule)?.handle
        const found = rules.findIndex(other => other.handle === handle)
        assert.equal(meanings[found], meanings[index], rule.text)
      })
      assert.equal(nft.findRule(table, 'rules', { statements: [is(meta('iifname'), 'eth1'), accept] }), undefined)
    }))

  it('looks in one chain; where there is none, there is no rule', () =>
    withRulesets([rulesetOf([])], (_, nft) => {
      const rule = { statements: [accept] }
      assert.equal(nft.findRule(table, 'other', rule)?.chain, 'other')
      assert.equal(nft.findRule(table, 'rules', rule), undefined)
      assert.equal(nft.findRule(table, 'nowhere', rule), undefined)
      assert.equal(nft.findRule({ family: 'ip', name: 'nowhere' }, 'other', rule), undefined)
    }))

  it('finds what iptables wrote; a comment makes no other rule, a counter does', () =>
    withIptables(
      ['-N USER', '-A FORWARD -i veth+ -j ACCEPT', '-A FORWARD -o veth+ -j USER', '-A FORWARD -j USER'],
      (_, nft) => {
        const [named, some, all] = nft.listRules(filter, 'FORWARD')
        const find = (...statements: Rule['statements']) =>
          nft.findRule(filter, 'FORWARD', { statements, comment: 'x' })
        assert.equal(find(is(meta('iifname'), 'veth*'), counter(), accept)?.handle, named?.handle)
        assert.equal(find(is(meta('oifname'), 'veth*'), counter(), jump('USER'))?.handle, some?.handle)
        assert.equal(find(counter(), jump('USER'))?.handle, all?.handle)
        assert.equal(find(jump('USER')), undefined, 'without a counter it is another rule')
      },
    ))

  it('refuses what it cannot compare', () =>
    withRulesets([rulesetOf([])], (_, nft) => {
      const rule = { statements: [anyOf(tcp('dport'), [1, 2]), accept] }
      assert.throws(() => nft.findRule(table, 'rules', rule), /\{ … \} of its own.*use a named set/)
      const adds = { statements: [dynset({ op: 'add', set: 'seen', key: ip6('saddr') })] }
      assert.throws(() => nft.findRule(table, 'rules', adds), TypeError)
    }))
})

describe('insertRule', () => {
  it('puts a rule at the head, also of a chain of iptables, which can read and delete it', () =>
    withIptables(['-A FORWARD -i eth0 -j DROP'], (ns, nft) => {
      const rule = { statements: [is(meta('iifname'), 'veth*'), counter(), accept] }
      nft.commit(new Transaction().insertRule(filter, 'FORWARD', rule))
      const listed = ['-P FORWARD ACCEPT', '-A FORWARD -i veth+ -j ACCEPT', '-A FORWARD -i eth0 -j DROP', '']
      assert.equal(ip6tables(ns, 'nft', '-S FORWARD'), listed.join('\n'))
      ip6tables(ns, 'nft', '-D FORWARD -i veth+ -j ACCEPT')
      assert.equal(nft.findRule(filter, 'FORWARD', rule), undefined)
    }))

  it('puts several in front of each other, each with its sets', () =>
    withRulesets([rulesetOf([{ statements: [accept] }])], (ns, nft) => {
      const first = { statements: [anyOf(tcp('dport'), [1, 2]), accept] }
      const second = { statements: [is(tcp('dport'), 3), accept], comment: 'hi' }
      nft.commit(new Transaction().insertRule(table, 'rules', first).insertRule(table, 'rules', second))
      const [command] = nftCommands()
      const listing = ns.exec(command?.argv[0] ?? '', 'list', 'ruleset')
      assert.deepEqual(rulesOf(listing, 'rules'), [
        'tcp dport 3 accept comment "hi"',
        'tcp dport { 1, 2 } accept',
        'accept',
      ])
    }))

  it('names the chain that is not there', () =>
    withRulesets([rulesetOf([])], (_, nft) => {
      const transaction = new Transaction().insertRule(table, 'nowhere', { statements: [accept] })
      assert.throws(() => nft.commit(transaction), /insert rule inet theirs nowhere: ENOENT/)
    }))
})

describe('what becomes of every packet that reaches a rule', () => {
  const lines: Readonly<Record<string, string | undefined>> = {
    accept: 'accept',
    drop: 'drop',
    'counter drop': 'drop',
    'counter log prefix "x" drop': 'drop',
    reject: 'reject',
    'reject with icmpx admin-prohibited': 'reject',
    'tcp dport 22 drop': undefined,
    'meta l4proto tcp reject with tcp reset': undefined,
    'limit rate 1/second drop': undefined,
    counter: undefined,
    'jump other': undefined,
    return: undefined,
  }
  for (const command of nftCommands()) {
    it(`is told of rules that ${command.name} wrote`, () =>
      withNetns(ns => {
        const body = Object.keys(lines).join('\n')
        loadText(ns, command, `table inet theirs { chain other { }\n chain rules {\n${body}\n}\n}\n`)
        using nft = ns.enter(() => Nftables.open())
        const told = nft.listRules(table).map(({ always }) => always)
        assert.deepEqual(told, Object.values(lines))
      }))
  }

  it('is told of rules that iptables wrote', () =>
    withIptables(
      ['-A FORWARD -j DROP', '-A FORWARD -j REJECT', '-A FORWARD -j LOG', '-A FORWARD -i a -j REJECT'],
      (_, nft) => {
        const told = nft.listRules(filter, 'FORWARD').map(({ always }) => always)
        assert.deepEqual(told, ['drop', 'reject', undefined, undefined])
      },
    ))
})
