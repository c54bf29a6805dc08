// The filter table of iptables-legacy, byte by byte: linux/netfilter_ipv6/ip6_tables.h on a 64-bit machine, eight bytes a row.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  encodeCounters,
  encodeReplace,
  entriesRequest,
  infoRequest,
  type LegacyTable,
  parseEntries,
  parseInfo,
  withAccepts,
} from '../../../src/kernel/ip6tables-entries.ts'

const ENTRY = 208
const ERROR_ENTRY = 232
const DROP = -1
const ACCEPT = -2
const RETURN = -5

/** What ip6tables-legacy 1.8.9 puts into a table for `-i s64+ -j ACCEPT`. */
const GOLDEN_IN = bytesOf(`
  ${'00 00 00 00 00 00 00 00\n'.repeat(8)}  # any source, any destination, their masks
  73 36 34 2b 00 00 00 00  # in: "s64+"
  00 00 00 00 00 00 00 00
  00 00 00 00 00 00 00 00  # out: any
  00 00 00 00 00 00 00 00
  ff ff ff 00 00 00 00 00  # of in, 3 bytes count
  00 00 00 00 00 00 00 00
  00 00 00 00 00 00 00 00
  00 00 00 00 00 00 00 00
  00 00 00 00 00 00 00 00  # protocol, tos, flags, inverted
  00 00 00 00 a8 00 d0 00  # nfcache | target at 168 | next at 208
  00 00 00 00 00 00 00 00  # comefrom, padded
  00 00 00 00 00 00 00 00  # packets
  00 00 00 00 00 00 00 00  # bytes
  28 00 00 00 00 00 00 00  # target: 40 bytes, the standard one has no name
  00 00 00 00 00 00 00 00
  00 00 00 00 00 00 00 00
  00 00 00 00 00 00 00 00
  fe ff ff ff 00 00 00 00  # -1 - NF_ACCEPT, padded
`)

function bytesOf(golden: string): Buffer {
  const hex = golden.split('\n').map(line => (line.split('#')[0] ?? '').replaceAll(' ', ''))
  return Buffer.from(hex.join(''), 'hex')
}

function standard(verdict: number): Buffer {
  const bytes = Buffer.alloc(ENTRY)
  bytes.writeUInt16LE(168, 140)
  bytes.writeUInt16LE(ENTRY, 142)
  bytes.writeUInt16LE(40, 168)
  bytes.writeInt32LE(verdict, 200)
  return bytes
}

function error(name: string): Buffer {
  const bytes = Buffer.alloc(ERROR_ENTRY)
  bytes.writeUInt16LE(168, 140)
  bytes.writeUInt16LE(ERROR_ENTRY, 142)
  bytes.writeUInt16LE(64, 168)
  bytes.write('ERROR', 170)
  bytes.write(name, 200)
  return bytes
}

/** INPUT (hook 1), FORWARD (2) with these verdicts and this policy, OUTPUT (3), and a chain DOCKER-USER with these verdicts. */
function tableOf(forward: readonly number[], policy: number, user?: readonly number[]): LegacyTable {
  const chain = user ? [error('DOCKER-USER'), ...user.map(standard), standard(RETURN)] : []
  const list = [
    standard(ACCEPT),
    ...forward.map(standard),
    standard(policy),
    standard(ACCEPT),
    ...chain,
    error('ERROR'),
  ]
  const policyAt = ENTRY * (1 + forward.length)
  const info = {
    validHooks: 0b1110,
    begins: [-1, 0, ENTRY, policyAt + ENTRY, -1],
    policies: [-1, 0, policyAt, policyAt + ENTRY, -1],
    count: list.length,
    size: list.reduce((all, { length }) => all + length, 0),
  }
  return { info, entries: Buffer.concat(list) }
}

/** The offset of DOCKER-USER's first rule behind so many rules of FORWARD. */
const userStart = (forward: number): number => ENTRY * (3 + forward) + ERROR_ENTRY

describe('a filter table', () => {
  it('gets the entries that ip6tables-legacy writes, in an empty FORWARD', () => {
    const table = tableOf([], DROP)
    const { table: after, position, added } = withAccepts(table, 's64') ?? assert.fail('nothing to do')
    assert.deepEqual([position, added], [1, 2])
    assert.deepEqual(after.entries.subarray(2 * ENTRY, 3 * ENTRY), GOLDEN_IN)
    assert.deepEqual(after.info.begins, [-1, 0, ENTRY, 4 * ENTRY, -1], 'FORWARD begins with them')
    assert.deepEqual(after.info.policies, [-1, 0, 3 * ENTRY, 4 * ENTRY, -1], 'its policy comes after the new ones')
    assert.deepEqual([after.info.count, after.info.size], [table.info.count + 2, table.info.size + 2 * ENTRY])
    assert.equal(after.entries.length, after.info.size)
    assert.equal(withAccepts(after, 's64'), undefined)
  })

  it('is left alone where the policy is accept, whatever else is in it', () => {
    assert.equal(withAccepts(tableOf([], ACCEPT), 's64'), undefined)
    assert.equal(withAccepts(tableOf([DROP], ACCEPT, [DROP]), 's64'), undefined)
  })

  it('gets them behind every other rule, and jumps stay with what they jumped to', () => {
    const start = userStart(2)
    const { table, position } = withAccepts(tableOf([ACCEPT, start], DROP, [RETURN]), 's64') ?? assert.fail('nothing')
    assert.equal(position, 3)
    assert.deepEqual(table.entries.subarray(4 * ENTRY, 5 * ENTRY), GOLDEN_IN)
    assert.equal(table.entries.readInt32LE(2 * ENTRY + 200), start + 2 * ENTRY)
    assert.deepEqual(table.info.begins, [-1, 0, ENTRY, 6 * ENTRY, -1])
  })

  it('gets the one that is missing', () => {
    const both = withAccepts(tableOf([], DROP), 's64')?.table ?? assert.fail('nothing to do')
    both.entries.write('eth', ENTRY + 80)
    const again = withAccepts(both, 's64')
    assert.equal(again?.added, 1)
  })

  it('is refused when its bytes are no table', () => {
    const table = tableOf([], DROP, [ACCEPT])
    const whole = [0, 1, 2, 3, 3, 4, 5].map((entries, errors) => entries * ENTRY + (errors > 3 ? ERROR_ENTRY : 0))
    fc.assert(
      fc.property(fc.nat(table.entries.length - 1), length => {
        fc.pre(!whole.includes(length))
        assert.throws(() => withAccepts({ ...table, entries: table.entries.subarray(0, length) }, 's64'), RangeError)
      }),
    )
    const info = { ...table.info, policies: [-1, 0, 7, 8, -1] }
    assert.throws(() => withAccepts({ ...table, info }, 's64'), /no ip6tables entry begins at 7/)
    assert.throws(() => withAccepts(table, 'a-name-too-long'), /"a-name-too-long": write 1 to 14 characters/)
  })
})

describe('the arguments of getsockopt and setsockopt', () => {
  const table = tableOf([], DROP)
  const numbers = (bytes: Buffer): number[] =>
    Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readInt32LE(index * 4))

  it('ip6t_getinfo', () => {
    const bytes = infoRequest('filter')
    assert.equal(bytes.length, 84)
    assert.equal(bytes.toString('latin1', 0, 7), 'filter\0')
    const { validHooks, begins, policies, count, size } = table.info
    const filled = [validHooks, ...begins, ...policies, count, size]
    filled.forEach((value, index) => {
      bytes.writeInt32LE(value, 32 + 4 * index)
    })
    assert.deepEqual(parseInfo(bytes), table.info)
  })

  it('ip6t_get_entries', () => {
    const bytes = entriesRequest('filter', 500)
    assert.deepEqual([bytes.length, bytes.readUInt32LE(32)], [540, 500])
    assert.equal(parseEntries(bytes).length, 500)
  })

  it('ip6t_replace', () => {
    const bytes = encodeReplace('filter', table, 3, 0x1122334455667788n)
    const { validHooks, begins, policies, count, size } = table.info
    assert.deepEqual(numbers(bytes.subarray(32, 88)), [validHooks, count, size, ...begins, ...policies, 3])
    assert.equal(bytes.readBigUInt64LE(88), 0x1122334455667788n)
    assert.deepEqual(bytes.subarray(96), table.entries)
  })

  it('xt_counters_info: each entry keeps what it counted, new ones begin at 0', () => {
    const counters = Buffer.from(Array.from({ length: 4 * 16 }, (_, index) => 1 + Math.floor(index / 16)))
    const bytes = encodeCounters(
      'filter',
      { table: withAccepts(table, 's64')?.table ?? table, position: 1, added: 2 },
      counters,
    )
    assert.equal(bytes.readUInt32LE(32), 6)
    assert.equal(bytes.length, 40 + 6 * 16)
    const perEntry = Array.from({ length: 6 }, (_, index) => bytes[40 + 16 * index])
    assert.deepEqual(perEntry, [1, 0, 0, 2, 3, 4])
  })
})
