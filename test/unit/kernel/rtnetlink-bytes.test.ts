import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Address6 } from 'ip-address'
import {
  addressBytes,
  addressText,
  byte,
  macBytes,
  macText,
  prefixBytes,
  prefixText,
} from '../../../src/kernel/rtnetlink/bytes.ts'

// Half of the groups are zero, so that runs of every length and place come up.
const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
const address = groups.map(values => Buffer.concat(values.map(value => Buffer.from([value >> 8, value & 0xff]))))
const hex = (bytes: Buffer): string => bytes.toString('hex')

describe('IPv6 addresses', () => {
  it('are printed as ip-address prints them', () => {
    fc.assert(
      fc.property(address, bytes => {
        assert.equal(addressText(bytes), Address6.fromByteArray([...bytes]).correctForm())
      }),
    )
  })

  it('come back from their text, from the long form, and in upper case', () => {
    fc.assert(
      fc.property(address, bytes => {
        const text = addressText(bytes)
        assert.equal(hex(addressBytes(text)), hex(bytes))
        assert.equal(hex(addressBytes(new Address6(text).canonicalForm().toUpperCase())), hex(bytes))
      }),
    )
  })

  it('follow the examples of RFC 5952', () => {
    for (const [given, text] of [
      ['2001:0db8:0:0:0:0:2:0001', '2001:db8::2:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['::1', '::1'],
      ['fe80::', 'fe80::'],
      ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ] as const) {
      assert.equal(addressText(addressBytes(given)), text)
    }
  })

  it('are refused like ip-address refuses them, whatever the text', () => {
    const pieces = fc.constantFrom(':', '::', '0', '1', 'ab', '12345', 'g', ' ', '%', '/', '-1', '2001:db8::', '1:2:3')
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 10 }), parts => {
        const text = parts.join('')
        const valid = Address6.isValid(text) && !/[%/ ]/.test(text)
        if (valid) assert.equal(hex(addressBytes(text)), hex(Buffer.from(new Address6(text).toUnsignedByteArray())))
        else assert.throws(() => addressBytes(text), RangeError)
      }),
      { numRuns: 1000 },
    )
  })

  it('are refused with the text and what to write instead', () => {
    for (const text of ['', ':', ':::', '1:2:3:4:5:6:7', '1::2::3', '1:2:3:4:5:6:7:8:9', 'fe80::1%eth0', '10.0.0.1']) {
      assert.throws(() => addressBytes(text), {
        name: 'RangeError',
        message: `"${text}" is not an IPv6 address: write groups of hexadecimal digits, such as 2001:db8::1`,
      })
    }
    assert.throws(() => addressText(Buffer.alloc(4)), { message: '4 bytes are no IPv6 address: it has 16' })
  })
})

describe('prefixes', () => {
  it('come back from their text when nothing stands beyond their length, and are refused otherwise', () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 0, max: 128 }), (bytes, length) => {
        const text = `${addressText(bytes)}/${length}`
        const bits = [...bytes].map(value => value.toString(2).padStart(8, '0')).join('')
        if (bits.slice(length).includes('1')) {
          assert.throws(() => prefixBytes(text), {
            message: `"${text}" has bits beyond its length: clear them, or write /128`,
          })
        } else {
          const prefix = prefixBytes(text)
          assert.deepEqual(prefix, { bytes, length })
          assert.equal(prefixText(prefix.bytes, prefix.length), text)
        }
      }),
    )
  })

  it('are refused without a sound length', () => {
    for (const text of ['2001:db8::', '2001:db8::/', '2001:db8::/129', '2001:db8::/-1', '2001:db8::/4x', '/64']) {
      assert.throws(() => prefixBytes(text), { name: 'RangeError', message: /write / })
    }
  })

  it('stand for everything where the kernel gives no address', () => {
    assert.equal(prefixText(undefined, 0), '::/0')
  })
})

describe('MACs', () => {
  it('come back from their text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), octets => {
        const text = macText(Buffer.from(octets))
        assert.match(text, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/)
        assert.equal(hex(macBytes(text.toUpperCase())), hex(Buffer.from(octets)))
      }),
    )
  })

  it('are refused with the text and what to write instead', () => {
    for (const text of ['', '02:42', '02-42-ac-11-00-02', '02:42:ac:11:00:0g', '02:42:ac:11:00:02:03']) {
      assert.throws(() => macBytes(text), {
        name: 'RangeError',
        message: `"${text}" is not a MAC: write six octets, such as 02:42:ac:11:00:02`,
      })
    }
    assert.throws(() => macText(Buffer.alloc(4)), { message: '4 bytes are no MAC: it has 6' })
  })
})

it('a byte is 0 to 255', () => {
  assert.equal(byte(255, 'x'), 255)
  for (const value of [-1, 256, 1.5, Number.NaN]) {
    assert.throws(() => byte(value, 'route protocol'), {
      message: `route protocol ${value} does not fit one byte: write 0 to 255`,
    })
  }
})
