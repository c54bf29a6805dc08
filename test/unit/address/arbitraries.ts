import fc from 'fast-check'
import { addressText } from '../../../src/address/address.ts'
import type { GroupBits } from '../../../src/address/group.ts'
import { type HostPrefix, parseHostPrefix, prefixOf } from '../../../src/address/prefix.ts'

/** Any host prefix, /48 to /80, in documentation space. */
export const hostPrefix: fc.Arbitrary<HostPrefix> = fc
  .tuple(fc.bigInt(0n, (1n << 96n) - 1n), fc.integer({ min: 48, max: 80 }))
  .map(([low, length]) => prefixOf((0x20010db8n << 96n) | low, length))
  .filter(({ first }) => ![0x0200n, 0xfdffn].includes((first >> 48n) & 0xffffn))
  .map(({ text }) => parseHostPrefix(text, { allowDocumentation: true }))

export const groupBits = fc.integer({ min: 1, max: 0xffffffff }).map(bits => bits as GroupBits)

export const endpointNumber = fc.integer({ min: 1, max: 65534 })

export const addressBits = fc.bigInt(0n, (1n << 128n) - 1n)

/** Address texts, with many zero hextets so that every place of `::` comes up. */
export const addressTexts = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map(hextets => addressText(hextets.reduce((bits, hextet) => (bits << 16n) | BigInt(hextet), 0n)))

/** What nobody should write: names of Object.prototype, NUL, unicode, 64 KiB, and near misses of what parsers take. */
export const hostile: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef:./%-,[]tcpudw ') }),
  fc.constantFrom(
    '',
    '__proto__',
    'constructor',
    'toString',
    '\0',
    'web\0',
    'ｗｅｂ',
    'wéb',
    '\u202eweb',
    '٣',
    '🦆',
    '\ud800',
  ),
  fc.constantFrom('a', ':', ',', '/', '[', '-', '1', '::', ' ', 'é').map(unit => unit.repeat(65536 / unit.length)),
)
