import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressText, parseAddress } from '../../../src/address/address.ts'
import { PluginError } from '../../../src/errors.ts'
import { addressBits, addressTexts, hostile } from './arbitraries.ts'

const texts: [written: string, canonical: string][] = [
  ['::', '::'],
  ['2001:DB8::0001', '2001:db8::1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
  ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
  ['::ffff:142.2.0.0', '::ffff:8e02:0'],
]

for (const [written, canonical] of texts) {
  test(`${written} is ${canonical}`, () => assert.equal(addressText(parseAddress(written)), canonical))
}

for (const text of [
  '',
  '1::2::3',
  '12345::',
  '1:2:3',
  'fe80::1%eth0',
  '::1/64',
  '10.0.0.1',
  '[::1]',
  ' ::1',
  '::g',
  '__proto__',
]) {
  test(`${JSON.stringify(text)} is no address`, () => {
    assert.throws(() => parseAddress(text), { code: 'ADDRESS_INVALID', message: /write / })
  })
}

test('an IPv4 address gets a sentence of its own', () => {
  assert.throws(() => parseAddress('10.0.0.1'), {
    message: /"10\.0\.0\.1" is not an IPv6 address: slash64 routes IPv6 only/,
  })
})

test('text is the one that browsers write too', () => {
  fc.assert(fc.property(addressTexts, text => assert.equal(`[${text}]`, new URL(`http://[${text}]`).hostname)))
})

test('every address is read back from its text', () => {
  fc.assert(fc.property(addressBits, bits => assert.equal(parseAddress(addressText(bits)), bits)))
})

test('takes what Node takes for an address, and throws nothing but PluginError', () => {
  fc.assert(
    fc.property(fc.oneof(hostile, fc.ipV6()), text => {
      let valid = true
      try {
        parseAddress(text)
      } catch (error) {
        assert.ok(error instanceof PluginError)
        valid = false
      }
      assert.equal(valid, isIPv6(text) && !text.includes('%'), text.slice(0, 60))
    }),
    { numRuns: 500 },
  )
})
