// The container's end of a link, born or moved.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gatewayAddress, movedName } from '../../src/address/plan.ts'
import { diff, inverse } from '../../src/dataplane/diff.ts'
import { endpointOf, engineMoves, moved, settled } from '../support/engine-move.ts'
import type { Netns } from '../support/netns.ts'
import { dump, withHost } from '../support/two-groups.ts'

const OTHER_HOST = '2001:db8:1:b::/64'

/** Routes of ours in a sandbox, as `ip` writes them, in order. */
function routes(ns: Netns): string[] {
  const lines = ns.ip('-6 route show table all proto 64').split('\n')
  return lines
    .map(line => line.replace(/ metric .*/, '').trim())
    .filter(line => line !== '')
    .toSorted()
}

suite('a moved link', () => {
  test('is finished after the engine’s part, and only then', () =>
    withHost((host, [, , sandbox]) => {
      assert.ok(sandbox)
      const place = host.endpoint('late', 'web', 7, sandbox)
      host.change('late', { moved: true })
      host.apply()
      const { id, network, pool } = endpointOf(host, place.address)
      assert.equal(host.ns.json(`link show dev ${movedName(id)}`).length, 1, 'it waits on the host')
      assert.throws(() => settled(host, 'late'), { code: 'SANDBOX_GONE' })
      engineMoves(host, place, 'netx0')
      assert.deepEqual(routes(sandbox), [])
      settled(host, 'late')
      const gateway = gatewayAddress(network)
      assert.deepEqual(
        routes(sandbox),
        [
          `${pool} from :: via ${gateway} dev netx0`,
          `default from ${place.address} via ${gateway} dev netx0`,
        ].toSorted(),
      )
      const [neighbour] = sandbox.json('-6 neigh show dev netx0 nud permanent')
      assert.deepEqual([neighbour?.['dst'], neighbour?.['lladdr']], [gateway, place.via])
      assert.equal(host.kernel.isMarked(sandbox.path), false, 'none was born')
    }))

  test('and a born one take their end again, as an undo gives it', () =>
    withHost((host, sandboxes) => {
      const [, , sandbox] = sandboxes
      assert.ok(sandbox)
      moved(host, 'late', 'web', 7, sandbox)
      settled(host, 'late')
      const before = dump(host, sandboxes)
      // A Leave that could not be written.
      const open = host.items.filter(({ kind }) => kind === 'sysctl' || kind === 'table' || kind === 'link')
      const operations = diff(host.items, open)
      host.ns.enter(() => host.kernel.apply(operations))
      assert.notEqual(dump(host, sandboxes), before)
      host.ns.enter(() => host.kernel.apply(inverse(operations)))
      assert.equal(dump(host, sandboxes), before)
    }))
})

suite('an end on an internal network', () => {
  test('has no way out but to the fleet', () =>
    withHost((host, [, , born, other]) => {
      assert.ok(born && other)
      host.kernel.fleet = [host.prefix.text, OTHER_HOST]
      host.network('vault', '', { internal: true })
      const places = [
        { ...host.endpoint('v1', 'vault', 1, born), link: 'net0' },
        { ...moved(host, 'v2', 'vault', 2, other), link: 'netx0' },
      ]
      settled(host, 'v2')
      for (const place of places) {
        const { pool, network } = endpointOf(host, place.address)
        const way = `via ${gatewayAddress(network)} dev ${place.link}`
        const gateway = place.link === 'net0' ? [`${gatewayAddress(network)} dev net0`] : []
        const own = [pool, host.prefix.text, OTHER_HOST].map(prefix => `${prefix} from ${place.address} ${way}`)
        assert.deepEqual(routes(place.ns), [...gateway, ...own, `${pool} from :: ${way}`].toSorted())
        assert.throws(() => place.ns.ip(`-6 route get 2001:db8:ffff::1 from ${place.address}`), /unreachable/)
      }
    }))
})

suite('endpoint sysctls', () => {
  const sysctls = (...list: readonly (readonly [path: string, value: string])[]) => ({
    sysctls: list.map(([path, value]) => ({ path: path.split('/'), value })),
  })
  const HOPS = ['net/ipv6/conf/IFNAME/hop_limit', '77'] as const

  test('are those of the link', () =>
    withHost((host, [, , sandbox]) => {
      assert.ok(sandbox)
      host.endpoint('one', 'web', 7, sandbox)
      host.change('one', sysctls(HOPS, ['net/ipv4/neigh/IFNAME/app_solicit', '3']))
      host.apply()
      const read = (path: string): string => sandbox.exec('cat', `/proc/sys/net/${path}`).trim()
      assert.equal(read('ipv6/conf/net0/hop_limit'), '77')
      assert.equal(read('ipv6/conf/all/hop_limit'), '64')
      assert.equal(read('ipv4/neigh/net0/app_solicit'), '3')
    }))

  for (const [what, path, value] of [
    ['a value that the kernel refuses', 'net/ipv6/conf/IFNAME/hop_limit', '999'],
    ['a setting that is none', 'net/ipv6/conf/IFNAME/no_such', '1'],
  ] as const) {
    test(`fail the whole Join with ${what}, and leave nothing`, () =>
      withHost(async (host, sandboxes) => {
        const [, , sandbox] = sandboxes
        assert.ok(sandbox)
        const before = dump(host, sandboxes)
        host.endpoint('one', 'web', 7, sandbox, [{ protocol: 'tcp', port: 80 }])
        host.change('one', sysctls(HOPS, [path, value]))
        assert.throws(() => host.apply(), {
          code: 'OPTION_SYSCTL',
          message: new RegExp(`"${path.replaceAll('/', '.')}=${value}"`),
        })
        await host.kernel.flush()
        assert.equal(dump(host, sandboxes), before)
        assert.equal(host.kernel.isMarked(sandbox.path), false)
        assert.deepEqual(host.errors, [])
      }))
  }
})
