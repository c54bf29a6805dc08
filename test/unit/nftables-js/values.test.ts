// Values to bytes and back: for every type, for intervals, and for whole elements.
import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Element, NamedSet, Scalar } from 'nftables-js'
import { formatIpv6, parseIpv4, parseIpv6 } from '../../../src/nftables-js/src/addresses.ts'
import { dataTypes, fieldBytes, readField, type TypeName } from '../../../src/nftables-js/src/datatypes.ts'
import { parseElements, readElements, writeElement } from '../../../src/nftables-js/src/elements.ts'
import { boundaries, decrement, increment, sortIntervals } from '../../../src/nftables-js/src/intervals.ts'
import { layoutOf } from '../../../src/nftables-js/src/layout.ts'
import { Writer } from '../../../src/nftables-js/src/netlink/index.ts'
import { commentRecord, numberRecord, parseUserdata, readComment } from '../../../src/nftables-js/src/userdata.ts'

const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).map(groups => {
  const bytes = Buffer.alloc(16)
  groups.forEach((value, index) => {
    bytes.writeUInt16BE(value, index * 2)
  })
  return formatIpv6(bytes)
})
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })

describe('IPv6 addresses', () => {
  it('are read exactly when Node takes them for one', () => {
    const pieces = fc.constantFrom(':', '::', '0', 'f', 'abcd', '12345', '1.2.3.4', '256.1.1.1', '.', '%lo', 'g', '')
    const scribble = fc.array(pieces, { maxLength: 12 }).map(parts => parts.join(''))
    fc.assert(
      fc.property(fc.oneof(scribble, ipv6, fc.ipV6()), text => {
        assert.equal(parseIpv6(text, Buffer.alloc(16), 0), isIPv6(text) && !text.includes('%'), text)
      }),
      { numRuns: 2000 },
    )
  })

  it('come back the same, and where they should be', () => {
    fc.assert(
      fc.property(ipv6, text => {
        const out = Buffer.alloc(20, 0xee)
        assert.ok(parseIpv6(text, out, 2))
        assert.equal(formatIpv6(out, 2), text)
        assert.deepEqual([out[1], out[18]], [0xee, 0xee])
      }),
    )
  })

  it('are shortened as RFC 5952 wants', () => {
    for (const [given, wanted] of [
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['0:1:0:1:0:1:0:1', '0:1:0:1:0:1:0:1'],
      ['::ffff:192.0.2.1', '::ffff:c000:201'],
      ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
      ['A::B', 'a::b'],
    ] as const) {
      const out = Buffer.alloc(16)
      assert.ok(parseIpv6(given, out, 0))
      assert.equal(formatIpv6(out), wanted)
    }
  })

  it('of four numbers take only plain decimal ones', () => {
    const verdicts = ['1.2.3.4', '01.2.3.4', '1.2.3', '1.2.3.4.5', '1.2.3.256', '1.2.3.4 '].map(text =>
      parseIpv4(text, Buffer.alloc(4), 0),
    )
    assert.deepEqual(verdicts, [true, false, false, false, false, false])
  })
})

describe('fields', () => {
  const samples: Partial<Record<TypeName, fc.Arbitrary<Scalar>>> = {
    ipv6_addr: ipv6,
    ipv4_addr: fc.ipV4(),
    ifname: fc.stringMatching(/^[a-z0-9.-]{1,15}$/),
    ether_addr: fc.stringMatching(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/),
    inet_service: u16,
    mark: u32,
  }
  it('of every type come back', () => {
    for (const type of Object.values(dataTypes)) {
      const symbols = Object.keys(type.symbols ?? {})
      const value =
        samples[type.name as TypeName] ?? fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(...symbols))
      fc.assert(
        fc.property(value, given => {
          const bytes = fieldBytes(type, given)
          assert.equal(bytes.length, type.length)
          const back = readField(type, bytes, 0)
          assert.deepEqual(fieldBytes(type, back), bytes)
          if (symbols.length === 0) assert.equal(back, given)
        }),
        { numRuns: 50 },
      )
    }
  })

  it('have the byte order of their type', () => {
    assert.equal(fieldBytes(dataTypes.inet_service, 443).toString('hex'), '01bb')
    assert.equal(fieldBytes(dataTypes.mark, 0x11).toString('hex'), '11000000')
    assert.equal(fieldBytes(dataTypes.mark, '0x11').toString('hex'), '11000000')
    assert.equal(fieldBytes(dataTypes.tcp_flag, ['syn', 'ack']).toString('hex'), '12')
    assert.equal(fieldBytes(dataTypes.ct_state, ['established', 'related']).toString('hex'), '06000000')
    assert.equal(fieldBytes(dataTypes.ifname, 'lo').toString('hex'), `6c6f${'00'.repeat(14)}`)
  })
})

/** Writes elements as for the kernel and reads them as from it. */
function roundTrip(set: NamedSet, elements: readonly Element[]): Element[] {
  const writer = new Writer()
  const layout = layoutOf(set)
  writer.rawU32(0).nest(3, list => {
    for (const element of elements) writeElement(list, layout, element, true)
  })
  return readElements(layout, parseElements(writer.bytes))
}

describe('elements', () => {
  it('of a concatenation come back', () => {
    const set: NamedSet = { name: 's', type: ['ipv6_addr', 'inet_service', 'ifname', 'mark'], map: 'inet_service' }
    const comment = fc.option(fc.stringMatching(/^[ -~]{0,127}$/), { nil: undefined })
    const timeout = fc.option(fc.integer({ min: 1, max: 2 ** 40 }), { nil: undefined })
    fc.assert(
      fc.property(ipv6, u16, u32, u16, comment, timeout, (address, port, mark, data, text, lifetime) => {
        const element: Element = {
          key: [address, port, 'eth0', mark],
          data,
          ...(text !== undefined && { comment: text }),
          ...(lifetime !== undefined && { timeout: lifetime }),
        }
        assert.deepEqual(roundTrip(set, [element]), [element])
      }),
    )
  })

  it('that are intervals come back, whatever their neighbours', () => {
    const set: NamedSet = { name: 's', type: 'inet_service', flags: ['interval'] }
    const cuts = fc.uniqueArray(fc.integer({ min: 0, max: 65_536 }), { minLength: 2, maxLength: 10 })
    fc.assert(
      fc.property(cuts, fc.boolean(), (numbers, gaps) => {
        const sorted = [...numbers].sort((a, b) => a - b)
        const elements = sorted.slice(1).flatMap((end, index): Element[] => {
          const start = sorted[index] ?? 0
          if (gaps && index % 2 === 1) return []
          return [{ key: end - 1 === start ? start : `${start}-${end - 1}`, comment: `${start}` }]
        })
        assert.deepEqual(roundTrip(set, elements.toReversed()), elements)
      }),
    )
  })

  it('that are prefixes come back as prefixes', () => {
    const set: NamedSet = { name: 's', type: ['ipv6_addr', 'inet_service'], flags: ['interval'] }
    fc.assert(
      fc.property(ipv6, fc.integer({ min: 1, max: 127 }), u16, (address, length, port) => {
        const bytes = Buffer.alloc(16)
        parseIpv6(address, bytes, 0)
        const masked = (BigInt(`0x${bytes.toString('hex')}`) >> BigInt(128 - length)) << BigInt(128 - length)
        Buffer.from(masked.toString(16).padStart(32, '0'), 'hex').copy(bytes)
        const element = { key: [`${formatIpv6(bytes)}/${length}`, port] }
        assert.deepEqual(roundTrip(set, [element]), [element])
      }),
    )
  })

  it('read back as the range that they are where it is no prefix', () => {
    const set: NamedSet = { name: 's', type: 'ipv6_addr', flags: ['interval'] }
    const keys = ['::1-::2', '::8-::b', '2001:db8::-2001:db8::fffe'].map(key => ({ key }))
    assert.deepEqual(roundTrip(set, keys), [
      { key: '::1-::2' },
      { key: '::8/126' },
      { key: '2001:db8::-2001:db8::fffe' },
    ])
  })
})

describe('intervals', () => {
  it('of an anonymous set are sorted and joined', () => {
    const interval = (low: number, high: number) => ({ low: Buffer.of(low), high: Buffer.of(high) })
    const joined = sortIntervals([interval(9, 9), interval(1, 3), interval(4, 6), interval(2, 5), interval(250, 255)])
    assert.deepEqual(joined, [interval(1, 6), interval(9, 9), interval(250, 255)])
    assert.deepEqual(
      boundaries(joined).map(({ key, end }) => [key[0], end]),
      [
        [0, true],
        [1, false],
        [7, true],
        [9, false],
        [10, true],
        [250, false],
      ],
    )
  })

  it('step to the next key and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 16 }), bytes => {
        const key = Buffer.from(bytes)
        assert.equal(
          increment(key),
          bytes.some(octet => octet !== 255),
        )
        decrement(key)
        assert.deepEqual(key, Buffer.from(bytes))
      }),
    )
  })
})

describe('userdata', () => {
  it('comes back, and a torn record is left out', () => {
    const bytes = Buffer.concat([numberRecord(0, 2), commentRecord(7, 'grüße')])
    assert.equal(readComment(bytes, 7), 'grüße')
    assert.deepEqual([...parseUserdata(bytes).keys()], [0, 7])
    assert.deepEqual([...parseUserdata(bytes.subarray(0, -1)).keys()], [0])
    assert.equal(readComment(undefined), undefined)
  })
})
