// The text of `nft monitor trace`, of which docs/packet.md is drawn.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrace } from '../support/trace.ts'

const packet = (flags: string): string =>
  `packet: iif "s640" ether saddr 82:18:49:8a:2b:20 ip6 saddr fd00::1 ip6 daddr fd00::2 ip6 nexthdr tcp tcp sport 50000 tcp dport 22 tcp flags == ${flags} tcp window 64`

const TRACE = `trace id a1 inet trace in ${packet('syn')}
trace id a1 inet trace in rule meta nftrace set 1 (verdict continue)
trace id b2 inet trace in ${packet('0x12').replace('iif "s640" ', '')}
trace id a1 inet slash64 early ${packet('syn')}
trace id a1 inet slash64 early rule iifname "s64*" goto early_container (verdict goto early_container)
trace id a1 ip6 nat PREROUTING conntrack: ct direction original ct state new ct id 1
trace id a1 inet slash64 guard policy accept
trace id b2 inet slash64 deny rule meta l4proto tcp counter packets 0 bytes 0 reject with tcp reset comment "denied" (verdict drop)
trace id a1 inet trace in ${packet('ack')}
trace id a1 inet slash64 early rule ip6 saddr != @fleet accept (verdict accept)
`

test('a packet begins where it is marked, also when the kernel uses its id again', () => {
  const visits = parseTrace(TRACE)
  assert.deepEqual(
    visits.map(({ flags, iif, steps }) => [flags.join(' '), iif, steps.map(({ chain, verdict }) => [chain, verdict])]),
    [
      [
        'syn',
        's640',
        [
          ['early', 'goto early_container'],
          ['guard', 'accept'],
        ],
      ],
      ['syn ack', undefined, [['deny', 'drop']]],
      ['ack', 's640', [['early', 'accept']]],
    ],
  )
})

test('it has its ends, and the rules as they are written', () => {
  const [first, second] = parseTrace(TRACE)
  assert.deepEqual(
    [first?.source, first?.destination, first?.sourcePort, first?.destinationPort],
    ['fd00::1', 'fd00::2', 50000, 22],
  )
  assert.deepEqual(second?.steps[0], {
    family: 'inet',
    table: 'slash64',
    chain: 'deny',
    rule: 'meta l4proto tcp counter packets 0 bytes 0 reject with tcp reset comment "denied"',
    verdict: 'drop',
  })
})
