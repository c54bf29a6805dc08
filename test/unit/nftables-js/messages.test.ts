// Messages byte by byte: what linux/netfilter/nf_tables.h says, four bytes a row.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { accept, ip6, is, Transaction } from 'nftables-js'
import { toBatch } from '../../../src/nftables-js/src/batch.ts'

const table = { family: 'inet', name: 't' } as const

/** The bytes of a transaction, a row each, as the kernel gets them. */
function rowsOf(transaction: Transaction): string[] {
  const batch = toBatch([transaction])
  assert.ok(batch)
  batch.number(1)
  return batch.bytes.toString('hex').match(/.{8}/g) ?? []
}

/** The rows of a golden: what stands before the comment. */
function rows(golden: string): string[] {
  return golden
    .split('\n')
    .map(line => (line.split('#')[0] ?? '').replaceAll(' ', ''))
    .filter(line => line !== '')
}

const begin = `
  14 00 00 00  # length 20
  10 00 01 00  # NFNL_MSG_BATCH_BEGIN | NLM_F_REQUEST
  01 00 00 00  # sequence 1
  00 00 00 00  # port
  00 00 00 0a  # AF_UNSPEC | version 0 | resource: NFNL_SUBSYS_NFTABLES
`
const end = `
  14 00 00 00  # length 20
  11 00 01 00  # NFNL_MSG_BATCH_END | NLM_F_REQUEST
  03 00 00 00  # sequence 3
  00 00 00 00  # port
  00 00 00 0a  # AF_UNSPEC | version 0 | resource: NFNL_SUBSYS_NFTABLES
`

function assertMessage(transaction: Transaction, golden: string): void {
  assert.deepEqual(rowsOf(transaction), rows(begin + golden + end))
}

describe('messages', () => {
  it('NEWTABLE with owner, persist and a comment', () => {
    assertMessage(
      new Transaction().addTable({ ...table, flags: ['owner', 'persist'], comment: 'x' }),
      `
      2c 00 00 00  # length 44
      00 0a 05 04  # NFT_MSG_NEWTABLE, nftables | NLM_F_REQUEST, ACK, CREATE
      02 00 00 00  # sequence 2
      00 00 00 00  # port
      01 00 00 00  # NFPROTO_INET
      06 00 01 00  # NFTA_TABLE_NAME
      74 00 00 00  # "t"
      08 00 02 00  # NFTA_TABLE_FLAGS
      00 00 00 06  # owner 2 | persist 4
      08 00 06 00  # NFTA_TABLE_USERDATA
      00 02 78 00  # comment | 2 bytes | "x"
      `,
    )
  })

  it('NEWCHAIN of a base chain', () => {
    assertMessage(
      new Transaction().addChain(table, { name: 'c', type: 'filter', hook: 'forward', priority: -5, policy: 'drop' }),
      `
      4c 00 00 00  # length 76
      03 0a 05 04  # NFT_MSG_NEWCHAIN | NLM_F_REQUEST, ACK, CREATE
      02 00 00 00  # sequence 2
      00 00 00 00  # port
      01 00 00 00  # NFPROTO_INET
      06 00 01 00  # NFTA_CHAIN_TABLE
      74 00 00 00  # "t"
      06 00 03 00  # NFTA_CHAIN_NAME
      63 00 00 00  # "c"
      14 00 04 80  # NFTA_CHAIN_HOOK, nested
      08 00 01 00  #   NFTA_HOOK_HOOKNUM
      00 00 00 02  #   NF_INET_FORWARD
      08 00 02 00  #   NFTA_HOOK_PRIORITY
      ff ff ff fb  #   -5
      08 00 05 00  # NFTA_CHAIN_POLICY
      00 00 00 00  # NF_DROP
      0b 00 07 00  # NFTA_CHAIN_TYPE
      66 69 6c 74  # "filt
      65 72 00 00  #  er"
      `,
    )
  })

  it('NEWSET of concatenated intervals', () => {
    assertMessage(
      new Transaction().addSet(table, { name: 's', type: ['ipv6_addr', 'inet_service'], flags: ['interval'] }),
      `
      70 00 00 00  # length 112
      09 0a 05 04  # NFT_MSG_NEWSET | NLM_F_REQUEST, ACK, CREATE
      02 00 00 00  # sequence 2
      00 00 00 00  # port
      01 00 00 00  # NFPROTO_INET
      06 00 01 00  # NFTA_SET_TABLE
      74 00 00 00  # "t"
      06 00 02 00  # NFTA_SET_NAME
      73 00 00 00  # "s"
      08 00 03 00  # NFTA_SET_FLAGS
      00 00 00 84  # interval 0x4 | concat 0x80
      08 00 04 00  # NFTA_SET_KEY_TYPE
      00 00 02 0d  # ipv6_addr 8 << 6 | inet_service 13
      08 00 05 00  # NFTA_SET_KEY_LEN
      00 00 00 14  # 16 + 4
      08 00 0a 00  # NFTA_SET_ID
      00 00 00 01  # 1
      20 00 09 80  # NFTA_SET_DESC, nested
      1c 00 02 80  #   NFTA_SET_DESC_CONCAT, nested
      0c 00 01 80  #     NFTA_LIST_ELEM, nested
      08 00 01 00  #       NFTA_SET_FIELD_LEN
      00 00 00 10  #       16
      0c 00 01 80  #     NFTA_LIST_ELEM, nested
      08 00 01 00  #       NFTA_SET_FIELD_LEN
      00 00 00 02  #       2
      0a 00 0d 00  # NFTA_SET_USERDATA
      00 04 00 00  # key byte order | 4 bytes | 0: each type
      00 00 00 00  # has its own
      `,
    )
  })

  it('NEWSETELEM with KEY, KEY_END and a comment', () => {
    const set = { name: 's', type: ['ipv6_addr', 'inet_service'], flags: ['interval'] } as const
    assertMessage(
      new Transaction().addElements(table, set, [{ key: ['2001:db8::/32', '80-90'], comment: 'z' }]),
      `
      6c 00 00 00  # length 108
      0c 0a 05 04  # NFT_MSG_NEWSETELEM | NLM_F_REQUEST, ACK, CREATE
      02 00 00 00  # sequence 2
      00 00 00 00  # port
      01 00 00 00  # NFPROTO_INET
      06 00 01 00  # NFTA_SET_ELEM_LIST_TABLE
      74 00 00 00  # "t"
      06 00 02 00  # NFTA_SET_ELEM_LIST_SET
      73 00 00 00  # "s"
      48 00 03 80  # NFTA_SET_ELEM_LIST_ELEMENTS, nested
      44 00 01 80  #   NFTA_LIST_ELEM, nested
      1c 00 01 80  #     NFTA_SET_ELEM_KEY, nested
      18 00 01 00  #       NFTA_DATA_VALUE
      20 01 0d b8  #       2001:db8::
      00 00 00 00
      00 00 00 00
      00 00 00 00
      00 50 00 00  #       80, padded
      1c 00 0a 80  #     NFTA_SET_ELEM_KEY_END, nested
      18 00 01 00  #       NFTA_DATA_VALUE
      20 01 0d b8  #       2001:db8:ffff:…
      ff ff ff ff
      ff ff ff ff
      ff ff ff ff
      00 5a 00 00  #       90, padded
      08 00 06 00  #     NFTA_SET_ELEM_USERDATA
      00 02 7a 00  #     comment | 2 bytes | "z"
      `,
    )
  })

  it('NEWSETELEM of an interval up to the last value, which has no end', () => {
    assertMessage(
      new Transaction().addElements(table, { name: 's', type: 'inet_service', flags: ['interval'] }, [
        { key: '1-65535' },
      ]),
      `
      44 00 00 00  # length 68
      0c 0a 05 04  # NFT_MSG_NEWSETELEM | NLM_F_REQUEST, ACK, CREATE
      02 00 00 00  # sequence 2
      00 00 00 00  # port
      01 00 00 00  # NFPROTO_INET
      06 00 01 00  # NFTA_SET_ELEM_LIST_TABLE
      74 00 00 00  # "t"
      06 00 02 00  # NFTA_SET_ELEM_LIST_SET
      73 00 00 00  # "s"
      20 00 03 80  # NFTA_SET_ELEM_LIST_ELEMENTS, nested
      1c 00 01 80  #   NFTA_LIST_ELEM, nested
      0c 00 01 80  #     NFTA_SET_ELEM_KEY, nested
      06 00 01 00  #       NFTA_DATA_VALUE
      00 01 00 00  #       1, padded
      0a 00 06 00  #     NFTA_SET_ELEM_USERDATA
      01 04 01 00  #     element flags | 4 bytes | interval open 1,
      00 00 00 00  #     padded
      `,
    )
  })

  it('NEWRULE at the head of a chain: the same without NLM_F_APPEND', () => {
    const rule = { statements: [accept] }
    const [added, inserted] = [
      rowsOf(new Transaction().addRule(table, 'c', rule)),
      rowsOf(new Transaction().insertRule(table, 'c', rule)),
    ]
    const differing = added.findIndex((row, index) => row !== inserted[index])
    assert.deepEqual([added[differing], inserted[differing]], ['060a050c', '060a0504'])
    assert.deepEqual(added.toSpliced(differing, 1), inserted.toSpliced(differing, 1))
  })

  it('NEWRULE with an implied check, a short prefix and a verdict', () => {
    const rule = { statements: [is(ip6('saddr'), '2001:db8::/32'), accept], comment: 'y' }
    assertMessage(
      new Transaction().addRule(table, 'c', rule),
      `
      10 01 00 00  # length 272
      06 0a 05 0c  # NFT_MSG_NEWRULE | NLM_F_REQUEST, ACK, CREATE, APPEND
      02 00 00 00  # sequence 2
      00 00 00 00  # port
      01 00 00 00  # NFPROTO_INET
      06 00 01 00  # NFTA_RULE_TABLE
      74 00 00 00  # "t"
      06 00 02 00  # NFTA_RULE_CHAIN
      63 00 00 00  # "c"
      e4 00 04 80  # NFTA_RULE_EXPRESSIONS, nested
      24 00 01 80  #   NFTA_LIST_ELEM, nested
      09 00 01 00  #     NFTA_EXPR_NAME
      6d 65 74 61  #     "meta
      00 00 00 00  #     "
      14 00 02 80  #     NFTA_EXPR_DATA, nested
      08 00 02 00  #       NFTA_META_KEY
      00 00 00 0f  #       NFT_META_NFPROTO
      08 00 01 00  #       NFTA_META_DREG
      00 00 00 01  #       NFT_REG_1
      2c 00 01 80  #   NFTA_LIST_ELEM, nested
      08 00 01 00  #     NFTA_EXPR_NAME
      63 6d 70 00  #     "cmp"
      20 00 02 80  #     NFTA_EXPR_DATA, nested
      08 00 01 00  #       NFTA_CMP_SREG
      00 00 00 01  #       NFT_REG_1
      08 00 02 00  #       NFTA_CMP_OP
      00 00 00 00  #       NFT_CMP_EQ
      0c 00 03 80  #       NFTA_CMP_DATA, nested
      05 00 01 00  #         NFTA_DATA_VALUE
      0a 00 00 00  #         NFPROTO_IPV6, padded
      34 00 01 80  #   NFTA_LIST_ELEM, nested
      0c 00 01 00  #     NFTA_EXPR_NAME
      70 61 79 6c  #     "payl
      6f 61 64 00  #      oad"
      24 00 02 80  #     NFTA_EXPR_DATA, nested
      08 00 01 00  #       NFTA_PAYLOAD_DREG
      00 00 00 01  #       NFT_REG_1
      08 00 02 00  #       NFTA_PAYLOAD_BASE
      00 00 00 01  #       NFT_PAYLOAD_NETWORK_HEADER
      08 00 03 00  #       NFTA_PAYLOAD_OFFSET
      00 00 00 08  #       8: saddr
      08 00 04 00  #       NFTA_PAYLOAD_LEN
      00 00 00 04  #       4: a /32 is its first four bytes
      2c 00 01 80  #   NFTA_LIST_ELEM, nested
      08 00 01 00  #     NFTA_EXPR_NAME
      63 6d 70 00  #     "cmp"
      20 00 02 80  #     NFTA_EXPR_DATA, nested
      08 00 01 00  #       NFTA_CMP_SREG
      00 00 00 01  #       NFT_REG_1
      08 00 02 00  #       NFTA_CMP_OP
      00 00 00 00  #       NFT_CMP_EQ
      0c 00 03 80  #       NFTA_CMP_DATA, nested
      08 00 01 00  #         NFTA_DATA_VALUE
      20 01 0d b8  #         2001:db8
      30 00 01 80  #   NFTA_LIST_ELEM, nested
      0e 00 01 00  #     NFTA_EXPR_NAME
      69 6d 6d 65  #     "imme
      64 69 61 74  #      diat
      65 00 00 00  #      e"
      1c 00 02 80  #     NFTA_EXPR_DATA, nested
      08 00 01 00  #       NFTA_IMMEDIATE_DREG
      00 00 00 00  #       NFT_REG_VERDICT
      10 00 02 80  #       NFTA_IMMEDIATE_DATA, nested
      0c 00 02 80  #         NFTA_DATA_VERDICT, nested
      08 00 01 00  #           NFTA_VERDICT_CODE
      00 00 00 01  #           NF_ACCEPT
      08 00 07 00  # NFTA_RULE_USERDATA
      00 02 79 00  # comment | 2 bytes | "y"
      `,
    )
  })

  it('the last message of several asks for the acknowledgement', () => {
    const batch = toBatch([new Transaction().addTable(table), new Transaction().addChain(table, { name: 'c' })])
    const acknowledged = [...(batch?.number(1).values() ?? [])].map(each => [each.operation, each.acknowledged])
    assert.deepEqual(acknowledged, [
      ['begin transaction', false],
      ['add table inet t', false],
      ['add chain inet t c', true],
      ['end transaction', false],
    ])
    assert.equal(toBatch([new Transaction()]), undefined)
  })

  it('elements go on in another message before an attribute is full', () => {
    const set = { name: 's', type: 'mark' } as const
    const elements = Array.from({ length: 3000 }, (_, key) => ({ key }))
    const operations = [
      ...(toBatch([new Transaction().addElements(table, set, elements)])
        ?.number(1)
        .values() ?? []),
    ]
    assert.ok(operations.length > 3)
    const counts = operations
      .slice(1, -1)
      .map(({ operation }) => Number(/^add (\d+) elements inet t s$/.exec(operation)?.[1]))
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      elements.length,
    )
  })
})
