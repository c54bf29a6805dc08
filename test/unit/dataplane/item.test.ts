import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { conditionOf, type Item, type ItemKind, keyOf, order } from '../../../src/dataplane/item.ts'

const peer = { name: 'net0', mac: '02:00:00:00:00:01' }
const link: Item = {
  ...{ kind: 'link', name: 's64a', alias: 'slash64/n/e', mac: '02:00:00:00:00:02', mtu: 1400 },
  ...{ gateway: 'fe80::1', sandbox: '/s', peer },
}

const end: Item = {
  ...{ kind: 'end', link: 's64a', sandbox: '/s', mac: 'm', address: '2001:db8::1', prefixes: ['2001:db8::/112'] },
  ...{ gateway: { address: 'fe80::1', mac: 'h' }, internal: false, born: { sysctls: [] } },
}

const examples: { readonly [K in ItemKind]: readonly [Item, key: string, condition: string] } = {
  sysctl: [{ kind: 'sysctl', path: ['net', 'ipv6', 'a.b'], setting: '1' }, 'sysctl net/ipv6/a.b', '1'],
  table: [{ kind: 'table', family: 'inet', name: 'slash64', digest: 'd' }, 'table inet slash64', 'd'],
  element: [
    { kind: 'element', set: 'published', key: ['2001:db8::1', 'tcp', 80], comment: 'x' },
    'element published 2001:db8::1 . tcp . 80',
    '',
  ],
  address: [{ kind: 'address', address: '2001:db8::1' }, 'address 2001:db8::1', ''],
  unreachable: [{ kind: 'unreachable', prefix: '2001:db8::/64' }, 'unreachable 2001:db8::/64', ''],
  end: [end, 'end s64a', ''],
  link: [link, 'link s64a', 'slash64/n/e'],
  neighbour: [{ kind: 'neighbour', link: 's64a', address: '2001:db8::1', mac: 'm' }, 'neighbour s64a 2001:db8::1', 'm'],
  route: [{ kind: 'route', address: '2001:db8::1', link: 's64a' }, 'route 2001:db8::1', 's64a'],
}

describe('items', () => {
  it('have a key, which says which object, and a condition, which says how it is', () => {
    for (const [item, key, condition] of Object.values(examples)) {
      assert.equal(keyOf(item), key)
      assert.equal(conditionOf(item), condition)
    }
  })

  it('all have a place in the order of making', () => {
    assert.deepEqual([...order].toSorted(), Object.keys(examples).toSorted())
  })

  it('come after what they need: tables before all else, settings before links, links before what stands on them', () => {
    const before = (one: ItemKind, other: ItemKind) => assert.ok(order.indexOf(one) < order.indexOf(other))
    for (const kind of order.slice(1)) before('table', kind)
    before('sysctl', 'link')
    before('link', 'neighbour')
    before('link', 'route')
    before('route', 'element')
  })

  it('are compared as far as a kernel shows them: not by the far end of a link, not by what only the making needs', () => {
    assert.equal(conditionOf({ ...link, sandbox: '', mac: '', mtu: undefined, gateway: '' } as Item), conditionOf(link))
  })
})
