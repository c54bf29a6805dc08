// The cases of internal groups: they reach their own members, on every host of the fleet, and nobody else; and nobody else reaches them.
import assert from 'node:assert/strict'
import { all, type Check, type Content, delivered, isProhibited, isReset, portOf, stopped } from './check.ts'
import { ACCOMPLICE, type Fabric, type PlaceName } from './fabric.ts'
import * as packet from './packet.ts'
import type { RuleCase } from './ruleset-cases.ts'
import { echo, sctpTo, silent, tcpTo, udpTo } from './ruleset-checks.ts'

const INSIDE = 'inside 4: inside an internal group'
const CLOSED = 'closed 1: from the world to a closed port'

/** Bits of an address's group in the prefix of another one: `PREFIX:0:GROUP:N`. */
const groupAt =
  (place: PlaceName, prefix: string) =>
  (f: Fabric): string =>
    f.address(place).replace('2001:db8:1:a:', `${prefix}:`)

/** An address of the internet with the group bits of vault. */
export const vaultOutside = groupAt('v1', ACCOMPLICE.replace('::1', ''))
/** An address of group INNER of host A, but in the prefix of host B. */
const innerAtB = groupAt('n1', '2001:db8:1:b')

/** A refusal inside the fleet is told, TCP by a reset and all else by an error. */
export const refused = (from: PlaceName, to: PlaceName, port: number): Check =>
  all(
    stopped(from, to, tcpTo(port), { answer: isReset, counts: 'deny 1: denied' }),
    stopped(from, to, udpTo(port), { answer: isProhibited, counts: 'deny 2: denied' }),
  )

/** The way out of a member of vault: everybody that is not of the group. */
const out: Check = all(
  refused('v1', 'internet', 80),
  refused('v1', 'lan', 80),
  refused('v1', 'bridged', 80),
  // To a group that lets it in, to a published port, to other internal ones, to the other host.
  refused('v1', 'g1', 9),
  refused('v1', 'w1', 443),
  refused('v1', 'n1', 9),
  refused('v1', 'w3', 9),
  stopped('v1', 'g1', echo, { answer: isProhibited }),
  stopped('v1', 'internet', echo, { answer: isProhibited }),
)

/** The way in for the fleet: of a group that lets vault in, of its list, of another host. */
const fromFleet: Check = all(
  ...(['g1', 'w1', 'n1', 'l1', 'w3'] as const).map(from => refused(from, 'v1', 443)),
  ...(['g1', 'w3'] as const).map(from => stopped(from, 'v1', echo, { answer: isProhibited })),
)

/** The way in for the world, to a published port at that: nothing, not even an answer. */
const fromWorld: Check = all(
  ...(['internet', 'lan', 'bridged'] as const).flatMap(from =>
    [tcpTo(443), udpTo(443), echo].map(content => stopped(from, 'v1', content, { counts: CLOSED })),
  ),
  silent('internet', 'v1'),
  async f => {
    const token = f.token()
    using back = f.capture('internet', ({ source }) => source === f.address('v1') || source === '2001:db8:1:a::1')
    const header = { source: f.address('internet'), destination: f.address('v1') }
    f.send('internet', packet.ip6(header, packet.tcp({ sport: portOf(token), dport: 443, data: token })))
    assert.equal(await back.first(15), undefined, 'the internet was answered')
  },
)

const members: Check = all(
  ...[tcpTo(9), udpTo(9), sctpTo(9), echo, (data => [packet.raw(253, data)]) as Content].map(content =>
    delivered('v2', 'v1', content, { counts: INSIDE }),
  ),
  // On the two hosts, both ways: the far one decides, too.
  delivered('v3', 'v1', tcpTo(9), { counts: INSIDE }),
  delivered('v1', 'v3', tcpTo(9), { counts: INSIDE }),
)

export const INTERNAL_CASES: readonly RuleCase[] = [
  { rule: 'decide 4', hit: out, miss: delivered('w1', 'internet', tcpTo(80)) },
  { rule: 'decide 5', hit: fromFleet, miss: delivered('e1', 'w1', tcpTo(443)) },
  { rule: 'inside 1', hit: fromWorld, miss: delivered('v3', 'v1', tcpTo(9)) },
  {
    rule: 'inside 2',
    hit: all(
      stopped('v1', 'internet', tcpTo(80), { destination: vaultOutside, answer: isReset, counts: 'deny 1: denied' }),
      stopped('v1', 'internet', udpTo(53), { destination: vaultOutside, counts: 'deny 2: denied' }),
    ),
    miss: delivered('v1', 'v3', udpTo(9)),
  },
  {
    rule: 'inside 3',
    hit: stopped('uplink', 'n1', udpTo(9), { source: innerAtB, counts: 'deny 2: denied' }),
    miss: delivered('v3', 'v1', udpTo(9)),
  },
  { rule: INSIDE, hit: members, miss: refused('g1', 'v1', 9) },
  { rule: 'inside 5', hit: refused('v1', 'g1', 9), miss: members },
]
