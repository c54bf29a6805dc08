import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type GroupBits, namedGroup } from '../../../src/address/group.ts'
import { groupKey } from '../../../src/address/plan.ts'
import { parseAllow } from '../../../src/policy/allow.ts'
import { type AllowRow, allowRows } from '../../../src/policy/elements.ts'
import { groupBits } from '../address/arbitraries.ts'
import { allowEntries, port, protocol } from './arbitraries.ts'

const db = namedGroup('db')
const web = groupKey(namedGroup('web').bits)
const to = groupKey(db.bits)

test('one row for a port, one for a group', () => {
  assert.deepEqual(allowRows(parseAllow('web:5432'), db.bits, 'db'), [
    { set: 'allow_port', key: [web, to, 'tcp', 5432], comment: 'web -> db' },
  ])
  assert.deepEqual(allowRows(parseAllow('web'), db.bits, 'db'), [
    { set: 'allow_group', key: [web, to], comment: 'web -> db' },
  ])
  assert.deepEqual(allowRows([], db.bits, 'db'), [])
})

test('256 ports are rows of their own, 257 are a range', () => {
  const rows = allowRows(parseAllow('web:1000-1255/udp'), db.bits, 'db')
  assert.equal(rows.length, 256)
  assert.deepEqual(rows[0], { set: 'allow_port', key: [web, to, 'udp', 1000], comment: 'web -> db' })
  assert.deepEqual(rows[255], { set: 'allow_port', key: [web, to, 'udp', 1255], comment: 'web -> db' })
  assert.deepEqual(allowRows(parseAllow('web:1000-1256/udp'), db.bits, 'db'), [
    { set: 'allow_range', key: [web, to, 'udp', '1000-1256'], comment: 'web -> db' },
  ])
})

test('comments have 120 bytes at most, and bits where there is no name', () => {
  const long = 'w'.repeat(63)
  const [row] = allowRows(parseAllow(`${long}:1`), db.bits, 'd'.repeat(63))
  assert.equal(row?.comment, `${'w'.repeat(55)}... -> ${'d'.repeat(55)}...`)
  assert.equal(row?.comment.length, 120)
  assert.equal(allowRows(parseAllow('web'), 0x80000001 as GroupBits)[0]?.comment, 'web -> 8000:0001')
})

/** What the kernel does with the rows: exact matches, then intervals. */
function matched(rows: readonly AllowRow[], source: string, proto: string, number: number): AllowRow[] {
  return rows.filter(({ set, key }) => {
    if (key[0] !== source) return false
    if (set === 'allow_group') return true
    if (set === 'allow_port') return key[2] === proto && key[3] === number
    const [first = 0, last = 0] = key[3].split('-').map(Number)
    return key[2] === proto && first <= number && number <= last
  })
}

test('rows let in what the entries let in, and one packet matches one row at most', () => {
  fc.assert(
    fc.property(allowEntries, groupBits, protocol, port, (entries, destination, proto, number) => {
      const normal = parseAllow(
        entries
          .map(({ peer, ports }) => (ports ? `${peer.name}:${ports.first}-${ports.last}/${ports.protocol}` : peer.name))
          .join(','),
      )
      const rows = allowRows(normal, destination)
      assert.equal(new Set(rows.map(({ key }) => key.join(' '))).size, rows.length)
      for (const { peer } of entries) {
        const may = entries.some(({ peer: { name }, ports }) => {
          if (name !== peer.name) return false
          return !ports || (ports.protocol === proto && ports.first <= number && number <= ports.last)
        })
        assert.equal(matched(rows, groupKey(peer.bits), proto, number).length, may ? 1 : 0)
      }
    }),
  )
})
