import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { addressText, parseAddress } from '../../../src/address/address.ts'
import { type GroupBits, groupMask } from '../../../src/address/group.ts'
import {
  containerMac,
  endpointAddress,
  gatewayAddress,
  groupKey,
  groupOf,
  groupPool,
  hostAddress,
  hostMac,
  linkName,
  macAddress,
  type Pool,
  parseEndpointAddress,
  parsePool,
} from '../../../src/address/plan.ts'
import { contains, parseHostPrefix, parsePrefix } from '../../../src/address/prefix.ts'
import { PluginError } from '../../../src/errors.ts'
import { addressTexts, endpointNumber, groupBits, hostile, hostPrefix } from './arbitraries.ts'

const lab = { allowDocumentation: true }
const prefix = parseHostPrefix('2001:db8:100:a::/64', lab)
const bits = 0x5c1f8e02 as GroupBits
const ids = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })

test('the plan, by example', () => {
  const pool = groupPool(prefix, bits)
  assert.equal(pool, '2001:db8:100:a:0:5c1f:8e02:0/112')
  assert.equal(endpointAddress(prefix, bits, 3), '2001:db8:100:a:0:5c1f:8e02:3')
  assert.equal(parseEndpointAddress('2001:db8:100:a:0:5c1f:8e02:3', pool), 3)
  assert.equal(hostAddress(prefix), '2001:db8:100:a::1')
  assert.equal(groupKey(bits), '::5c1f:8e02:0')
  assert.equal(groupKey(0xffff0001 as GroupBits), '::ffff:1:0')
  assert.equal(groupOf('2001:db8:100:a:0:5c1f:8e02:3'), bits)
  assert.equal(groupOf('2001:db8:100:a::1'), undefined)
})

describe('addresses are a bijection of prefix, group and number', () => {
  test('forth and back', () => {
    fc.assert(
      fc.property(hostPrefix, groupBits, endpointNumber, (host, group, number) => {
        const address = endpointAddress(host, group, number)
        const pool = groupPool(host, group)
        assert.ok(contains(host, address))
        assert.ok(contains(parsePrefix(pool), address))
        assert.equal(groupOf(address), group)
        assert.equal(parsePool(pool, host), group)
        assert.equal(parseEndpointAddress(address, pool), number)
      }),
      { numRuns: 300 },
    )
  })

  test('two groups or numbers never share an address, nor one with the host', () => {
    const plans = fc.record({ group: groupBits, number: endpointNumber })
    fc.assert(
      fc.property(hostPrefix, plans, plans, (host, a, b) => {
        const [one, other] = [a, b].map(({ group, number }) => endpointAddress(host, group, number))
        assert.equal(one === other, a.group === b.group && a.number === b.number)
        assert.notEqual(one, hostAddress(host))
      }),
    )
  })

  test('the key is the address under the mask', () => {
    const mask = parseAddress(groupMask)
    fc.assert(
      fc.property(hostPrefix, groupBits, endpointNumber, (host, group, number) => {
        assert.equal(groupKey(group), addressText(parseAddress(endpointAddress(host, group, number)) & mask))
      }),
    )
  })

  test('no interface identifier that RFC 5453 reserves', () => {
    const reserved = (address: string) => {
      const id = parseAddress(address) & 0xffffffffffffffffn
      return id === 0n || id >> 32n === 0x02005effn || (id >= 0xfdffffffffffff80n && id <= 0xfdffffffffffffffn)
    }
    assert.equal(reserved('2001:db8::200:5eff:fe00:5213'), true)
    const groups = fc.oneof(
      groupBits,
      fc.constantFrom(0x5efffe00, 0xffffffff, 1).map(group => group as GroupBits),
    )
    const numbers = fc.oneof(endpointNumber, fc.constantFrom(1, 0x5213, 0xff80, 0xfffe))
    fc.assert(
      fc.property(hostPrefix, groups, numbers, (host, group, number) => {
        assert.equal(reserved(endpointAddress(host, group, number)), false)
      }),
      { numRuns: 1000 },
    )
    for (const beginning of ['200', 'fdff']) {
      assert.throws(() => parseHostPrefix(`2001:db8:0:1:${beginning}::/80`, lab), { message: /RFC 5453/ })
    }
  })
})

describe('parsePool', () => {
  const refused: [text: string, sentence: RegExp][] = [
    ['2001:db8:100:a::/112', /group 0 is the host itself/],
    ['2001:db8:100:a::/64', /group 0 is the host itself/],
    ['2001:db8:100:a:0:5c1f::/96', /a pool is a \/112; write "2001:db8:100:a:0:5c1f::\/112"/],
    ['2001:db8:100:a:0:5c1f:8e02:8000/113', /a pool is a \/112; write "2001:db8:100:a:0:5c1f:8e02:0\/112"/],
    [
      '2001:db8:100:b:0:5c1f:8e02:0/112',
      /outside this host's prefix 2001:db8:100:a::\/64; write "2001:db8:100:a:0:5c1f:8e02:0\/112"/,
    ],
    [
      '2001:db8:100:a:7:5c1f:8e02:0/112',
      /between 2001:db8:100:a::\/64 and bit 80 must be 0; write "2001:db8:100:a:0:5c1f:8e02:0\/112"/,
    ],
    ['2001:db8:100:a:0:5c1f:8e02:1/112', /bits set behind \/112; write "2001:db8:100:a:0:5c1f:8e02:0\/112"/],
    ['10.0.0.0/16', /slash64 routes IPv6 only/],
    ['web', /write an address, a slash/],
  ]
  for (const [text, message] of refused) {
    test(`refuses ${text}`, () => assert.throws(() => parsePool(text, prefix), { message }))
  }

  test('offers -o group=NAME', () => {
    assert.throws(() => parsePool('fd00::/112', prefix), {
      code: 'POOL_INVALID',
      message: /or --ipam-driver slash64 -o group=NAME and no --subnet$/,
    })
  })

  test('takes exactly the pools of the prefix', () => {
    const length = fc.integer({ min: 90, max: 128 })
    const near = fc.tuple(hostPrefix, addressTexts, fc.boolean(), length).map(([host, text, inside, size]) => {
      const low = parseAddress(text) & ((1n << 64n) - 1n)
      const first = inside ? host.first | low : parseAddress(text)
      return { host, text: `${addressText((first >> 16n) << 16n)}/${size < 112 ? size : 112}` }
    })
    fc.assert(
      fc.property(near, ({ host, text }) => {
        try {
          assert.equal(groupPool(host, parsePool(text, host)), text)
        } catch (error) {
          assert.ok(error instanceof PluginError, String(error))
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('parseEndpointAddress', () => {
  const pool = groupPool(prefix, bits)
  const outside = [
    '2001:db8:100:a:0:5c1f:8e02:0',
    '2001:db8:100:a:0:5c1f:8e02:ffff',
    '2001:db8:100:a:0:5c1f:8e03:1',
    '2001:db8:100:a:0:5c1f:8e01:fffe',
    '::1',
  ]
  for (const text of outside) {
    test(`refuses ${text}`, () => {
      const range = 'write one of 2001:db8:100:a:0:5c1f:8e02:1 to 2001:db8:100:a:0:5c1f:8e02:fffe'
      assert.throws(() => parseEndpointAddress(text, pool), {
        code: 'ENDPOINT_ADDRESS_INVALID',
        message: new RegExp(`"${text}" is no endpoint address .*${range}`),
      })
    })
  }

  test('takes the first and the last', () => {
    assert.equal(parseEndpointAddress('2001:db8:100:a:0:5c1f:8e02:1', pool), 1)
    assert.equal(parseEndpointAddress('2001:DB8:100:A:0:5C1F:8E02:FFFE', pool), 65534)
  })

  test('throws nothing but PluginError', () => {
    const parsers = [
      (text: string) => parseEndpointAddress(text, pool),
      (text: string) => parseEndpointAddress('::1', text as Pool),
      (text: string) => parsePool(text, prefix),
      linkName,
    ]
    fc.assert(
      fc.property(fc.constantFrom(...parsers), hostile, (parse, text) => {
        try {
          parse(text)
        } catch (error) {
          assert.ok(error instanceof PluginError, String(error))
        }
      }),
    )
  })

  for (const number of [0, 65535, -1, 1.5, Number.NaN]) {
    test(`there is no address number ${number}`, () => {
      assert.throws(() => endpointAddress(prefix, bits, number), { code: 'INTERNAL' })
    })
  }
})

describe('links', () => {
  const id = '7f74b2c9d1e0aa55'.repeat(4)

  test('names and addresses stay the same over versions', () => {
    assert.equal(linkName(id), 's647f74b2c9d1e0')
    assert.equal(gatewayAddress('a6c7'), 'fe80::6400:f8e6:c2a4:430d')
    assert.equal(containerMac('7f74'), '92:fa:55:d9:1f:09')
    assert.equal(hostMac('7f74'), 'e2:ec:14:fb:30:6f')
    assert.throws(() => linkName('../7f74b2c9d1e0'), { code: 'INTERNAL' })
  })

  test('MAC addresses are unicast and locally administered', () => {
    fc.assert(fc.property(fc.string(), seed => assert.match(macAddress(seed), /^[0-9a-f]2(:[0-9a-f]{2}){5}$/)))
  })

  test('a gateway is link-local, and no address that a kernel forms from a MAC address of ours', () => {
    const linkLocal = parsePrefix('fe80::/64')
    fc.assert(
      fc.property(ids, network => {
        const gateway = gatewayAddress(network)
        assert.ok(contains(linkLocal, gateway))
        assert.match(gateway, /^fe80::64[0-9a-f]{2}:/)
      }),
    )
  })

  test('two ids have different links', () => {
    fc.assert(
      fc.property(fc.uniqueArray(ids, { minLength: 2, maxLength: 20 }), all => {
        for (const name of [gatewayAddress, containerMac, hostMac])
          assert.equal(new Set(all.map(name)).size, all.length)
        const macs = all.flatMap(one => [containerMac(one), hostMac(one)])
        assert.equal(new Set(macs).size, macs.length)
      }),
    )
  })
})
