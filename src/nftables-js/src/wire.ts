// Numbers of the kernel's nf_tables interface (linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h). Attributes are
// grouped by the object that carries them; integers in them are big-endian.
import type { Writer } from './netlink/index.ts'

export const NFNL_SUBSYS_NFTABLES = 10
export const NFNL_MSG_BATCH_BEGIN = 0x10
export const NFNL_MSG_BATCH_END = 0x11
export const NFNLGRP_NFTABLES = 7

const subsystem = NFNL_SUBSYS_NFTABLES << 8

/** Message types with the subsystem in the upper byte. DESTROY_SETELEM: kernel 6.3 and later. */
export const MSG = {
  newTable: subsystem | 0,
  getTable: subsystem | 1,
  deleteTable: subsystem | 2,
  newChain: subsystem | 3,
  getChain: subsystem | 4,
  deleteChain: subsystem | 5,
  newRule: subsystem | 6,
  getRule: subsystem | 7,
  deleteRule: subsystem | 8,
  newSet: subsystem | 9,
  getSet: subsystem | 10,
  deleteSet: subsystem | 11,
  newElement: subsystem | 12,
  getElement: subsystem | 13,
  deleteElement: subsystem | 14,
  newGeneration: subsystem | 15,
  destroyElement: subsystem | 30,
} as const

export const TABLE = { name: 1, flags: 2, handle: 4, userdata: 6, owner: 7 } as const
export const TABLE_FLAG = { dormant: 0x1, owner: 0x2, persist: 0x4 } as const
export const CHAIN = { table: 1, handle: 2, name: 3, hook: 4, policy: 5, type: 7, flags: 10, userdata: 12 } as const
export const HOOK = { number: 1, priority: 2, device: 3 } as const
export const RULE = { table: 1, chain: 2, handle: 3, expressions: 4, userdata: 7 } as const
export const SET = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  description: 9,
  id: 10,
  timeout: 11,
  userdata: 13,
  handle: 16,
} as const
export const SET_FLAG = {
  anonymous: 0x1,
  constant: 0x2,
  interval: 0x4,
  map: 0x8,
  timeout: 0x10,
  dynamic: 0x20,
  concat: 0x80,
} as const
export const DESCRIPTION = { size: 1, concat: 2 } as const
export const FIELD_LENGTH = 1
export const ELEMENTS = { table: 1, set: 2, elements: 3, setId: 4 } as const
export const ELEMENT = { key: 1, data: 2, flags: 3, timeout: 4, userdata: 6, keyEnd: 10 } as const
export const ELEMENT_FLAG_END = 0x1
export const LIST_ITEM = 1
export const DATA = { value: 1, verdict: 2 } as const
export const VERDICT = { code: 1, chain: 2 } as const
export const DATA_TYPE_VERDICT = 0xffffff00
export const EXPRESSION = { name: 1, data: 2 } as const
export const COUNTER = { bytes: 1, packets: 2 } as const
export const GENERATION = { id: 1, processId: 2, processName: 3 } as const

/** The registers are 16 words of 4 bytes; four of them make one of NFT_REG_1 to NFT_REG_4. */
export const REGISTER_WORDS = 16

/** Number of the register that starts at `word` (0 to 15): NFT_REG_n where it can be said so, else NFT_REG32_nn. */
export function register(word: number): number {
  return word % 4 === 0 ? 1 + word / 4 : 8 + word
}

/** AF_ numbers by nft's family names. */
export const FAMILY = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const

/** nfgenmsg: u8 family | u8 version 0 | be16 resource (only of use in batch messages). */
export function familyHeader(writer: Writer, family: number, resource = 0): void {
  writer.rawU8(family).rawU8(0).rawBe16(resource)
}
