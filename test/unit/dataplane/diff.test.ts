import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { diff, inverse, type Operation } from '../../../src/dataplane/diff.ts'
import { type ElementItem, type Item, keyOf, order, type TableItem } from '../../../src/dataplane/item.ts'
import { dumpOf, FakeKernel } from '../../support/fake-kernel.ts'

const SET: Item[] = [
  { kind: 'sysctl', path: ['net', 'ipv6', 'conf', 'all', 'forwarding'], setting: '1' },
  { kind: 'sysctl', path: ['net', 'ipv6', 'conf', 'eth0', 'accept_ra'], setting: '2' },
]

const filter = (digest: string): TableItem => ({ kind: 'table', family: 'inet', name: 'slash64', digest })
const arp = (digest: string): TableItem => ({ kind: 'table', family: 'arp', name: 'slash64', digest })

const element = (set: ElementItem['set'], ...key: (string | number)[]): ElementItem => ({ kind: 'element', set, key })

/** The alias follows from the name: both are made of the endpoint's id. */
function link(name: string): Item {
  const peer = { name: 'net0', mac: '02:00:00:00:00:01', address: '2001:db8::1', groupPrefix: '2001:db8::/112' }
  const mac = '02:00:00:00:00:02'
  return { kind: 'link', name, alias: `slash64/${name}`, mac, mtu: undefined, gateway: 'fe80::1', sandbox: '/s', peer }
}

const neighbour = (on: string, mac: string): Item => ({ kind: 'neighbour', link: on, address: '2001:db8::1', mac })
const route = (address: string, to: string): Item => ({ kind: 'route', address, link: to })

/** What one host may hold: elements only where the table is, neighbours and routes only on links that are there. */
const dataplane: fc.Arbitrary<Item[]> = fc
  .record({
    table: fc.constantFrom<(string | undefined)[]>(undefined, 'a', 'b'),
    arp: fc.constantFrom<(string | undefined)[]>(undefined, 'a', 'b'),
    settings: fc.tuple(fc.constantFrom('0', '1'), fc.constantFrom('1', '2')),
    plain: fc.subarray<Item>([
      { kind: 'address', address: '2001:db8::1' },
      { kind: 'address', address: '2001:db8:1::1' },
      { kind: 'unreachable', prefix: '2001:db8::/64' },
      { kind: 'unreachable', prefix: '2001:db8:1::/64' },
    ]),
    elements: fc.subarray<Item>([
      element('links', 's64a', '2001:db8::1'),
      element('links', 's64b', '2001:db8::2'),
      element('published', '2001:db8::1', 'tcp', 80),
      element('allow_group', '::1:0', '::1:0'),
      element('allow_port', '::1:0', '::2:0', 'tcp', 80),
      element('allow_range', '::1:0', '::2:0', 'udp', '1-300'),
    ]),
    links: fc.subarray(['s64a', 's64b', 's64c']),
    macs: fc.array(fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:03'), { minLength: 3, maxLength: 3 }),
    routes: fc.array(fc.nat({ max: 3 }), { minLength: 2, maxLength: 2 }),
  })
  .chain(({ table, arp: arpTable, settings, plain, elements, links, macs, routes }) =>
    fc.shuffledSubarray(
      [
        ...(table === undefined ? [] : [filter(table), ...elements]),
        ...(arpTable === undefined ? [] : [arp(arpTable)]),
        ...SET.map((item, index) => ({ ...item, setting: settings[index] ?? '0' }) as Item),
        ...plain,
        ...links.flatMap((name, index) => [link(name), neighbour(name, macs[index] ?? '')]),
        ...routes.flatMap((to, index) => links.slice(to, to + 1).map(name => route(`2001:db8::${index}`, name))),
      ],
      { minLength: 0 },
    ),
  )
  .map(closed)

/** Takes away what cannot be without what was left out. */
function closed(items: readonly Item[]): Item[] {
  const keys = new Set(items.map(keyOf))
  const settings = SET.filter(item => !keys.has(keyOf(item)))
  const stands = (item: Item): boolean => {
    if (item.kind === 'element') return keys.has('table inet slash64')
    if (item.kind === 'neighbour' || item.kind === 'route') return keys.has(`link ${item.link}`)
    return true
  }
  return [...items.filter(stands), ...settings]
}

/** A kernel that holds these items, put there in the order of making. */
const kernelOf = (items: readonly Item[]) => new FakeKernel(diff([], items).map(({ item }) => item))

const replacesTable = (operations: readonly Operation[], from: readonly Item[]): boolean => {
  const there = new Set(from.map(keyOf))
  return operations.some(({ verb, item }) => verb === 'add' && item.kind === 'table' && there.has(keyOf(item)))
}

describe('diff', () => {
  it('of a dataplane and itself, in any order, is empty', () => {
    fc.assert(fc.property(dataplane, items => assert.deepEqual(diff(items, items.toReversed()), [])))
  })

  it('turns any dataplane into any other', () => {
    fc.assert(
      fc.property(dataplane, dataplane, (from, to) => {
        const kernel = kernelOf(from)
        kernel.apply(diff(from, to))
        assert.deepEqual(kernel.dump(), dumpOf(to))
      }),
      { numRuns: 500 },
    )
  })

  it('is taken back by its inverse, unless a table was replaced', () => {
    fc.assert(
      fc.property(dataplane, dataplane, (from, to) => {
        const operations = diff(from, to)
        fc.pre(!replacesTable(operations, from))
        const kernel = kernelOf(from)
        kernel.apply(operations)
        kernel.apply(inverse(operations))
        assert.deepEqual(kernel.dump(), dumpOf(from))
      }),
      { numRuns: 300 },
    )
  })

  it('makes everything in order and unmakes it in the reverse order: tables first to come, links elements last', () => {
    const rank = (item: Item): number =>
      item.kind === 'element' && item.set === 'links' ? 99 : order.indexOf(item.kind)
    fc.assert(
      fc.property(dataplane, dataplane, (from, to) => {
        const operations = diff(from, to)
        const verbs = operations.map(({ verb }) => verb)
        assert.deepEqual(verbs, verbs.toSorted().toReversed(), 'what goes goes before anything comes')
        const ranks = (verb: Operation['verb']) =>
          operations.filter(one => one.verb === verb).map(one => rank(one.item))
        const ascending = (a: number, b: number) => a - b
        assert.deepEqual(ranks('add'), ranks('add').toSorted(ascending))
        assert.deepEqual(ranks('remove'), ranks('remove').toSorted(ascending).toReversed())
      }),
    )
  })

  it('removes a changed object before it adds it again, except a table, which is replaced at once', () => {
    const text = (operations: readonly Operation[]) => operations.map(({ verb, item }) => `${verb} ${keyOf(item)}`)
    const before = [filter('a'), element('links', 's64a', '2001:db8::1'), link('s64a'), neighbour('s64a', 'x')]
    const after = [filter('b'), element('links', 's64a', '2001:db8::1'), link('s64a'), neighbour('s64a', 'y')]
    assert.deepEqual(text(diff(before, after)), [
      'remove neighbour s64a 2001:db8::1',
      'add table inet slash64',
      'add neighbour s64a 2001:db8::1',
      'add element links s64a . 2001:db8::1',
    ])
  })

  it('does not look at comments: the kernel is not asked for them', () => {
    const one = element('allow_group', '::1:0', '::1:0')
    assert.deepEqual(diff([one], [{ ...one, comment: 'web -> db' }]), [])
  })
})

describe('inverse', () => {
  it('of the inverse is the list itself', () => {
    fc.assert(
      fc.property(dataplane, dataplane, (from, to) => {
        const operations = diff(from, to)
        assert.deepEqual(inverse(inverse(operations)), operations)
      }),
    )
  })
})

describe('the kernel that these tests believe', () => {
  it('refuses what the real one would, and takes back what it did', () => {
    const kernel = kernelOf([filter('a'), link('s64a')])
    const before = kernel.dump()
    const refused: readonly [RegExp, Operation][] = [
      [/link s64a is there already/, { verb: 'add', item: link('s64a') }],
      [/link s64b is not there/, { verb: 'remove', item: link('s64b') }],
      [/needs link s64b/, { verb: 'add', item: route('2001:db8::1', 's64b') }],
      [/is another one/, { verb: 'remove', item: filter('b') }],
    ]
    for (const [message, operation] of refused) {
      const good: Operation = { verb: 'add', item: route('2001:db8::7', 's64a') }
      assert.throws(() => kernel.apply([good, operation]), message)
      assert.deepEqual(kernel.dump(), before)
    }
    assert.throws(() => kernelOf([element('links', 's64a', '2001:db8::1')]), /needs table/)
  })
})
