import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Group, type GroupBits, localGroup, namedGroup } from '../../../src/address/group.ts'
import { endpointAddress, groupKey, groupOf } from '../../../src/address/plan.ts'
import { contains, type HostPrefix, parseHostPrefix, parsePrefix } from '../../../src/address/prefix.ts'
import { PluginError } from '../../../src/errors.ts'
import { parseAllow } from '../../../src/policy/allow.ts'
import { allowRows } from '../../../src/policy/elements.ts'
import { may, type Policy } from '../../../src/policy/model.ts'
import { hostile } from '../address/arbitraries.ts'
import { port, protocol } from './arbitraries.ts'

const [here, there] = ['2001:db8:1:a::/64', '2001:db8:1:b::/64'].map(text =>
  parseHostPrefix(text, { allowDocumentation: true }),
) as [HostPrefix, HostPrefix]
const [web, db, api] = [namedGroup('web'), namedGroup('db'), namedGroup('api')]
const own = localGroup(7)
const at = (prefix: HostPrefix, group: Group, number = 1) => endpointAddress(prefix, group.bits, number)

const policy: Policy = {
  fleet: [here, there],
  own: [here],
  groups: new Map<GroupBits, { group: Group; allow: ReturnType<typeof parseAllow> }>([
    [web.bits, { group: web, allow: [] }],
    [db.bits, { group: db, allow: parseAllow('web:5432,api') }],
    [own.bits, { group: own, allow: parseAllow('web:1000-2000/udp') }],
  ]),
  published: new Map([[at(here, web), [{ protocol: 'tcp', port: 443 }]]]),
}

type Row = [
  what: string,
  source: string,
  destination: string,
  service: string,
  verdict: 'allow' | 'deny',
  because: RegExp,
]
const rows: Row[] = [
  ['inside a group', at(here, db, 2), at(here, db), '1/tcp', 'allow', /^both are in group db$/],
  ['inside a group, from another host', at(there, db, 2), at(here, db), '1/sctp', 'allow', /^both are in group db$/],
  ['an entry', at(here, web), at(here, db), '5432/tcp', 'allow', /^group db has allow=web:5432\/tcp$/],
  ['an entry, from another host', at(there, web, 9), at(here, db), '5432/tcp', 'allow', /allow=web:5432/],
  ['an entry without ports', at(there, api), at(here, db), '9/udp', 'allow', /^group db has allow=api$/],
  [
    'another port',
    at(here, web),
    at(here, db),
    '5433/tcp',
    'deny',
    /^web is not let in to 5433\/tcp by group db \(allow=api,web:5432\/tcp\)$/,
  ],
  ['another protocol', at(here, web), at(here, db), '5432/udp', 'deny', /^web is not let in/],
  [
    'the other way round',
    at(here, db),
    at(here, web),
    '5432/tcp',
    'deny',
    /^db is not let in to 5432\/tcp by group web \(no allow\)$/,
  ],
  ['a published port, from a group', at(here, db), at(here, web), '443/tcp', 'allow', /publishes 443\/tcp$/],
  ['a published port, from the world', 'world', at(here, web), '443/tcp', 'allow', /publishes 443\/tcp$/],
  ['a published port, from an address', '2001:db8:ffff::1', at(here, web), '443/tcp', 'allow', /publishes 443\/tcp$/],
  ['a published port, of another endpoint', 'world', at(here, web, 2), '443/tcp', 'deny', /does not publish 443\/tcp$/],
  ['a published port, another protocol', 'world', at(here, web), '443/udp', 'deny', /does not publish 443\/udp$/],
  [
    'an address outside the fleet with the bits of a group',
    at(parseHostPrefix('2001:db8:1:c::/64', { allowDocumentation: true }), web),
    at(here, db),
    '5432/tcp',
    'deny',
    /^the world/,
  ],
  ['a local group', at(here, own, 2), at(here, own), '1/tcp', 'allow', /^both are in group 8000:0007$/],
  ['a local group from another host', at(there, own, 2), at(here, own), '1/tcp', 'deny', /^the world/],
  ['an entry of a local group', at(here, web), at(here, own), '1500/udp', 'allow', /allow=web:1000-2000\/udp$/],
  [
    'a group without a network here',
    at(here, web),
    at(here, api),
    '1/tcp',
    'deny',
    /^no network of this host has group api$/,
  ],
  ['this host to a container', '2001:db8:1:a::1', at(here, db), '1/tcp', 'allow', /reaches its own containers/],
  ['another host to a container', '2001:db8:1:b::1', at(here, db), '1/tcp', 'deny', /^the world/],
  ['a container to this host', at(here, web), '2001:db8:1:a::1', '22/tcp', 'deny', /not for containers/],
  [
    'a container of another host to this host',
    at(there, web),
    '2001:db8:1:a::1',
    '22/tcp',
    'deny',
    /not for containers/,
  ],
  ['the world to this host', 'world', '2001:db8:1:a::1', '22/tcp', 'allow', /its own firewall decides/],
  ['egress to the world', at(here, web), 'world', '25/tcp', 'allow', /egress is open/],
  ['egress to an address', at(here, web), '2001:db8:ffff::1', '25/tcp', 'allow', /egress is open/],
  ['egress to another host', at(here, web), at(there, db), '1/tcp', 'allow', /egress is open/],
]
for (const [what, source, destination, service, verdict, because] of rows) {
  test(`${what}: ${verdict}`, () => {
    const [number, proto] = service.split('/')
    const decision = may(policy, { source, destination, protocol: proto as 'tcp', port: Number(number) })
    assert.equal(decision.verdict, verdict, decision.because)
    assert.match(decision.because, because)
  })
}

test('addresses may be written in any way', () => {
  const flow = { protocol: 'tcp', port: 443 } as const
  const destination = at(here, web).toUpperCase().replace('2001:DB8', '2001:0db8')
  assert.equal(may(policy, { ...flow, source: 'world', destination }).verdict, 'allow')
})

describe('laws', () => {
  const places = fc
    .constantFrom(here, there)
    .chain(prefix =>
      fc.tuple(fc.constant(prefix), fc.constantFrom<Group>(web, db, api, own), fc.integer({ min: 1, max: 3 })),
    )
  const address = fc.oneof(
    { weight: 6, arbitrary: places.map(([prefix, group, number]) => at(prefix, group, number)) },
    { weight: 1, arbitrary: fc.constantFrom('world', '2001:db8:1:a::1', '2001:db8:1:b::1', '2001:db8:ffff::5') },
  )
  const ports = fc.oneof(port, fc.constantFrom(443, 5432, 1500))
  const flows = fc.record({ source: address, destination: address, protocol, port: ports })

  test('the rows of the sets say the same of every flow between containers', () => {
    const elements = [...policy.groups.values()].flatMap(({ group, allow }) => allowRows(allow, group.bits))
    const inSets = (source: GroupBits, destination: GroupBits, proto: string, number: number) =>
      elements.some(({ set, key }) => {
        if (key[0] !== groupKey(source) || key[1] !== groupKey(destination)) return false
        if (set === 'allow_group') return true
        if (set === 'allow_port') return key[2] === proto && key[3] === number
        const [first = 0, last = 0] = key[3].split('-').map(Number)
        return key[2] === proto && first <= number && number <= last
      })
    fc.assert(
      fc.property(
        fc.constantFrom(web, db, own),
        fc.constantFrom(web, db, api),
        protocol,
        ports,
        (to, from, proto, number) => {
          const flow = { source: at(here, from, 2), destination: at(here, to, 2), protocol: proto, port: number }
          const expected = to === from || inSets(from.bits, to.bits, proto, number)
          assert.equal(may(policy, flow).verdict === 'allow', expected)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('the world comes in where something is published and nowhere else', () => {
    fc.assert(
      fc.property(flows, flow => {
        if (!contains(here, flow.destination === 'world' ? '::' : flow.destination)) return
        if (groupOf(flow.destination) === undefined) return
        const { verdict } = may(policy, { ...flow, source: 'world' })
        const open = policy.published.get(flow.destination) ?? []
        assert.equal(
          verdict === 'allow',
          open.some(one => one.port === flow.port && one.protocol === flow.protocol),
        )
      }),
    )
  })

  test('publishing and allowing only ever open, for what they name', () => {
    const destination = at(here, db, 3)
    const more: Policy = {
      ...policy,
      published: new Map([...policy.published, [destination, [{ protocol: 'udp', port: 1500 }]]]),
    }
    fc.assert(
      fc.property(flows, flow => {
        const [before, after] = [may(policy, flow).verdict, may(more, flow).verdict]
        const named = flow.destination === destination && flow.protocol === 'udp' && flow.port === 1500
        if (before !== after) assert.ok(named && after === 'allow')
        if (named) assert.equal(after, 'allow')
      }),
      { numRuns: 500 },
    )
  })

  test('every verdict has a line that decided; bad addresses are PluginErrors', () => {
    fc.assert(
      fc.property(fc.oneof(address, hostile), fc.oneof(address, hostile), (source, destination) => {
        try {
          assert.ok(may(policy, { source, destination, protocol: 'tcp', port: 1 }).because.length > 10)
        } catch (error) {
          assert.ok(error instanceof PluginError, String(error))
          assert.equal(error.code, 'ADDRESS_INVALID')
        }
      }),
    )
  })

  test('a fleet may be an aggregate of prefixes', () => {
    const wide = { ...policy, fleet: [parsePrefix('2001:db8:1::/48')] }
    fc.assert(fc.property(flows, flow => assert.deepEqual(may(wide, flow), may(policy, flow))))
  })
})
