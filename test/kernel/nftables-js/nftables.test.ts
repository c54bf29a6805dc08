// The rest of the API: transactions, listings, fingerprints, the monitor, namespaces and features.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  accept,
  anyOf,
  type Change,
  counter,
  drop,
  is,
  meta,
  type NamedSet,
  Nftables,
  type Rule,
  Transaction,
  tcp,
} from 'nftables-js'
import { type Netns, withNetns } from '../../support/netns.ts'

const table = { family: 'inet', name: 'api', comment: 'of a test' } as const
const base = { name: 'in', type: 'filter', hook: 'input', priority: -5, policy: 'drop', comment: 'a chain' } as const
const rule: Rule = { statements: [is(meta('iifname'), 'lo'), counter(), accept], comment: 'from here' }
const withNft = <T>(act: (nft: Nftables, ns: Netns) => T | Promise<T>): Promise<T> =>
  withNetns(async ns => {
    using nft = ns.enter(() => Nftables.open())
    return await act(nft, ns)
  })

/** One packet over the loopback link of the namespace. */
function sendDatagram(ns: Netns): void {
  ns.exec('bash', '-c', 'echo > /dev/udp/::1/9')
}

describe('a transaction', () => {
  it('takes effect as a whole or not at all', () =>
    withNft(nft => {
      const half = new Transaction().addTable(table).addChain(table, base).deleteChain(table, 'absent')
      assert.throws(() => nft.commit(half), /^NetlinkError: delete chain inet api absent: ENOENT/)
      assert.equal(nft.getTable(table), undefined)
    }))

  it('can be empty, and repeated', () =>
    withNft(async nft => {
      assert.equal(new Transaction().size, 0)
      nft.commit(new Transaction())
      const twice = new Transaction().addTable(table).addChain(table, base)
      assert.equal(twice.size, 2)
      nft.commit(twice)
      await nft.commitAsync(twice)
      assert.equal(nft.listChains(table).length, 1)
    }))

  it('destroys a table whether it is there or not', () =>
    withNft(nft => {
      nft.commit(new Transaction().destroyTable(table))
      nft.commit(new Transaction().addTable(table))
      nft.commit(new Transaction().destroyTable(table))
      assert.equal(nft.getTable(table), undefined)
      assert.throws(() => nft.commit(new Transaction().deleteTable(table)), /delete table inet api: ENOENT/)
    }))

  it('names the rule that the kernel refuses', () =>
    withNft(nft => {
      const jumps: Rule = { statements: [{ kind: 'verdict', code: 'jump', chain: 'nowhere' }], comment: 'lost' }
      const wrong = new Transaction().addTable(table).addChain(table, base).addRule(table, 'in', jumps)
      assert.throws(() => nft.commit(wrong), /add rule inet api in "lost": ENOENT/)
    }))

  it('that is too large changes nothing and says what to do', () =>
    withNetns(async ns => {
      using nft = ns.enter(() => Nftables.open({ sendBuffer: 8192 }))
      const set: NamedSet = { name: 'many', type: 'mark' }
      const large = new Transaction()
        .addTable(table)
        .addSet(table, set)
        .addElements(
          table,
          set,
          Array.from({ length: 5000 }, (_, key) => ({ key })),
        )
      const wanted = /send transaction of \d+ bytes: EMSGSIZE \(larger than the send buffer: open with/
      assert.throws(() => nft.commit(large), wanted)
      await assert.rejects(nft.commitAsync(large), wanted)
      assert.equal(nft.getTable(table), undefined)
    }))

  it('changes a part at a time', () =>
    withNft(nft => {
      const set: NamedSet = { name: 'ports', type: 'inet_service' }
      nft.commit(new Transaction().addTable(table).addChain(table, base).addSet(table, set))
      nft.commit(new Transaction().addRule(table, 'in', rule).addRule(table, 'in', rule))
      const [first, second] = nft.listRules(table)
      assert.ok(first && second)
      nft.commit(new Transaction().deleteRule(table, 'in', first.handle))
      assert.deepEqual(
        nft.listRules(table).map(({ handle }) => handle),
        [second.handle],
      )
      nft.commit(new Transaction().flushChain(table, 'in').deleteChain(table, 'in').deleteSet(table, 'ports'))
      assert.deepEqual([nft.listRules(table), nft.listChains(table), nft.listSets(table)], [[], [], []])
    }))
})

describe('listings', () => {
  it('give back what was written', () =>
    withNft((nft, ns) => {
      nft.commit(
        new Transaction().load({
          table,
          sets: [],
          chains: [
            { ...base, rules: [rule] },
            { name: 'x', rules: [] },
          ],
        }),
      )
      sendDatagram(ns)
      const there = nft.getTable(table)
      assert.deepEqual(there, { ...table, flags: [], handle: there?.handle })
      const [chain, other] = nft.listChains(table)
      assert.deepEqual(
        [chain, other],
        [
          { ...base, handle: chain?.handle },
          { name: 'x', handle: other?.handle },
        ],
      )
      const [listed] = nft.listRules(table)
      assert.deepEqual([listed?.chain, listed?.comment], ['in', 'from here'])
      assert.deepEqual(listed?.counter, { packets: 2, bytes: 49 + 97 }, 'a datagram and the error about it')
      assert.deepEqual(nft.listTables('ip6'), [])
    }))

  it('of an absent table are empty', () =>
    withNft(nft => {
      assert.deepEqual([nft.listChains(table), nft.listSets(table), nft.listRules(table)], [[], [], []])
      assert.throws(
        () => nft.listElements(table, { name: 'x', type: 'mark' }),
        /list elements of set inet api x: ENOENT/,
      )
      assert.throws(() => nft.fingerprint(table), /describe table inet api: ENOENT/)
    }))
})

describe('a fingerprint', () => {
  const set: NamedSet = { name: 'ports', type: 'inet_service' }
  const ports = (...all: number[]): Rule => ({ statements: [anyOf(tcp('dport'), all), counter(), drop] })
  const load = (rules: Rule[]) =>
    new Transaction().load({ table, sets: [set], chains: [{ ...base, policy: 'accept', rules }] })

  it('stays the same while packets, elements and handles change', () =>
    withNft((nft, ns) => {
      nft.commit(load([rule, ports(22, 80)]))
      const before = nft.fingerprint(table)
      sendDatagram(ns)
      nft.commit(new Transaction().addElements(table, set, [{ key: 22 }]))
      assert.equal(nft.fingerprint(table), before)
      nft.commit(new Transaction().destroyTable(table).addTable({ ...table, name: 'before' }))
      nft.commit(load([{ statements: rule.statements, comment: 'another comment' }, ports(80, 22)]))
      assert.equal(nft.fingerprint(table), before)
    }))

  it('changes with a rule, a chain, a policy, a set and an element of an anonymous set', () =>
    withNft(nft => {
      const seen = new Set<string>()
      const note = () => seen.add(nft.fingerprint(table))
      const steps = [
        load([rule]),
        new Transaction().addRule(table, 'in', ports(22)),
        new Transaction().addRule(table, 'in', ports(22, 80)),
        new Transaction().addChain(table, { name: 'more' }),
        new Transaction().addChain(table, { ...base, policy: 'drop' }),
        new Transaction().addSet(table, { name: 'more', type: 'mark' }),
        new Transaction().addTable({ ...table, flags: ['dormant'] }),
      ]
      for (const step of steps) {
        nft.commit(step)
        note()
      }
      nft.commit(new Transaction().flushChain(table, 'in').addRule(table, 'in', rule).addRule(table, 'in', ports(22)))
      note()
      nft.commit(
        new Transaction().flushChain(table, 'in').addRule(table, 'in', rule).addRule(table, 'in', ports(22, 81)),
      )
      note()
      nft.commit(
        new Transaction().flushChain(table, 'in').addRule(table, 'in', rule).addRule(table, 'in', ports(22, 82)),
      )
      note()
      assert.equal(seen.size, steps.length + 3)
    }))
})

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !done(); tries++) await sleep(10)
  assert.ok(done(), 'waited 2 seconds')
}

describe('the monitor', () => {
  it('tells who changed which table, in the namespace where nftables was opened', () =>
    withNft(async (nft, ns) => {
      const changes: Change[] = []
      nft.monitor({ change: change => changes.push(change), overflow: () => assert.fail('overflow') })
      assert.throws(() => nft.monitor({ change() {}, overflow() {} }), /has a monitor already/)
      using other = ns.enter(() => Nftables.open())
      nft.commit(new Transaction().addTable(table))
      other.commit(new Transaction().addChain(table, base).addTable({ family: 'ip6', name: 'theirs' }))
      other.commit(new Transaction().deleteTable(table))
      await until(() => changes.length === 3)
      const api = { family: 'inet', name: 'api' }
      assert.deepEqual(
        changes.map(({ portId, tables, deletedTables }) => [portId, tables, deletedTables]),
        [
          [nft.portId, [api], []],
          [other.portId, [api, { family: 'ip6', name: 'theirs' }], []],
          [other.portId, [api], [api]],
        ],
      )
      assert.deepEqual(new Set(changes.map(({ processId }) => processId)), new Set([process.pid]))
    }))

  it('says when it could not keep up', () =>
    withNetns(async ns => {
      using nft = ns.enter(() => Nftables.open({ receiveBuffer: 16_384 }))
      let overflows = 0
      nft.monitor({ change: () => {}, overflow: () => overflows++ })
      const set: NamedSet = { name: 'many', type: 'mark' }
      const elements = Array.from({ length: 5000 }, (_, key) => ({ key }))
      nft.commit(new Transaction().addTable(table).addSet(table, set))
      for (let round = 0; round < 20; round++) {
        nft.commit(new Transaction().addElements(table, set, elements).flushSet(table, set.name))
      }
      await until(() => overflows > 0)
    }))
})

it('features say what this kernel can', () =>
  withNft(nft => {
    assert.deepEqual(nft.features(), { destroyElement: true, ownerPersist: true })
    assert.deepEqual(nft.listTables(), [])
  }))
