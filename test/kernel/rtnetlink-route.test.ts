import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { addAddress } from '../../src/kernel/rtnetlink/address.ts'
import { getLink } from '../../src/kernel/rtnetlink/link.ts'
import { addRoute, deleteRoute, listRoutes, MAIN_TABLE } from '../../src/kernel/rtnetlink/route.ts'
import { SysctlTree } from '../../src/kernel/sysctl.ts'
import { connect, fields, withNetns } from '../support/netns.ts'
import { PROTOCOL, send, withPair } from './rtnetlink-pair.ts'

describe('routes', () => {
  it('of every shape are as `ip` shows them, and as they were asked for', () =>
    withPair((ns, socket, { index }) => {
      const common = { index, protocol: PROTOCOL, metric: 1024, table: MAIN_TABLE, type: 'unicast' } as const
      const routes = [
        { ...common, destination: '2001:db8::3/128' },
        { ...common, destination: 'fe80::1/128', mtu: 1300 },
        { ...common, destination: '::/0', source: '2001:db8::3/128', gateway: 'fe80::1' },
        { ...common, destination: '2001:db8:0:1::/64', gateway: 'fe80::1', metric: 7 },
        { ...common, destination: '2001:db8:0:2::/64', table: 1000 },
      ]
      const { index: _, ...unreachable } = { ...common, destination: '2001:db8::/64', type: 'unreachable' as const }
      send(socket, batch => {
        for (const route of routes) addRoute(batch, route)
        addRoute(batch, unreachable)
      })
      const lo = getLink(socket, { name: 'lo' })?.index ?? 0
      const key = (route: { destination: string }): string => route.destination
      const sorted = <T extends { destination: string }>(list: T[]): T[] =>
        list.sort((a, b) => (key(a) < key(b) ? -1 : 1))
      assert.deepEqual(
        sorted(listRoutes(socket, { protocol: PROTOCOL })),
        sorted([...routes, { ...unreachable, index: lo }]),
      )
      const shown = ns
        .json('-6 route show table all proto 64')
        .map(route => fields(route, 'type', 'dst', 'from', 'gateway', 'metric', 'table').join(' '))
      assert.deepEqual(shown.sort(), [
        'unicast 2001:db8:0:1::/64  fe80::1 7 main',
        'unicast 2001:db8:0:2::/64   1024 1000',
        'unicast 2001:db8::3   1024 main',
        'unicast default 2001:db8::3 fe80::1 1024 main',
        'unicast fe80::1   1024 main',
        'unreachable 2001:db8::/64   1024 main',
      ])
      assert.equal(listRoutes(socket, { table: 1000 }).length, 1)
      send(socket, batch => {
        for (const route of [...routes, unreachable]) deleteRoute(batch, route)
      })
      assert.deepEqual(listRoutes(socket, { protocol: PROTOCOL }), [])
    }))

  it('a source-specific default is taken by its source alone, an unreachable one refuses', () =>
    withPair((ns, socket, { index }) => {
      send(socket, batch => {
        for (const address of ['2001:db8::3', '2001:db8::4']) {
          addAddress(batch, { index, address, prefixLength: 128, nodad: true })
        }
        const gateway = { index, gateway: 'fe80::1', protocol: PROTOCOL }
        addRoute(batch, { ...gateway, destination: '::/0', source: '2001:db8::3/128' })
        addRoute(batch, { destination: '2001:db8:f::/48', protocol: PROTOCOL, type: 'unreachable' })
      })
      assert.match(ns.ip('-6 route get 2001:db8:1::1 from 2001:db8::3'), /via fe80::1 dev s64near/)
      assert.throws(() => ns.ip('-6 route get 2001:db8:1::1 from 2001:db8::4'), /Network is unreachable/)
      assert.throws(() => ns.ip('-6 route get 2001:db8:f::1'), /No route to host/)
    }))

  it('add refuses what exists, replace replaces it, a delete of nothing is ESRCH', () =>
    withPair((_, socket, { index }) => {
      const route = { destination: '2001:db8::/64', index, protocol: PROTOCOL }
      send(socket, batch => addRoute(batch, route))
      assert.throws(() => send(socket, batch => addRoute(batch, route)), { code: 'EEXIST' })
      send(socket, batch => addRoute(batch, { ...route, gateway: 'fe80::7', verb: 'replace' }))
      assert.deepEqual(
        listRoutes(socket, { protocol: PROTOCOL }).map(({ gateway }) => gateway),
        ['fe80::7'],
      )
      assert.throws(() => send(socket, batch => deleteRoute(batch, { ...route, protocol: 99 })), { code: 'ESRCH' })
      send(socket, batch => deleteRoute(batch, route))
      assert.throws(() => send(socket, batch => deleteRoute(batch, route)), { code: 'ESRCH' })
    }))

  it('what the kernel cached about a path is not listed', () =>
    withNetns(ns =>
      withNetns(async there => {
        connect(ns, 'near', there, 'far')
        ns.ip('addr add 2001:db8::1/64 dev near nodad')
        ns.ip('route add 2001:db8:1::/64 via 2001:db8::2')
        there.ip('addr add 2001:db8::2/64 dev far nodad')
        there.enter(() => new SysctlTree().write(['net', 'ipv6', 'conf', 'all', 'forwarding'], 1))
        there.ip('link add name narrow mtu 1280 type veth peer name end')
        there.ip('link set dev narrow up')
        there.ip('link set dev end up')
        there.ip('route add 2001:db8:1::/64 dev narrow')
        ns.exec('bash', '-c', 'head -c 1400 /dev/zero > /dev/udp/2001:db8:1::1/9')
        for (let tries = 0; tries < 100 && ns.ip('-6 route show cache') === ''; tries++) await sleep(20)
        assert.match(ns.ip('-6 route show cache'), /^2001:db8:1::1 .*mtu 1280/)
        using socket = ns.socket('route')
        const listed = listRoutes(socket).map(({ destination }) => destination)
        assert.ok(listed.includes('2001:db8:1::/64'))
        assert.ok(!listed.includes('2001:db8:1::1/128'))
      }),
    ))
})
