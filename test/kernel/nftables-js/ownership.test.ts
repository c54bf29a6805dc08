// Tables that keep out others and outlive their owner.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drop, is, isNetlinkError, meta, Nftables, type Ruleset, Transaction, tcp } from 'nftables-js'
import { type Netns, withNetns } from '../../support/netns.ts'
import { nftCommands } from '../../support/nft.ts'

const table = { family: 'inet', name: 'mine', flags: ['owner', 'persist'] } as const
const ports = { name: 'ports', type: 'inet_service' } as const
const ruleset: Ruleset = {
  table,
  sets: [{ ...ports, elements: [{ key: 22 }] }],
  chains: [
    {
      name: 'in',
      type: 'filter',
      hook: 'input',
      priority: 0,
      rules: [{ statements: [is(meta('iifname'), 'lo'), is(tcp('dport'), 9), drop] }],
    },
  ],
}

/** Runs a nft command and tells what it said on failure. */
function tryNft(ns: Netns, path: string, ...args: string[]): string {
  try {
    ns.exec(path, ...args)
    return ''
  } catch (error) {
    return String(error)
  }
}

describe('a table with owner and persist', () => {
  it('keeps out other sockets and flushes', () =>
    withNetns(ns => {
      using owner = ns.enter(() => Nftables.open())
      using other = ns.enter(() => Nftables.open())
      owner.commit(new Transaction().load(ruleset))
      const meaning = owner.fingerprint(table)
      assert.equal(owner.getTable(table)?.owner, owner.portId)
      const attempts = [
        new Transaction().deleteTable(table),
        new Transaction().addElements(table, ports, [{ key: 23 }]),
        new Transaction().flushChain(table, 'in'),
        new Transaction().addTable(table),
      ]
      for (const attempt of attempts) {
        assert.throws(
          () => other.commit(attempt),
          (error: unknown) => isNetlinkError(error, 'EPERM'),
        )
      }
      for (const { argv } of nftCommands()) {
        const path = argv[0] ?? ''
        assert.equal(tryNft(ns, path, 'flush', 'ruleset'), '')
        assert.match(tryNft(ns, path, 'delete', 'table', 'inet', 'mine'), /Operation not permitted/)
      }
      assert.equal(other.fingerprint(table), meaning)
      assert.deepEqual(other.listElements(table, ports), [{ key: 22 }])
    }))

  it('outlives its owner and is adopted', () =>
    withNetns(ns => {
      const first = ns.enter(() => Nftables.open())
      first.commit(new Transaction().load(ruleset))
      const meaning = first.fingerprint(table)
      first.close()
      using second = ns.enter(() => Nftables.open())
      using third = ns.enter(() => Nftables.open())
      assert.equal(second.getTable(table)?.owner, undefined)
      assert.equal(second.fingerprint(table), meaning)
      second.commit(new Transaction().addTable(table).addElements(table, ports, [{ key: 23 }]))
      assert.equal(second.getTable(table)?.owner, second.portId)
      assert.deepEqual(second.getTable(table)?.flags, ['owner', 'persist'])
      assert.equal(second.listElements(table, ports).length, 2)
      assert.throws(() => third.commit(new Transaction().deleteTable(table)), /delete table inet mine: EPERM/)
      second.commit(new Transaction().destroyTable(table))
      assert.equal(second.getTable(table), undefined)
    }))

  it('is destroyed as an orphan', () =>
    withNetns(ns => {
      const first = ns.enter(() => Nftables.open())
      first.commit(new Transaction().load(ruleset))
      first.close()
      using second = ns.enter(() => Nftables.open())
      second.commit(new Transaction().destroyTable(table))
      assert.equal(second.getTable(table), undefined)
    }))

  it('is adopted and made anew in one transaction while it filters', () =>
    withNetns(async ns => {
      const first = ns.enter(() => Nftables.open())
      first.commit(new Transaction().load(ruleset))
      const meaning = first.fingerprint(table)
      first.close()
      using second = ns.enter(() => Nftables.open())
      using watcher = ns.enter(() => Nftables.open())
      const generations: string[] = []
      const replaced = new Promise<void>(resolve => {
        watcher.monitor({
          change: ({ tables, deletedTables, portId }) => {
            generations.push(`${tables.length} ${deletedTables.length} ${portId === second.portId}`)
            resolve()
          },
          overflow: () => assert.fail('overflow'),
        })
      })
      second.commit(new Transaction().addTable(table).deleteTable(table).load(ruleset))
      await replaced
      assert.deepEqual(generations, ['1 1 true'])
      assert.equal(second.getTable(table)?.owner, second.portId)
      assert.equal(second.fingerprint(table), meaning)
    }))

  it('without persist goes with its owner', () =>
    withNetns(ns => {
      const owner = ns.enter(() => Nftables.open())
      owner.commit(new Transaction().addTable({ ...table, flags: ['owner'] }))
      owner.close()
      using other = ns.enter(() => Nftables.open())
      // The kernel releases the table from the socket's own notifier, before close(2) returns.
      assert.equal(other.getTable(table), undefined)
    }))
})
