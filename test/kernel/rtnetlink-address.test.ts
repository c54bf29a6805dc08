import assert from 'node:assert/strict'
import { it } from 'node:test'
import { addAddress, deleteAddress, listAddresses } from '../../src/kernel/rtnetlink/address.ts'
import { getLink } from '../../src/kernel/rtnetlink/link.ts'
import { addNeighbour, deleteNeighbour, listNeighbours } from '../../src/kernel/rtnetlink/neighbour.ts'
import { MAIN_TABLE } from '../../src/kernel/rtnetlink/route.ts'
import { addRule, deleteRule, listRules } from '../../src/kernel/rtnetlink/rule.ts'
import { fields, withNetns } from '../support/netns.ts'
import { far, PROTOCOL, send, withPair } from './rtnetlink-pair.ts'

it('addresses', () =>
  withPair((ns, socket, { index }) => {
    const address = { index, address: '2001:db8::3', prefixLength: 128 }
    send(socket, batch => {
      addAddress(batch, { ...address, nodad: true, noPrefixRoute: true })
      addAddress(batch, { index, address: 'fe80::5', prefixLength: 64, nodad: true })
    })
    const [seen] = ns.json<{ addr_info: Record<string, unknown>[] }>('addr show dev s64near')
    const info = seen?.addr_info.map(({ local, prefixlen, nodad, noprefixroute }) => [
      local,
      prefixlen,
      nodad,
      noprefixroute,
    ])
    assert.deepEqual(info, [
      ['2001:db8::3', 128, true, true],
      ['fe80::5', 64, true, undefined],
    ])
    assert.deepEqual(listAddresses(socket, { index }), [
      { ...address, scope: 'global', flags: ['nodad', 'permanent', 'noprefixroute'] },
      { index, address: 'fe80::5', prefixLength: 64, scope: 'link', flags: ['nodad', 'permanent'] },
    ])
    assert.throws(() => send(socket, batch => addAddress(batch, address)), { code: 'EEXIST' })
    const there = listAddresses(socket, { index })
    send(socket, batch => addAddress(batch, { ...address, nodad: true, noPrefixRoute: true, verb: 'replace' }))
    assert.deepEqual(listAddresses(socket, { index }), there)
    send(socket, batch => deleteAddress(batch, address))
    assert.equal(listAddresses(socket, { index }).length, 1)
    assert.throws(() => send(socket, batch => deleteAddress(batch, address)), { code: 'EADDRNOTAVAIL' })
  }))

it('neighbours: permanent, also over what was there before', () =>
  withPair((ns, socket, { index }) => {
    const neighbour = { index, address: '2001:db8::3' }
    ns.ip('neigh add 2001:db8::3 dev s64near lladdr 02:00:00:00:00:77 nud stale')
    send(socket, batch => {
      addNeighbour(batch, { ...neighbour, mac: far.mac })
      addNeighbour(batch, { index, address: 'fe80::9', mac: far.mac })
    })
    const own = (): unknown[] => listNeighbours(socket, { index }).filter(({ state }) => state !== 'noarp')
    const key = { mac: far.mac, state: 'permanent' }
    assert.deepEqual(
      new Set(own()),
      new Set([
        { ...neighbour, ...key },
        { index, address: 'fe80::9', ...key },
      ]),
    )
    assert.deepEqual(
      ns
        .json('neigh show dev s64near nud permanent')
        .map(({ dst, lladdr, state }) => [dst, lladdr, state])
        .sort(),
      [
        ['2001:db8::3', far.mac, ['PERMANENT']],
        ['fe80::9', far.mac, ['PERMANENT']],
      ],
    )
    assert.deepEqual(
      listNeighbours(socket, { index: getLink(socket, far)?.index ?? 0 }).filter(({ mac }) => mac === far.mac),
      [],
    )
    send(socket, batch => deleteNeighbour(batch, neighbour))
    assert.equal(own().length, 1)
    assert.throws(() => send(socket, batch => deleteNeighbour(batch, neighbour)), { code: 'ENOENT' })
  }))

it('rules', () =>
  withNetns(ns => {
    using socket = ns.socket('route')
    const rule = { from: '2001:db8::3/128', table: 1000, priority: 100, protocol: PROTOCOL }
    send(socket, batch => addRule(batch, rule))
    const [seen] = ns.json('-6 rule show priority 100')
    assert.deepEqual(fields(seen, 'src', 'table', 'protocol'), ['2001:db8::3', '1000', '64'])
    assert.deepEqual(listRules(socket), [
      { priority: 0, table: 255, protocol: 2 },
      rule,
      { priority: 32766, table: MAIN_TABLE, protocol: 2 },
    ])
    assert.throws(() => send(socket, batch => addRule(batch, rule)), { code: 'EEXIST' })
    send(socket, batch => deleteRule(batch, rule))
    assert.throws(() => send(socket, batch => deleteRule(batch, rule)), { code: 'ENOENT' })
  }))
