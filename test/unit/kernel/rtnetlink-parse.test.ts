import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Batch, type Message, parseMessages, Writer } from 'nftables-js/netlink'
import { addAddress, type NewAddress, parseAddress } from '../../../src/kernel/rtnetlink/address.ts'
import { addressText } from '../../../src/kernel/rtnetlink/bytes.ts'
import { addVeth, parseLink, setLink } from '../../../src/kernel/rtnetlink/link.ts'
import { addNeighbour, type NewNeighbour, parseNeighbour } from '../../../src/kernel/rtnetlink/neighbour.ts'
import { addRoute, type NewRoute, parseRoute } from '../../../src/kernel/rtnetlink/route.ts'
import { addRule, parseRule, type Rule } from '../../../src/kernel/rtnetlink/rule.ts'

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const index = fc.integer({ min: 1, max: 0x7fffffff })
const octet = fc.integer({ min: 0, max: 255 })
const address = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => addressText(Buffer.from(bytes)))
const prefix = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.integer({ min: 1, max: 128 }))
  .map(([bytes, length]) => {
    const kept = bytes.map((value, at) => value & (0xff00 >> Math.min(8, Math.max(0, length - at * 8))))
    return `${addressText(Buffer.from(kept))}/${length}`
  })
const mac = fc
  .array(octet, { minLength: 6, maxLength: 6 })
  .map(octets => octets.map(value => value.toString(16).padStart(2, '0')).join(':'))
const name = fc.stringMatching(/^[a-z0-9._-]{1,15}$/).filter(text => text !== '.' && text !== '..')
const mtu = fc.integer({ min: 68, max: 65535 })

function only(batch: Batch): Message {
  const [message, ...others] = parseMessages(batch.bytes)
  assert.ok(message && others.length === 0)
  return message
}

describe('what was encoded is decoded again', () => {
  it('veth', () => {
    const end = { name, mac, mtu }
    const host = fc.record({ ...end, txQueueLength: u32 })
    fc.assert(
      fc.property(host, fc.record({ ...end, netns: index }), (near, far) => {
        const { txQueueLength: _, ...seen } = near
        const link = parseLink(only(addVeth(new Batch(), near, far)))
        assert.deepEqual(link, { ...seen, index: 0, group: 0, up: false, running: false, kind: 'veth' })
      }),
    )
  })

  it('change of a link', () => {
    const change = fc.record({
      up: fc.boolean(),
      group: u32,
      mac,
      mtu,
      name,
      alias: fc.stringMatching(/^[ -~]{1,200}$/),
    })
    fc.assert(
      fc.property(index, change, (at, wanted) => {
        const link = parseLink(only(setLink(new Batch(), { index: at }, wanted)))
        assert.deepEqual(link, { ...wanted, index: at, running: false })
      }),
    )
  })

  it('addr_gen_mode', () => {
    for (const addrGenMode of ['none', 'eui64'] as const) {
      assert.equal(parseLink(only(setLink(new Batch(), { name: 'a' }, { addrGenMode }))).addrGenMode, addrGenMode)
    }
  })

  it('address', () => {
    const wanted: fc.Arbitrary<NewAddress> = fc.record({
      index,
      address,
      prefixLength: fc.integer({ min: 0, max: 128 }),
      nodad: fc.boolean(),
      noPrefixRoute: fc.boolean(),
    })
    fc.assert(
      fc.property(wanted, given => {
        const { nodad, noPrefixRoute, ...seen } = given
        const flags = [...(nodad ? ['nodad'] : []), ...(noPrefixRoute ? ['noprefixroute'] : [])]
        assert.deepEqual(parseAddress(only(addAddress(new Batch(), given))), { ...seen, scope: 'global', flags })
      }),
    )
  })

  it('route', () => {
    const wanted: fc.Arbitrary<NewRoute> = fc.record(
      {
        destination: prefix,
        source: prefix,
        index,
        gateway: address,
        protocol: octet,
        metric: u32,
        table: fc.integer({ min: 1, max: 0xffffffff }),
        type: fc.constantFrom('unicast', 'unreachable'),
        preferredSource: address,
        mtu,
      },
      { requiredKeys: ['destination', 'protocol'] },
    )
    fc.assert(
      fc.property(wanted, given => {
        const route = parseRoute(only(addRoute(new Batch(), given)))
        assert.deepEqual(route, { type: 'unicast', metric: 0, table: 254, ...given })
      }),
    )
  })

  it('neighbour', () => {
    const wanted: fc.Arbitrary<NewNeighbour> = fc.record({ index, address, mac })
    fc.assert(
      fc.property(wanted, given => {
        assert.deepEqual(parseNeighbour(only(addNeighbour(new Batch(), given))), { ...given, state: 'permanent' })
      }),
    )
  })

  it('rule', () => {
    const wanted: fc.Arbitrary<Rule> = fc.record(
      { from: prefix, table: u32, priority: u32, protocol: octet },
      { requiredKeys: ['table', 'priority'] },
    )
    fc.assert(
      fc.property(wanted, given => assert.deepEqual(parseRule(only(addRule(new Batch(), given))), { ...given })),
    )
  })
})

it('several next hops are listed', () => {
  const writer = new Writer()
  const nexthop = (length: number, link: number): Writer => writer.rawU16(length).rawU16(0).rawU32(link)
  writer.rawU8(10).rawU8(0).rawU8(0).rawU8(0).rawU8(254).rawU8(9).rawU8(0).rawU8(1).rawU32(0)
  writer.nest(9, () => {
    nexthop(28, 2).bytesAttribute(5, Buffer.from('fe800000000000000000000000000001', 'hex'))
    nexthop(8, 3)
  })
  const route = parseRoute({ type: 24, flags: 0, sequence: 0, port: 0, payload: writer.bytes })
  assert.deepEqual(route, {
    destination: '::/0',
    type: 'unicast',
    protocol: 9,
    metric: 0,
    table: 254,
    nexthops: [{ index: 2, gateway: 'fe80::1' }, { index: 3 }],
  })
})

it('any bytes are decoded or refused with a RangeError', () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.tuple(fc.integer({ min: 4, max: 24 }), octet, fc.uint8Array({ minLength: 40, maxLength: 40 })).map(
      // One attribute with a sound length, so that its value is looked at.
      ([length, type, rest]) => Uint8Array.from([...rest.slice(0, 12), length, 0, type % 32, 0, ...rest]),
    ),
  )
  fc.assert(
    fc.property(payload, bytes => {
      const message = { type: 0, flags: 0, sequence: 0, port: 0, payload: Buffer.from(bytes) }
      for (const parse of [parseLink, parseAddress, parseRoute, parseNeighbour, parseRule]) {
        try {
          parse(message)
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error))
        }
      }
    }),
    { numRuns: 2000 },
  )
})
