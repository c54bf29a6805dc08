// The kernel room against a real kernel: all or nothing, what is read back, restarts, leftovers.
import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { diff, inverse } from '../../src/dataplane/diff.ts'
import type { Item } from '../../src/dataplane/item.ts'
import { Kernel } from '../../src/kernel/kernel.ts'
import { observe, recordTables } from '../../src/kernel/observe.ts'
import { Host, TABLE } from '../support/host.ts'
import { withNetns } from '../support/netns.ts'
import { dump, observed, PREFIX, recorded, streamAcross, withHost, withoutIndexes } from '../support/two-groups.ts'

suite('kernel', () => {
  test('apply is all or nothing', t =>
    withHost(async (host, sandboxes) => {
      const [, , third, fourth] = sandboxes
      assert.ok(third && fourth)
      const failures: Record<string, () => unknown> = {
        'a sandbox path that is nothing': () => host.change('last', { sandbox: '/run/netns/s64test-none' }),
        'a sandbox path that is a plain file': () => host.change('last', { sandbox: import.meta.filename }),
        'a link of that name': () => {
          host.ns.ip(`link add ${host.linkOf('last')} type bridge`)
          return () => host.ns.ip(`link del ${host.linkOf('last')}`)
        },
        'a container’s end of that name': () => {
          fourth.ip('link add net0 type bridge')
          return () => fourth.ip('link del net0')
        },
        'a neighbour that the kernel refuses': () => host.change('last', { mac: '00:00:00:00:00:00:00' }),
        'an address that the kernel refuses': () => host.change('last', { address: '::' }),
      }
      for (const [name, arrange] of Object.entries(failures)) {
        await t.test(name, async () => {
          host.network('extra', 'web:1-100')
          host.endpoint('first', 'extra', 2, third, [{ protocol: 'udp', port: 53 }])
          host.endpoint('last', 'web', 3, fourth)
          const restore = arrange()
          host.change('web', { published: [] })
          const before = dump(host, sandboxes)
          assert.throws(
            () => host.apply(),
            error => !(error instanceof AggregateError),
          )
          await host.kernel.flush()
          assert.equal(dump(host, sandboxes), before)
          if (typeof restore === 'function') restore()
          host.change('web', { published: [{ protocol: 'tcp', port: 443 }] })
          for (const gone of ['first', 'last']) host.change(gone, undefined)
        })
      }
      assert.deepEqual(host.errors, [])
    }))

  test('a removal is taken back, link and all, though the old link may still be dying', () =>
    withHost(async (host, sandboxes) => {
      const before = dump(host, sandboxes)
      const operations = diff(
        host.items,
        host.items.filter(({ kind }) => !['link', 'end', 'route', 'neighbour'].includes(kind)),
      )
      host.ns.enter(() => host.kernel.apply(operations))
      host.ns.enter(() => host.kernel.apply(inverse(operations)))
      await host.kernel.flush()
      assert.equal(withoutIndexes(dump(host, sandboxes)), withoutIndexes(before))
      assert.deepEqual(host.errors, [])
    }))

  test('a container that leaves and comes back at once finds its names free', () =>
    withHost(async (host, [web]) => {
      assert.ok(web)
      host.change('web', undefined)
      host.apply()
      host.endpoint('again', 'web', 2, web)
      host.apply()
      await host.kernel.flush()
      assert.equal(web.json('link show dev net0').length, 1)
      assert.deepEqual(diff(observed(host, host.kernel, recorded(host)), host.items), [])
    }))

  test('repair does what can be done and names what cannot', () =>
    withHost(async (host, [, , third, fourth]) => {
      assert.ok(third && fourth)
      host.endpoint('first', 'web', 2, third)
      host.endpoint('last', 'web', 3, fourth)
      host.change('first', { sandbox: '/run/netns/s64test-none' })
      const wanted = host.wanted()
      const failures = host.ns.enter(() => host.kernel.repair(diff(host.items, wanted)))
      const first = host.linkOf('first')
      assert.deepEqual(
        failures.map(({ operation: { verb, item } }) => [verb, item.kind, item.kind === 'link' && item.name]),
        [['add', 'link', first]],
      )
      const missing = diff(
        host.ns.enter(() => observe(host.kernel, wanted, undefined)),
        wanted,
      )
      const kinds = missing
        .filter(({ item }) => item.kind !== 'table' && item.kind !== 'element')
        .map(({ item }) => item.kind)
      assert.deepEqual(kinds, ['link', 'end', 'neighbour', 'route'], 'of the broken link only')
    }))

  test('what is observed after apply is what was projected', () =>
    withHost(host => {
      const record = recorded(host)
      assert.deepEqual(diff(observed(host, host.kernel, record), host.items), [])
      assert.notDeepEqual(diff(observed(host), host.items), [], 'without a record the tables are unknown')
    }))

  test('the next process adopts the tables as they are, while packets pass', () =>
    withHost(async (host, [web, db]) => {
      assert.ok(web && db)
      const record = recorded(host)
      const handles = host.kernel.nft.listTables().map(({ handle }) => handle)
      const stream = await streamAcross(host, web, db)
      host.kernel.close()
      await sleep(20)
      using next = host.ns.enter(() => new Kernel({ onError: error => host.errors.push(error) }))
      assert.deepEqual(diff(observed(host, next, record), host.items), [])
      host.ns.enter(() => next.adopt(host.items))
      await sleep(20)
      assert.deepEqual(
        next.nft.listTables().map(({ handle }) => handle),
        handles,
      )
      assert.ok(next.nft.listTables().every(({ owner }) => owner === next.nft.portId))
      assert.throws(() => host.nft('delete table inet slash64'), /Operation not permitted/)
      const { sent, received } = await stream.stop()
      assert.ok(sent > 20, `${sent} packets`)
      assert.equal(received, sent)
    }))

  test('a rule that somebody took out while nobody was there is put back in one step', () =>
    withHost(async (host, [web, db]) => {
      assert.ok(web && db)
      const record = recorded(host)
      const [handle] = host.kernel.nft.listTables().map(table => table.handle)
      const stream = await streamAcross(host, web, db)
      host.kernel.close()
      const rule = /# handle (\d+)/.exec(
        host.nft('-a', 'list', 'chain', 'inet', 'slash64', 'deny').split('deny {')[1]?.split('denied')[1] ?? '',
      )?.[1]
      host.nft('delete', 'rule', 'inet', 'slash64', 'deny', 'handle', rule ?? '')
      using next = host.ns.enter(() => new Kernel({ onError: error => host.errors.push(error) }))
      const operations = diff(observed(host, next, record), host.items)
      assert.ok(operations.some(({ verb, item }) => verb === 'add' && item.kind === 'table'))
      assert.deepEqual(
        host.ns.enter(() => next.repair(operations)),
        [],
      )
      host.ns.enter(() => next.adopt(host.items))
      assert.equal(next.nft.listTables()[0]?.handle, handle, 'the table stays, and its sets with it')
      assert.equal(next.nft.listRules(TABLE).filter(({ chain }) => chain === 'deny').length, 2)
      const after = host.ns.enter(() => recordTables(next, host.items))
      assert.deepEqual(after, record)
      assert.deepEqual(diff(observed(host, next, after), host.items), [])
      const { sent, received } = await stream.stop()
      assert.equal(received, sent, 'packets met no gap')
    }))

  test('what nobody remembers goes: links, routes, neighbours, elements, also of a group', () =>
    withHost(async (host, sandboxes) => {
      const before = dump(host, sandboxes)
      const kept = host.items
      const [, , third] = sandboxes
      assert.ok(third)
      host.network('extra', 'web:1-100,web:1000-9000,db')
      host.endpoint('first', 'extra', 2, third, [{ protocol: 'udp', port: 53 }])
      host.apply()
      host.ns.ip(`route add unreachable 2001:db8:77::/64 proto 64`)
      host.ns.ip(`route add 2001:db8:1:a:0:9:9:9/128 dev ${host.linkOf('web')} proto 64`)
      host.ns.ip(`route add 2001:db8:78::/64 dev ${host.linkOf('web')}`)
      const operations = diff(observed(host, host.kernel, recorded(host)), kept)
      assert.deepEqual(
        host.ns.enter(() => host.kernel.repair(operations)),
        [],
      )
      await host.kernel.flush()
      // A route of another protocol is somebody else's, wherever it points.
      assert.match(host.ns.ip('-6 route'), /2001:db8:78::\/64/)
      host.ns.ip(`route del 2001:db8:78::/64 dev ${host.linkOf('web')}`)
      assert.equal(dump(host, sandboxes), before)
    }))

  test('the deletion of fifty links holds nobody up', () =>
    withNetns(ns =>
      withNetns(async sandbox => {
        using host = new Host(ns, PREFIX, {})
        host.apply()
        const link = (n: number): Item => ({
          kind: 'link',
          name: `s64${n.toString(16).padStart(12, '0')}`,
          alias: `slash64/n/${n}`,
          mac: `02:00:00:00:09:${n.toString(16).padStart(2, '0')}`,
          mtu: 1500,
          gateway: `fe80::64:${n}`,
          sandbox: sandbox.path,
          peer: {
            name: `net${n}`,
            mac: `02:00:00:00:0a:${n.toString(16).padStart(2, '0')}`,
          },
        })
        const links = Array.from({ length: 50 }, (_, n) => link(n))
        ns.enter(() => host.kernel.apply(diff([], links)))
        const delay = monitorEventLoopDelay({ resolution: 1 })
        delay.enable()
        await sleep(5)
        delay.reset()
        ns.enter(() => host.kernel.apply(diff(links, [])))
        await host.kernel.flush()
        await sleep(5)
        delay.disable()
        assert.ok(delay.max < 30e6, `${delay.max / 1e6} ms`)
        assert.doesNotMatch(ns.ip('-o link'), /s64/)
      }),
    ))
})
