// Bad input: what is wrong is quoted, and what to write instead is said. Nothing here reaches a kernel.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  accept,
  anyOf,
  concat,
  connlimit,
  counter,
  ct,
  type Element,
  exists,
  fib,
  icmpv6,
  inSet,
  ip,
  ip6,
  is,
  limit,
  log,
  mask,
  meta,
  type NamedSet,
  not,
  range,
  reject,
  type Statement,
  setMeta,
  Transaction,
  tcp,
  udp,
  vmap,
} from 'nftables-js'
import { toBatch } from '../../../src/nftables-js/src/batch.ts'

const table = { family: 'inet', name: 't' } as const
const rule =
  (...statements: Statement[]) =>
  () =>
    new Transaction().addRule(table, 'c', { statements })
const element =
  (set: NamedSet, ...elements: Element[]) =>
  () =>
    toBatch([new Transaction().addElements(table, set, elements)])
const commit = (transaction: Transaction) => () => toBatch([transaction])
const host: NamedSet = { name: 'hosts', type: 'ipv6_addr' }
const nets: NamedSet = { name: 'nets', type: 'ipv6_addr', flags: ['interval'] }
const pairs: NamedSet = { name: 'pairs', type: ['ipv6_addr', 'inet_service'] }
const verdicts: NamedSet = { name: 'v', type: 'mark', map: 'verdict' }
const wrong = (value: unknown) => value as never

/** What is done, and what the message must say. */
const refuses = (rows: readonly (readonly [string, () => unknown, RegExp])[]): void => {
  for (const [title, act, message] of rows) {
    it(title, () => {
      assert.throws(act, (error: unknown) => {
        assert.ok(error instanceof TypeError || error instanceof RangeError, String(error))
        assert.match(error.message, message)
        return true
      })
    })
  }
}

describe('selectors', () => {
  refuses([
    ['unknown meta key', () => meta(wrong('iffname')), /unknown field 'meta iffname': write one of length, protocol/],
    ['unknown header field', () => ip6(wrong('sadr')), /unknown field 'ip6 sadr': write one of length, nexthdr/],
    ['inherited property', () => meta(wrong('toString')), /unknown field 'meta toString'/],
    ['unknown ct key', () => ct(wrong('stat')), /unknown field 'ct stat'/],
    ['unknown tuple key', () => ct(wrong('original ip7 saddr')), /unknown field 'ct original ip7 saddr'/],
    ['unknown fib flag', () => fib([wrong('sadr')], 'oif'), /unknown field 'fib sadr'/],
  ])
})

describe('statements', () => {
  const tooMany = concat(ip6('saddr'), ip6('daddr'), ct('original ip6 saddr'), ct('original ip6 daddr'), tcp('dport'))
  refuses([
    ['no address', rule(is(ip6('saddr'), '10.0.0.1')), /"10.0.0.1" is no ipv6_addr: write an IPv6 address/],
    ['number for an address', rule(is(ip('saddr'), 5)), /5 is no ipv4_addr: write an IPv4 address/],
    [
      'port out of range',
      rule(is(tcp('dport'), 65_536)),
      /65536 is no inet_service: write a whole number from 0 to 65535/,
    ],
    ['unknown symbol', rule(is(icmpv6('type'), 'ping')), /"ping" is no icmpv6_type: .* one of destination-unreachable/],
    [
      'two values',
      rule(is(tcp('dport'), [1, 2])),
      /\[1,2\] is no inet_service: write one value; several are for anyOf/,
    ],
    [
      'prefix too long',
      rule(is(ip6('saddr'), '::/129')),
      /"::\/129" is no prefix of ipv6_addr: write a length from 0 to 128/,
    ],
    ['prefix without length', rule(is(ip6('saddr'), '::/')), /"::\/" is no prefix/],
    [
      'bits beyond the prefix',
      rule(is(ip6('saddr'), '2001:db8::1/32')),
      /has bits beyond \/32: write the first address/,
    ],
    ['prefix of everything', rule(is(ip6('saddr'), '::/0')), /matches every address: leave the statement out/],
    ['star inside a name', rule(is(meta('iifname'), 'a*b')), /"a\*b": write 1 to 14 characters and one \* at the end/],
    ['long name', rule(is(meta('iifname'), 'a234567890123456')), /write an interface name of 1 to 15 bytes/],
    [
      'star in a set',
      rule(anyOf(meta('iifname'), ['a*', 'b'])),
      /"a\*" is no ifname: a prefix .* only .* is\(\) and not\(\)/,
    ],
    ['link by name', rule(is(meta('iif'), 'eth0')), /"eth0" is no iface_index: write a whole number .* or one of lo/],
    [
      'concatenation compared',
      rule(is(concat(ip6('saddr'), tcp('dport')), 1)),
      /ip6 saddr \. tcp dport: compare .* with anyOf/,
    ],
    ['too many fields', rule(inSet(tooMany, 's')), /more than 64 bytes/],
    ['empty set', rule(anyOf(tcp('dport'), [])), /tcp dport: write at least one value/],
    ['empty map', rule(vmap(tcp('dport'), [])), /tcp dport: write at least one value/],
    [
      'overlap in a map',
      rule(
        vmap(tcp('dport'), [
          ['1-5', accept],
          ['5-9', accept],
        ]),
      ),
      /two intervals of the map overlap/,
    ],
    ['range upside down', rule(range(tcp('dport'), 90, 80)), /tcp dport 90-80 ends before it begins/],
    ['range of names', rule(range(meta('iifname'), 'a', 'b')), /meta iifname: ifname has no ranges/],
    ['existence of a port', rule(exists(tcp('dport'))), /tcp dport: only exthdr and fib can exist or be missing/],
    ['existence of a type', rule(exists(fib(['saddr'], 'type'))), /fib saddr type: ask whether there is a route/],
    ['existence under a mask', rule(exists(mask(meta('mark'), 1))), /meta mark & 1: only exthdr and fib/],
    ['mark', rule(setMeta('mark', -1)), /-1 is no mark: write a whole number from 0 to 4294967295/],
    [
      'reject code',
      rule(reject(wrong({ with: 'icmpv6', code: 'no' }))),
      /reject with icmpv6 'no': write one of no-route/,
    ],
    ['limit rate', rule(limit({ rate: 0, per: 'second' })), /limit rate 0: write a whole number from 1/],
    ['limit burst', rule(limit({ rate: 1, per: 'second', burst: 2 ** 32 })), /limit burst 4294967296/],
    [
      'connection count',
      rule(connlimit({ count: 1.5, over: true })),
      /connlimit count 1.5: write a whole number from 0/,
    ],
    ['log group', rule(log({ group: 70_000 })), /log group 70000: write a whole number from 0 to 65535/],
    ['log prefix', rule(log({ group: 1, prefix: 'x'.repeat(128) })), /has 128 bytes: at most 127/],
  ])
})

describe('protocols that exclude each other', () => {
  const four =
    (...statements: Statement[]) =>
    () =>
      new Transaction().addRule({ family: 'ip', name: 't' }, 'c', { statements })
  const arp =
    (...statements: Statement[]) =>
    () =>
      new Transaction().addRule({ family: 'arp', name: 't' }, 'c', { statements })
  refuses([
    [
      'two families',
      rule(is(ip('saddr'), '192.0.2.1'), is(ip6('saddr'), '::1')),
      /'ip6 saddr' can match nothing here: the rule is for ip only/,
    ],
    [
      'two transports',
      rule(is(tcp('dport'), 1), is(udp('dport'), 1)),
      /'udp dport' can match nothing here: .* protocol 6 only/,
    ],
    ['after an explicit one', rule(is(meta('l4proto'), 'udp'), is(tcp('dport'), 1)), /protocol 17 only/],
    ['in the table', four(is(ip6('saddr'), '::1')), /the rule is for ip only/],
    ['in an arp table', arp(is(ip6('saddr'), '::1')), /the rule is for arp only/],
    [
      'a reset for UDP',
      rule(is(udp('dport'), 1), reject({ with: 'tcp reset' })),
      /'reject with tcp reset' can match nothing/,
    ],
  ])
  it('do so only when they are compared for equality', () => {
    rule(not(meta('l4proto'), 'udp'), is(tcp('dport'), 1))()
    rule(counter(), is(meta('nfproto'), 'ipv6'), is(ip6('saddr'), '::1'))()
  })
})

describe('elements', () => {
  refuses([
    ['malformed', element(host, { key: '2001:db8' }), /element "2001:db8" of set hosts: "2001:db8" is no ipv6_addr/],
    [
      'one field of two',
      element(pairs, { key: '::1' }),
      /set pairs: "::1" is one field: write \[ipv6_addr \. inet_service\]/,
    ],
    [
      'three fields of two',
      element(pairs, { key: ['::1', 1, 2] }),
      /\["::1",1,2\] has 3 fields, not ipv6_addr \. inet_service/,
    ],
    ['prefix in a plain set', element(host, { key: '::/64' }), /"::\/64" is no ipv6_addr/],
    ['bits beyond the prefix', element(nets, { key: '::1/64' }), /"::1\/64" has bits beyond \/64/],
    ['interval upside down', element(nets, { key: '::9-::1' }), /"::9-::1" ends before it begins/],
    ['data in a set', element(host, { key: '::1', data: accept }), /only elements of a map have data/],
    ['map without data', element(verdicts, { key: 1 }), /an element of a map needs data/],
    ['value for a verdict', element(verdicts, { key: 1, data: 5 }), /5 is no verdict: write accept, drop, jump/],
    [
      'verdict for a value',
      element({ ...verdicts, map: 'mark' }, { key: 1, data: accept }),
      /verdict accept where the map holds values/,
    ],
    [
      'data of too many fields',
      element({ ...verdicts, map: 'mark' }, { key: 1, data: [1, 2] }),
      /data \[1,2\] is no mark/,
    ],
    ['long comment', element(host, { key: '::1', comment: 'x'.repeat(128) }), /has 128 bytes: at most 127/],
  ])
})

describe('sets, chains and tables', () => {
  const add = (set: unknown) => () => new Transaction().addSet(table, wrong(set))
  refuses([
    [
      'unknown type',
      add({ name: 's', type: 'ip6_addr' }),
      /unknown data type 'ip6_addr': write one of nf_proto, ipv4_addr/,
    ],
    ['no type', add({ name: 's', type: [] }), /has 0 bytes: write 1 to 64/],
    ['key too long', add({ name: 's', type: Array(5).fill('ipv6_addr') }), /has 80 bytes: write 1 to 64/],
    [
      'intervals of marks',
      add({ name: 's', type: 'mark', flags: ['interval'] }),
      /set s: intervals of mark are not supported/,
    ],
    ['empty name', commit(new Transaction().addTable({ ...table, name: '' })), /name "": write 1 to 255 bytes/],
    ['long name', commit(new Transaction().addTable({ ...table, name: 'x'.repeat(256) })), /write 1 to 255 bytes/],
    [
      'unknown family',
      commit(new Transaction().addTable(wrong({ family: 'ip4', name: 't' }))),
      /unknown family 'ip4': write one of inet/,
    ],
    [
      'hook without type',
      commit(new Transaction().addChain(table, { name: 'c', hook: 'input' })),
      /chain c has hook input: give it type/,
    ],
    [
      'policy without hook',
      commit(new Transaction().addChain(table, { name: 'c', policy: 'drop' })),
      /no hook: only base chains/,
    ],
    [
      'hook of another family',
      commit(
        new Transaction().addChain(
          { family: 'arp', name: 't' },
          { name: 'c', type: 'filter', hook: 'prerouting', priority: 0 },
        ),
      ),
      /family arp has no hook 'prerouting': write one of input, output/,
    ],
  ])
})
