import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { linkSettings } from '../../src/dataplane/host.ts'
import { addAddress, listAddresses } from '../../src/kernel/rtnetlink/address.ts'
import { addVeth, createVeth, deleteLink, getLink, listLinks, setLink } from '../../src/kernel/rtnetlink/link.ts'
import { addNeighbour } from '../../src/kernel/rtnetlink/neighbour.ts'
import { addRoute, listRoutes } from '../../src/kernel/rtnetlink/route.ts'
import { fields, withNetns } from '../support/netns.ts'
import { far, near, PROTOCOL, send, withPair } from './rtnetlink-pair.ts'

describe('links', () => {
  it('a pair in one namespace is as asked for, and echoed with its index', () =>
    withNetns(ns => {
      using socket = ns.socket('route')
      const link = createVeth(socket, { ...near, txQueueLength: 500, alias: 'slash64/network/endpoint' }, far)
      const [seen] = ns.json('link show dev s64near')
      const [peer] = ns.json('link show dev s64far')
      assert.ok(seen && peer)
      assert.deepEqual(fields(seen, 'ifindex', 'address', 'mtu', 'txqlen'), [link.index, near.mac, near.mtu, 500])
      assert.deepEqual(fields(peer, 'address', 'mtu', 'ifindex'), [far.mac, far.mtu, link.peerIndex])
      const { settings, ...rest } = link
      assert.deepEqual(rest, {
        ...near,
        alias: 'slash64/network/endpoint',
        index: link.index,
        group: 0,
        up: false,
        running: false,
        kind: 'veth',
        peerIndex: link.peerIndex,
        addrGenMode: 'eui64',
      })
      assert.deepEqual(getLink(socket, near), link)
      assert.deepEqual(getLink(socket, { index: link.index }), link)
      assert.ok(settings)
    }))

  it('a new link tells its settings by the numbers that we know them by', () =>
    withNetns(ns => {
      using socket = ns.socket('route')
      const setting = (name: string) => `/proc/sys/net/ipv6/conf/${near.name}/${name}`
      createVeth(socket, near, far)
      for (const { name, number } of linkSettings) {
        if (!ns.enter(() => existsSync(setting(name)))) continue
        for (const value of [0, 1]) {
          ns.enter(() => writeFileSync(setting(name), String(value)))
          assert.equal(getLink(socket, near)?.settings?.[number], value, `${name} ${value}`)
        }
        ns.enter(() => writeFileSync(setting(name), '0'))
      }
    }))

  it('the other end is born in the namespace of a descriptor', () =>
    withNetns(ns =>
      withNetns(there => {
        using socket = ns.socket('route')
        const netns = openSync(there.path, 'r')
        const link = createVeth(socket, near, { ...far, name: 'eth0', netns })
        closeSync(netns)
        const [peer] = there.json('link show dev eth0')
        assert.ok(peer)
        assert.deepEqual(fields(peer, 'address', 'mtu', 'ifindex'), [far.mac, far.mtu, link.peerIndex])
        assert.equal(typeof link.peerNetnsId, 'number')
        assert.deepEqual(listLinks(socket, { kind: 'veth' }), [link])
      }),
    ))

  it('every change arrives, and addrGenMode before up: no link-local address appears', () =>
    withNetns(ns => {
      using socket = ns.socket('route')
      const { index } = createVeth(socket, near, far)
      send(socket, batch => {
        setLink(
          batch,
          { index },
          { up: true, addrGenMode: 'none', group: 9, mtu: 1300, alias: 'other', mac: '02:00:00:00:00:09' },
        )
        setLink(batch, far, { up: true })
      })
      assert.deepEqual(getLink(socket, { index }), {
        ...getLink(socket, near),
        up: true,
        running: true,
        addrGenMode: 'none',
        group: 9,
        mtu: 1300,
        alias: 'other',
        mac: '02:00:00:00:00:09',
      })
      assert.deepEqual(listAddresses(socket, { index }), [])
      assert.equal(listAddresses(socket, { index: getLink(socket, far)?.index ?? 0 })[0]?.scope, 'link')
      send(socket, batch => setLink(batch, { index }, { up: false, name: 's64new' }))
      assert.deepEqual([getLink(socket, near), getLink(socket, { index })?.name], [undefined, 's64new'])
    }))

  it('a link moves to another namespace under a new name', () =>
    withNetns(ns =>
      withNetns(there => {
        using socket = ns.socket('route')
        const { index } = createVeth(socket, near, far)
        const netns = openSync(there.path, 'r')
        send(socket, batch => setLink(batch, { index }, { netns, name: 'eth0' }))
        closeSync(netns)
        assert.equal(there.json('link show dev eth0').length, 1)
        assert.equal(getLink(socket, near), undefined)
      }),
    ))

  it('a deleted pair is gone from the list, by kind or not', () =>
    withPair((_, socket) => {
      const names = (): string[] => listLinks(socket, { kind: 'veth' }).map(({ name }) => name)
      assert.deepEqual(names().sort(), [far.name, near.name])
      assert.deepEqual(listLinks(socket, { kind: 'nosuch' }), [])
      send(socket, batch => deleteLink(batch, near))
      assert.deepEqual(names(), [])
      assert.throws(() => send(socket, batch => deleteLink(batch, near)), {
        code: 'ENODEV',
        message: 'delete link s64near: ENODEV',
      })
    }))
})

describe('refusals', () => {
  it('carry the operation and the kernel’s own words', () =>
    withPair((_, socket, { index }) => {
      assert.throws(
        () =>
          send(socket, batch =>
            addRoute(batch, { destination: '::/0', gateway: '2001:db8::1', index, protocol: PROTOCOL }),
          ),
        { code: 'EHOSTUNREACH', operation: `add route ::/0 via 2001:db8::1 on link ${index}` },
      )
      assert.throws(
        () => send(socket, batch => addNeighbour(batch, { index: 999, address: '2001:db8::1', mac: far.mac })),
        { code: 'ENODEV', message: 'add neighbour 2001:db8::1 (02:00:00:00:00:02) on link 999: ENODEV' },
      )
      assert.throws(
        () => send(socket, batch => addAddress(batch, { index: 999, address: '2001:db8::1', prefixLength: 64 })),
        (error: { detail?: string }) => (error.detail ?? '').includes('interface'),
      )
    }))

  it('do not stop the messages after them: a send is not atomic', () =>
    withPair((_, socket, { index }) => {
      const routes = ['2001:db8:1::/64', '2001:db8:1::/64', '2001:db8:2::/64']
      assert.throws(
        () =>
          send(socket, batch => {
            for (const destination of routes) addRoute(batch, { destination, index, protocol: PROTOCOL })
          }),
        { code: 'EEXIST' },
      )
      assert.equal(listRoutes(socket, { protocol: PROTOCOL }).length, 2)
    }))

  it('leave no pair behind when the other end cannot be made', () =>
    withNetns(ns => {
      using socket = ns.socket('route')
      assert.throws(() => send(socket, batch => addVeth(batch, near, { ...far, netns: 12345 })), { code: 'EBADF' })
      assert.throws(() => send(socket, batch => addVeth(batch, near, { ...far, mac: '03:00:00:00:00:01' })), {
        code: 'EADDRNOTAVAIL',
      })
      assert.equal(getLink(socket, near), undefined)
    }))
})
