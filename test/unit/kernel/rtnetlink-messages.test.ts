// The exact bytes of one message of each kind, in rows of 4 as they lie in memory (numbers little-endian).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Batch } from 'nftables-js/netlink'
import { addAddress, deleteAddress } from '../../../src/kernel/rtnetlink/address.ts'
import { addVeth, deleteLink, deleteLinkGroup, setLink } from '../../../src/kernel/rtnetlink/link.ts'
import { addNeighbour, deleteNeighbour } from '../../../src/kernel/rtnetlink/neighbour.ts'
import { addRoute, deleteRoute } from '../../../src/kernel/rtnetlink/route.ts'
import { addRule, deleteRule } from '../../../src/kernel/rtnetlink/rule.ts'

function rows(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.replace(/ {2}.*/, '').trim())
    .filter(row => row !== '')
}

function holds(batch: Batch, golden: string): void {
  assert.deepEqual(batch.bytes.toString('hex').match(/.{8}/g), rows(golden))
}

const ends = [
  { name: 's64a', mac: '02:00:00:00:00:01', mtu: 1500, txQueueLength: 500 },
  { name: 'eth0', mac: '02:00:00:00:00:02', mtu: 1500, netns: 7 },
] as const

describe('links', () => {
  it('a veth pair whose other end is born in the namespace of descriptor 7', () => {
    holds(
      addVeth(new Batch(), ...ends, { echo: true }),
      `
98000000  152 bytes
10000d06  RTM_NEWLINK, REQUEST|ACK|ECHO|EXCL|CREATE
00000000  sequence
00000000  port
00000000  AF_UNSPEC
00000000  index: the kernel chooses
00000000  flags
00000000  change
09000300  IFLA_IFNAME
73363461  s64a
00000000
0a000100  IFLA_ADDRESS
02000000
00010000
08000400  IFLA_MTU
dc050000  1500
08000d00  IFLA_TXQLEN
f4010000  500
50001280  IFLA_LINKINFO, nested, 80 bytes
09000100  IFLA_INFO_KIND
76657468  veth
00000000
40000280  IFLA_INFO_DATA, nested, 64 bytes
3c000180  VETH_INFO_PEER, nested, 60 bytes
00000000  AF_UNSPEC
00000000  index
00000000  flags
00000000  change
09000300  IFLA_IFNAME
65746830  eth0
00000000
0a000100  IFLA_ADDRESS
02000000
00020000
08000400  IFLA_MTU
dc050000  1500
08001c00  IFLA_NET_NS_FD
07000000  7
`,
    )
  })

  it('addr_gen_mode with all other changes in a message before the one that brings the link up', () => {
    holds(
      setLink(new Batch(), { index: 5 }, { up: true, group: 9, addrGenMode: 'none', alias: 'slash64' }),
      `
44000000  68 bytes
13000500  RTM_SETLINK, REQUEST|ACK
00000000
00000000
00000000  AF_UNSPEC
05000000  index
00000000  flags
00000000  change
0c001400  IFLA_IFALIAS
736c6173  slas
68363400  h64
08001b00  IFLA_GROUP
09000000  9
10001a80  IFLA_AF_SPEC, nested
0c000a80  AF_INET6, nested
05000800  IFLA_INET6_ADDR_GEN_MODE
01000000  IN6_ADDR_GEN_MODE_NONE
20000000  32 bytes
13000500  RTM_SETLINK, REQUEST|ACK
00000000
00000000
00000000  AF_UNSPEC
05000000  index
01000000  flags: IFF_UP
01000000  change: IFF_UP
`,
    )
  })

  it('a delete by name, and of a group', () => {
    holds(
      deleteLinkGroup(deleteLink(new Batch(), { name: 's64a' }), 9),
      `
2c000000  44 bytes
11000500  RTM_DELLINK, REQUEST|ACK
00000000
00000000
00000000  AF_UNSPEC
00000000  index
00000000
00000000
09000300  IFLA_IFNAME
73363461  s64a
00000000
28000000  40 bytes
11000500  RTM_DELLINK, REQUEST|ACK
00000000
00000000
00000000  AF_UNSPEC
00000000  index
00000000
00000000
08001b00  IFLA_GROUP
09000000  9
`,
    )
  })

  it('group 0 is never deleted, nor is what is no group', () => {
    for (const group of [0, -1, 1.5, 2 ** 32]) {
      assert.throws(() => deleteLinkGroup(new Batch(), group), {
        name: 'RangeError',
        message: `link group ${group} cannot be deleted: write 1 to 4294967295 (0 is every link's default)`,
      })
    }
  })

  it('names that the kernel would refuse or complete are refused with the name', () => {
    for (const name of ['', '.', '..', 's64-0123456789ab', 'a b', 'a/b', 'a:b', 'veth%d', 'äöüäöüäö']) {
      assert.throws(() => addVeth(new Batch(), { ...ends[0], name }, ends[1]), {
        name: 'RangeError',
        message: `"${name}" is no name for a link: write 1 to 15 bytes without space, "/", ":" and "%"`,
      })
      assert.throws(() => setLink(new Batch(), { index: 1 }, { name }), RangeError)
    }
  })

  it('a rename needs the index, and no change makes no message', () => {
    assert.throws(() => setLink(new Batch(), { name: 'a' }, { name: 'b' }), /rename a to b: give the link by its index/)
    assert.equal(setLink(new Batch(), { index: 1 }, {}).size, 0)
    const moved = { up: true, addrGenMode: 'none', netns: 7 } as const
    assert.throws(() => setLink(new Batch(), { index: 1 }, moved), /link 1 moves: bring it up from its new namespace/)
  })
})

it('an address', () => {
  const address = { index: 5, address: 'fe80::1', prefixLength: 64 }
  holds(
    deleteAddress(addAddress(new Batch(), { ...address, nodad: true, noPrefixRoute: true }), address),
    `
34000000  52 bytes
14000506  RTM_NEWADDR, REQUEST|ACK|EXCL|CREATE
00000000
00000000
0a400200  AF_INET6, /64, IFA_F_NODAD, scope
05000000  index
14000200  IFA_LOCAL
fe800000
00000000
00000000
00000001
08000800  IFA_FLAGS
02020000  IFA_F_NODAD|IFA_F_NOPREFIXROUTE
2c000000  44 bytes
15000500  RTM_DELADDR, REQUEST|ACK
00000000
00000000
0a400000  AF_INET6, /64
05000000  index
14000200  IFA_LOCAL
fe800000
00000000
00000000
00000001
`,
  )
  assert.throws(
    () => addAddress(new Batch(), { ...address, prefixLength: 129 }),
    /prefix length 129 of fe80::1: write 0 /,
  )
})

it('a source-specific default route with a metric and an MTU in table 1000', () => {
  holds(
    addRoute(new Batch(), {
      destination: '::/0',
      source: '2001:db8::3/128',
      index: 5,
      gateway: 'fe80::1',
      protocol: 64,
      metric: 1,
      table: 1000,
      mtu: 1400,
    }),
    `
7c000000  124 bytes
18000506  RTM_NEWROUTE, REQUEST|ACK|EXCL|CREATE
00000000
00000000
0a008000  AF_INET6, to /0, from /128, tos
00400001  table in its attribute, protocol 64, scope, RTN_UNICAST
00000000  flags
14000100  RTA_DST
00000000
00000000
00000000
00000000
14000200  RTA_SRC
20010db8
00000000
00000000
00000003
08000400  RTA_OIF
05000000  5
14000500  RTA_GATEWAY
fe800000
00000000
00000000
00000001
08000600  RTA_PRIORITY
01000000  1
08000f00  RTA_TABLE
e8030000  1000
0c000880  RTA_METRICS, nested
08000200  RTAX_MTU
78050000  1400
`,
  )
})

it('an unreachable route to replace, and a delete', () => {
  const route = { destination: '2001:db8::/64', protocol: 64 }
  holds(
    deleteRoute(addRoute(new Batch(), { ...route, type: 'unreachable', verb: 'replace' }), route),
    `
30000000  48 bytes
18000505  RTM_NEWROUTE, REQUEST|ACK|REPLACE|CREATE
00000000
00000000
0a400000  AF_INET6, to /64
fe400007  RT_TABLE_MAIN, protocol 64, scope, RTN_UNREACHABLE
00000000
14000100  RTA_DST
20010db8
00000000
00000000
00000000
30000000  48 bytes
19000500  RTM_DELROUTE, REQUEST|ACK
00000000
00000000
0a400000  AF_INET6, to /64
fe400000  RT_TABLE_MAIN, protocol 64, scope, any type
00000000
14000100  RTA_DST
20010db8
00000000
00000000
00000000
`,
  )
  assert.throws(() => addRoute(new Batch(), { ...route, protocol: 256 }), /route protocol 256 does not fit one byte/)
})

it('a permanent neighbour', () => {
  const neighbour = { index: 5, address: '2001:db8::3' }
  holds(
    deleteNeighbour(addNeighbour(new Batch(), { ...neighbour, mac: '02:00:00:00:00:02' }), neighbour),
    `
3c000000  60 bytes
1c000505  RTM_NEWNEIGH, REQUEST|ACK|REPLACE|CREATE
00000000
00000000
0a000000  AF_INET6
05000000  index
80000000  NUD_PERMANENT
14000100  NDA_DST
20010db8
00000000
00000000
00000003
0a000200  NDA_LLADDR
02000000
00020000
30000000  48 bytes
1d000500  RTM_DELNEIGH, REQUEST|ACK
00000000
00000000
0a000000  AF_INET6
05000000  index
00000000
14000100  NDA_DST
20010db8
00000000
00000000
00000003
`,
  )
})

it('a rule', () => {
  const rule = { from: '2001:db8::3/128', table: 1000, priority: 100, protocol: 64 }
  const bytes = `
0a008000  AF_INET6, to /0, from /128, tos
00000001  table in its attribute, FR_ACT_TO_TBL
00000000  flags
14000200  FRA_SRC
20010db8
00000000
00000000
00000003
08000600  FRA_PRIORITY
64000000  100
08000f00  FRA_TABLE
e8030000  1000
05001500  FRA_PROTOCOL
40000000  64
`
  holds(
    addRule(new Batch(), rule),
    `48000000\n20000506  RTM_NEWRULE, REQUEST|ACK|EXCL|CREATE\n00000000\n00000000${bytes}`,
  )
  holds(deleteRule(new Batch(), rule), `48000000\n21000500  RTM_DELRULE, REQUEST|ACK\n00000000\n00000000${bytes}`)
})
