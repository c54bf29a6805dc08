import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  checkNotOnLink,
  contains,
  derivedPrefix,
  except,
  overlaps,
  parseHostPrefix,
  parsePrefix,
  prefixOf,
} from '../../../src/address/prefix.ts'
import { PluginError } from '../../../src/errors.ts'
import { addressBits, hostile, hostPrefix } from './arbitraries.ts'

const strict = { allowDocumentation: false }
const lab = { allowDocumentation: true }
const anyPrefix = fc
  .tuple(addressBits, fc.integer({ min: 0, max: 128 }))
  .map(([bits, length]) => prefixOf(bits, length))

describe('parsePrefix', () => {
  test('gives canonical text', () => {
    assert.deepEqual(parsePrefix('2001:DB8:0:0::/64'), { text: '2001:db8::/64', first: 0x20010db8n << 96n, length: 64 })
    assert.equal(parsePrefix('::/0').length, 0)
    assert.equal(parsePrefix('::1/128').text, '::1/128')
  })

  test('says which prefix to write', () => {
    assert.throws(() => parsePrefix('2001:db8::1/64'), {
      code: 'PREFIX_INVALID',
      message: 'slash64: "2001:db8::1/64" is not an IPv6 prefix: it has bits set behind /64; write "2001:db8::/64"',
    })
  })

  for (const text of [
    '',
    '2001:db8::',
    '2001:db8::/',
    '/64',
    '::/129',
    '::/064',
    '::/-1',
    '::/6 4',
    '::/64/64',
    '::/0x10',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parsePrefix(text), { code: 'PREFIX_INVALID' }))
  }

  test('reads back its own text', () => {
    fc.assert(fc.property(anyPrefix, prefix => assert.deepEqual(parsePrefix(prefix.text), prefix)))
  })

  test('throws nothing but PluginError', () => {
    const parsers = [parsePrefix, (text: string) => parseHostPrefix(text, strict)]
    const input = fc.oneof(
      hostile,
      fc.tuple(fc.ipV6(), fc.nat(200)).map(([address, length]) => `${address}/${length}`),
    )
    fc.assert(
      fc.property(fc.constantFrom(...parsers), input, (parse, text) => {
        try {
          parse(text)
        } catch (error) {
          assert.ok(error instanceof PluginError, String(error))
          assert.ok(error.message.length < 600)
        }
      }),
    )
  })
})

describe('parseHostPrefix', () => {
  for (const text of [
    '2a01:4f8:1::/48',
    '2a01:4f8:1:2::/64',
    '2a01:4f8:1:2:3::/80',
    '2a01:4f8:1:2::/65',
    'fd00:1:2:3::/64',
  ]) {
    test(`takes ${text}`, () => assert.equal(parseHostPrefix(text, strict).text, text))
  }

  const refused: [text: string, sentence: RegExp][] = [
    ['2a01:4f8::/47', /write a \/64 of it, such as "2a01:4f8::\/64"/],
    ['2a01:4f8::/81', /needs at least a \/80/],
    ['2a01:4f8::1/64', /write "2a01:4f8::\/64"/],
    ['::/64', /::\/8 is for addresses that nobody owns/],
    ['::/80', /::\/8 is for addresses that nobody owns/],
    ['64:ff9b:1::/48', /RFC 4291/],
    ['2001:0:1::/48', /Teredo/],
    ['2002:c000:204::/48', /6to4, which is retired \(RFC 7526\)/],
    ['fe80::/64', /link-local/],
    ['fec0::/64', /site-local/],
    ['ff02::/64', /multicast/],
    ['4000::/64', /neither in 2000::\/3 nor in fc00::\/7/],
    ['2001:db8:1::/64', /documentation \(RFC 3849\).*SLASH64_ALLOW_DOC_PREFIX=1/],
    ['3fff:fff::/64', /documentation \(RFC 9637\)/],
    ['2a01:4f8:1:2:200::/80', /RFC 5453.*such as "2a01:4f8:1:2:201::\/80"/],
    ['2a01:4f8:1:2:fdff::/80', /RFC 5453.*such as "2a01:4f8:1:2:fdfe::\/80"/],
    ['2a01:4f8:1:2:200::/71', /RFC 5453.*such as "2a01:4f8:1:2::\/71"/],
  ]
  for (const [text, message] of refused) {
    test(`refuses ${text}`, () => assert.throws(() => parseHostPrefix(text, strict), { message }))
  }

  test('takes documentation prefixes where that is allowed', () => {
    assert.equal(parseHostPrefix('2001:db8:1::/64', lab).text, '2001:db8:1::/64')
    assert.equal(parseHostPrefix('3fff:1::/64', lab).text, '3fff:1::/64')
    assert.throws(() => parseHostPrefix('fe80::/64', lab), { code: 'HOST_PREFIX_INVALID' })
  })

  test('the prefix that an error names is one to write', () => {
    fc.assert(
      fc.property(addressBits, fc.integer({ min: 0, max: 80 }), (bits, length) => {
        const text = prefixOf((0x2a01n << 112n) | (bits >> 16n), length).text
        try {
          parseHostPrefix(text, strict)
        } catch (error) {
          const [, advice] = /such as "([^"]+)"/.exec(String(error)) ?? []
          if (advice !== undefined) assert.equal(parseHostPrefix(advice, strict).text, advice)
        }
      }),
    )
  })
})

describe('contains and overlaps', () => {
  const site = parsePrefix('2001:db8:1::/48')

  test('addresses', () => {
    assert.equal(contains(site, '2001:db8:1:ffff:ffff:ffff:ffff:ffff'), true)
    assert.equal(contains(site, '2001:db8:2::'), false)
    assert.equal(contains(site, '2001:db8:0:ffff::'), false)
  })

  test('prefixes', () => {
    assert.equal(contains(site, site), true)
    assert.equal(contains(site, parsePrefix('2001:db8:1:a::/64')), true)
    assert.equal(contains(site, parsePrefix('2001:db8::/32')), false)
    assert.equal(overlaps(site, parsePrefix('2001:db8::/32')), true)
    assert.equal(overlaps(site, parsePrefix('2001:db8:2::/48')), false)
  })

  test('two prefixes overlap where their ranges of addresses meet', () => {
    const near = fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 4 }))
      .map(([bits, length]) => prefixOf(BigInt(bits) << 124n, length))
    const last = ({ first, length }: { first: bigint; length: number }) => first + (1n << BigInt(128 - length)) - 1n
    fc.assert(
      fc.property(near, near, (a, b) => {
        assert.equal(overlaps(a, b), a.first <= last(b) && b.first <= last(a))
        assert.equal(contains(a, b), a.first <= b.first && last(b) <= last(a))
      }),
    )
  })
})

describe('derivedPrefix', () => {
  test('is part of the wire format', () => {
    assert.equal(derivedPrefix('b08dfa6083e7567a1921a715000001fb').text, 'fdd4:a094:74d4::/64')
  })

  test('is always a prefix that a host may have', () => {
    fc.assert(
      fc.property(fc.string(), seed => {
        const prefix = derivedPrefix(seed)
        assert.deepEqual(parseHostPrefix(prefix.text, strict), prefix)
        assert.ok(contains(parsePrefix('fd00::/8'), prefix))
      }),
    )
  })
})

describe('checkNotOnLink', () => {
  const link = { name: 'eth0', addresses: [{ address: '2001:db8:1:a::2' }], connectedRoutes: ['2001:db8:1:a::/64'] }
  const check = (text: string, ...links: (typeof link)[]) => checkNotOnLink(parseHostPrefix(text, lab), links)

  test('passes a prefix elsewhere, and a /80 of the link', () => {
    check('2001:db8:1:b::/64', link)
    check('2001:db8:1:a:1::/80', link)
    check('2001:db8:1:b::/64', {
      ...link,
      addresses: [{ address: 'fe80::1' }],
      connectedRoutes: ['fe80::/64', 'ff00::/8'],
    })
  })

  test('refuses the /64 of a link and names a /80 of it', () => {
    assert.throws(() => check('2001:db8:1:a::/64', link), {
      code: 'PREFIX_ON_LINK',
      message:
        'slash64: the prefix "2001:db8:1:a::/64" holds the address 2001:db8:1:a::2 of the link "eth0", ' +
        'so routing it to containers would cut this host off; ' +
        'write a /80 of it, such as "2001:db8:1:a:1::/80", that is routed to this host, or use a bridge network here',
    })
  })

  test('refuses a prefix that holds a connected route, address or none', () => {
    assert.throws(() => check('2001:db8:1::/48', { ...link, addresses: [] }), {
      message: /holds the connected route 2001:db8:1:a::\/64 of the link "eth0".*such as "2001:db8:1:a:1::\/80"/,
    })
  })

  test('refuses the /80 that holds the address', () => {
    assert.throws(() => check('2001:db8:1:a::/80', link), { code: 'PREFIX_ON_LINK' })
  })

  test('names a /80 that no link uses', () => {
    const bridge = {
      name: 'br0',
      addresses: [{ address: '2001:db8:1:a:1::1' }],
      connectedRoutes: ['2001:db8:1:a:2::/79'],
    }
    assert.throws(() => check('2001:db8:1:a::/64', link, bridge), { message: /such as "2001:db8:1:a:4::\/80"/ })
    const half = { name: 'br0', addresses: [], connectedRoutes: ['2001:db8:1:a::/65'] }
    assert.throws(() => check('2001:db8:1:a::/64', half), { message: /write a \/80 of it that no link uses and that/ })
  })

  test('no prefix without links is refused, none with an address in it passes', () => {
    fc.assert(
      fc.property(hostPrefix, fc.bigInt(0n, (1n << 48n) - 1n), (prefix, low) => {
        checkNotOnLink(prefix, [])
        const address = prefixOf(prefix.first | low, 128).text.replace('/128', '')
        assert.throws(() => check(prefix.text, { ...link, addresses: [{ address }] }), { code: 'PREFIX_ON_LINK' })
      }),
    )
  })
})

describe('except', () => {
  test('an address is in what is left when it is in the prefix and not in the hole', () => {
    const related = fc
      .tuple(addressBits, fc.integer({ min: 0, max: 128 }), fc.integer({ min: 0, max: 128 }), addressBits)
      .map(
        ([bits, a, b, other]) =>
          [prefixOf(bits, a), prefixOf(bits, b), prefixOf(bits, 128), prefixOf(other, 128)] as const,
      )
    fc.assert(
      fc.property(related, ([prefix, hole, near, far]) => {
        const left = except(prefix, hole)
        for (const address of [near, far, prefixOf(near.first ^ 1n, 128)]) {
          const holders = left.filter(one => contains(one, address)).length
          assert.equal(holders, contains(prefix, address) && !contains(hole, address) ? 1 : 0)
        }
      }),
    )
  })

  test('of a /48 without a /64 are sixteen prefixes', () => {
    const left = except(parsePrefix('2001:db8:1::/48'), parsePrefix('2001:db8:1:a::/64')).map(({ text }) => text)
    assert.equal(left.length, 16)
    assert.ok(left.includes('2001:db8:1:b::/64') && left.includes('2001:db8:1:8000::/49'))
  })
})
