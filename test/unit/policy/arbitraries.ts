import fc from 'fast-check'
import { namedGroup } from '../../../src/address/group.ts'
import { type AllowEntry, PROTOCOLS } from '../../../src/policy/allow.ts'

export const protocol = fc.constantFrom(...PROTOCOLS)

export const port = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 80, max: 90 }), fc.constant(65535))

/** Few names and few ports, so that entries repeat, overlap and touch. */
export const peerName = fc.constantFrom('web', 'api', 'db', 'web-2', 'a'.repeat(63))

const range = fc.tuple(protocol, port, port).map(([proto, a, b]) => ({
  protocol: proto,
  first: Math.min(a, b),
  last: Math.max(a, b),
}))

export const allowEntry: fc.Arbitrary<AllowEntry> = fc
  .tuple(peerName.map(namedGroup), fc.option(range, { nil: undefined, freq: 6 }))
  .map(([peer, ports]) => (ports ? { peer, ports } : { peer }))

export const allowEntries = fc.array(allowEntry, { minLength: 1, maxLength: 8 })
