// Sets and maps of every kind: their elements as nft lists them and as they are read back, and what changes them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  accept,
  drop,
  type Element,
  isNetlinkError,
  jump,
  type NamedSet,
  Nftables,
  type OpenOptions,
  Transaction,
} from 'nftables-js'
import { withNetns } from '../../support/netns.ts'
import { nftCommands } from '../../support/nft.ts'
import { assertReloads, list, loadText, withRulesets } from './listing.ts'

const table = { family: 'inet', name: 'sets' } as const
const keys = (...all: Element['key'][]): Element[] => all.map(key => ({ key }))

/** A set as nft declares it, with its elements in nft's words and as values in the order in which they are read back. */
type Row = readonly [declaration: string, elements: string, set: NamedSet, values: readonly Element[]]
const rows: readonly Row[] = [
  ['set a { type ipv4_addr;', '192.0.2.1', { name: 'a', type: 'ipv4_addr' }, keys('192.0.2.1')],
  ['set b { type ether_addr;', '02:00:00:00:00:01', { name: 'b', type: 'ether_addr' }, keys('02:00:00:00:00:01')],
  ['set c { type mark;', '0x00000010', { name: 'c', type: 'mark' }, keys(0x10)],
  ['set d { type icmpv6_type;', 'echo-request', { name: 'd', type: 'icmpv6_type' }, keys('echo-request')],
  ['set e { type inet_proto;', 'tcp', { name: 'e', type: 'inet_proto' }, keys('tcp')],
  ['set f { type ifname . mark;', '"eth0" . 0x00000005', { name: 'f', type: ['ifname', 'mark'] }, keys(['eth0', 5])],
  [
    'set g { type ipv6_addr; comment "who"; flags timeout; timeout 1h;',
    '::1 timeout 5m comment "x"',
    { name: 'g', type: 'ipv6_addr', comment: 'who', flags: ['timeout'], timeout: 3_600_000 },
    [{ key: '::1', timeout: 300_000, comment: 'x' }],
  ],
  [
    'set h { type ipv6_addr; flags interval;',
    '::/128, ::5-::9 comment "x", 2001:db8::/32, ff00::/8',
    { name: 'h', type: 'ipv6_addr', flags: ['interval'] },
    [...keys('::'), { key: '::5-::9', comment: 'x' }, ...keys('2001:db8::/32', 'ff00::/8')],
  ],
  [
    'set i { type inet_service; flags interval;',
    '22, 80-90, 91-95, 65530-65535',
    { name: 'i', type: 'inet_service', flags: ['interval'] },
    keys(22, '80-90', '91-95', '65530-65535'),
  ],
  [
    'set j { type ipv6_addr . inet_service; flags interval;',
    '2001:db8::/32 . 80-90 comment "y", ::1 . 22',
    { name: 'j', type: ['ipv6_addr', 'inet_service'], flags: ['interval'] },
    [{ key: ['2001:db8::/32', '80-90'], comment: 'y' }, ...keys(['::1', 22])],
  ],
  [
    'set o { type ifname . ipv6_addr; flags interval;',
    '"eth0" . 2001:db8::/32',
    { name: 'o', type: ['ifname', 'ipv6_addr'], flags: ['interval'] },
    keys(['eth0', '2001:db8::/32']),
  ],
  [
    'map k { type ipv6_addr : mark;',
    '::1 : 0x00000022',
    { name: 'k', type: 'ipv6_addr', map: 'mark' },
    [{ key: '::1', data: 0x22 }],
  ],
  [
    'map l { type ipv6_addr . inet_service : verdict;',
    '::1 . 22 comment "z" : jump other',
    { name: 'l', type: ['ipv6_addr', 'inet_service'], map: 'verdict' },
    [{ key: ['::1', 22], data: jump('other'), comment: 'z' }],
  ],
  [
    'map m { type inet_service : verdict; flags interval;',
    '1-5 : accept, 22 : drop',
    { name: 'm', type: 'inet_service', map: 'verdict', flags: ['interval'] },
    [
      { key: '1-5', data: accept },
      { key: 22, data: drop },
    ],
  ],
  [
    'map n { type mark : ipv6_addr . inet_service;',
    '0x00000001 : ::1 . 80',
    { name: 'n', type: 'mark', map: ['ipv6_addr', 'inet_service'] },
    [{ key: 1, data: ['::1', 80] }],
  ],
]
const ruleset = {
  table,
  sets: rows.map(([, , set, elements]) => ({ ...set, elements })),
  chains: [{ name: 'other', rules: [] }],
}
const text = `table inet sets {\n  chain other { }\n${rows.map(([head, elements]) => `  ${head}\n    elements = { ${elements} }\n  }\n`).join('')}}\n`

/** Elements without the remaining lifetime that nft lists. */
const settled = (listing: string): string => listing.replaceAll(/ expires \w+/g, '').replaceAll(/,\n\s+/g, ', ')

/** The listing without timeouts of elements: reloaded, they would list another remaining lifetime. */
const lasting = (listing: string): string =>
  listing
    .replaceAll(/(timeout \w+ )?expires \w+ /g, '')
    .replace('\t\ttimeout 1h\n', '')
    .replace('\t\tflags timeout\n', '')

/** The kernel has the set as it was defined. */
function assertDefined(nft: Nftables, set: NamedSet): void {
  const found = nft.listSets(table).find(({ name }) => name === set.name)
  assert.ok(found, set.name)
  const { handle, anonymous, known, size, ...definition } = found
  assert.ok(handle > 0n && !anonymous && known)
  assert.deepEqual(definition, set)
}

for (const command of nftCommands()) {
  describe(`sets and ${command.name}`, () => {
    it('are listed as they were typed and reload', () =>
      withRulesets([ruleset], async (ns, nft) => {
        const listing = list(ns, command)
        for (const [, elements, set, values] of rows) {
          // ::/128 is listed as ::
          assert.ok(
            settled(listing).includes(`elements = { ${elements.replace('::/128', '::')} }`),
            `${set.name} in ${listing}`,
          )
          assert.deepEqual(nft.listElements(table, set), values)
          assertDefined(nft, set)
          if (set.comment) assert.ok(listing.includes(`comment "${set.comment}"`), listing)
        }
        await assertReloads(lasting(listing), command)
      }))

    it('are what nft makes of the text', () =>
      withNetns(ns => {
        loadText(ns, command, text)
        using nft = ns.enter(() => Nftables.open())
        for (const [, , set, values] of rows) {
          assert.deepEqual(nft.listElements(table, set), values, set.name)
          assertDefined(nft, set)
        }
      }))
  })
}

for (const options of [{}, { emulateDestroy: true }] satisfies OpenOptions[]) {
  const open = () => Nftables.open(options)
  describe(`elements ${JSON.stringify(options)}`, () => {
    it('are added and destroyed as often as one likes', () =>
      withNetns(ns => {
        using nft = ns.enter(open)
        nft.commit(new Transaction().load(ruleset))
        for (const [, , set, values] of rows) {
          for (const element of values) assert.ok(nft.hasElement(table, set, element), `${set.name} ${element.key}`)
          nft.commit(new Transaction().addElements(table, set, values))
          assert.deepEqual(nft.listElements(table, set), values)
          nft.commit(new Transaction().destroyElements(table, set, values))
          nft.commit(new Transaction().destroyElements(table, set, values))
          assert.deepEqual(nft.listElements(table, set), [])
          for (const element of values) assert.ok(!nft.hasElement(table, set, element), `${set.name} ${element.key}`)
        }
      }))

    it('are destroyed as the transaction finds them at that point', () =>
      withNetns(ns => {
        using nft = ns.enter(open)
        const set: NamedSet = { name: 'ports', type: 'inet_service' }
        const [one, two, three] = keys(1, 2, 3)
        assert.ok(one && two && three)
        nft.commit(new Transaction().addTable(table).addSet(table, set).addElements(table, set, [one]))
        const mixed = new Transaction()
          .addElements(table, set, [two])
          .destroyElements(table, set, [one, one, two, three])
          .addElements(table, set, [three])
        nft.commit(mixed)
        assert.deepEqual(nft.listElements(table, set), [three])
        nft.commit(new Transaction().flushSet(table, set.name).destroyElements(table, set, [three]))
        assert.deepEqual(nft.listElements(table, set), [])
        const again = new Transaction()
          .addElements(table, set, [one])
          .destroyTable(table)
          .addTable(table)
          .addSet(table, set)
          .destroyElements(table, set, [one])
        nft.commit(again)
        assert.deepEqual(nft.listElements(table, set), [])
      }))
  })
}

describe('a set', () => {
  const set: NamedSet = { name: 'hosts', type: 'ipv6_addr', flags: ['interval'] }
  const near = keys('2001:db8::/64')

  it('holds an interval only when it is that one', () =>
    withNetns(ns => {
      using nft = ns.enter(() => Nftables.open())
      nft.commit(new Transaction().addTable(table).addSet(table, set).addElements(table, set, near))
      const has = (key: string) => nft.hasElement(table, set, { key })
      assert.deepEqual(
        ['2001:db8::/64', '2001:db8::/65', '2001:db8::/63', '2001:db8::1', '::/64', 'ff00::/8'].map(has),
        [true, false, false, false, false, false],
      )
      assert.equal(nft.hasElement(table, { ...set, name: 'absent' }, { key: '::1' }), false)
    }))

  it('loses an absent element only with an error, and then nothing', () =>
    withNetns(ns => {
      using nft = ns.enter(() => Nftables.open())
      nft.commit(new Transaction().addTable(table).addSet(table, set).addElements(table, set, near))
      const wrong = new Transaction().deleteElements(table, set, near).deleteElements(table, set, keys('ff00::/8'))
      assert.throws(
        () => nft.commit(wrong),
        (error: unknown) => {
          assert.ok(isNetlinkError(error, 'ENOENT'))
          assert.equal(error.operation, 'delete element inet sets hosts "ff00::/8"')
          return true
        },
      )
      assert.deepEqual(nft.listElements(table, set), near)
      nft.commit(new Transaction().deleteElements(table, set, near))
      assert.deepEqual(nft.listElements(table, set), [])
    }))

  it('takes many elements in one transaction or in chunks', () =>
    withNetns(async ns => {
      using nft = ns.enter(() => Nftables.open())
      const flat: NamedSet = { name: 'many', type: ['ipv6_addr', 'inet_service'] }
      const many = Array.from(
        { length: 30_000 },
        (_, index): Element => ({
          key: [`2001:db8::${(index >> 8).toString(16)}:${(index & 255).toString(16)}`, 443],
          comment: `element ${index}`,
        }),
      )
      nft.commit(new Transaction().addTable(table).addSet(table, flat).addElements(table, flat, many))
      assert.equal(nft.listElements(table, flat).length, many.length)
      nft.commit(new Transaction().flushSet(table, flat.name))
      await nft.loadElements(table, flat, many, { chunk: 7000 })
      assert.equal(nft.listElements(table, flat).length, many.length)
      const last = many.at(-1)
      assert.ok(last && nft.hasElement(table, flat, last))
    }))
})
