// The filter table of iptables-legacy as bytes (linux/netfilter_ipv6/ip6_tables.h, linux/netfilter/x_tables.h), as 64-bit kernels lay it out. The
// kernel takes and gives a table as a whole: what is put in moves everything behind it, and with it the places that others jump to.
//
//   ip6t_entry, 168 bytes     0 ip6t_ip6: source, destination and their masks (64) | link in, link out (16 each) | their masks (16 each) |
//                             128 u16 protocol | u8 tos | u8 flags | u8 inverted | 136 u32 nfcache | 140 u16 offset of the target |
//                             142 u16 offset of the next entry | u32 comefrom | 152 u64 packets | u64 bytes, then matches, then the target
//   xt_entry_target, 32       u16 size | name (29) | u8 revision, then its data: of the standard target (no name) an i32 verdict
//   verdict                   0 or more: the offset of a rule to go on with; else -1 - NF_DROP, -1 - NF_ACCEPT, -1 - NF_REPEAT (return)

/** NF_INET_FORWARD, NF_INET_NUMHOOKS. */
const FORWARD = 2
const HOOKS = 5
const NAME = 32
const LINK_IN = 64
const LINK_OUT = 80
const LINK_NAME = 16
const MASKS = 32
const MATCH = 136
const TARGET_OFFSET = 140
const NEXT_OFFSET = 142
const ENTRY = 168
const TARGET = 32
const TARGET_NAME = 29
const STANDARD = 40
const COUNTER = 16
/** struct ip6t_getinfo; struct ip6t_get_entries and struct ip6t_replace without the entries at their end. */
const INFO = 84
const ENTRIES_HEADER = 40
const REPLACE_HEADER = 96

const DROP = -1
const ACCEPT = -2

/** struct ip6t_getinfo without the name: bits of the hooks that the table has, byte offsets per hook, number and bytes of the entries. */
export interface TableInfo {
  readonly validHooks: number
  /** Where a hook's chain begins, and where the entry with its policy stands. -1 for a hook that the table does not have. */
  readonly begins: readonly number[]
  readonly policies: readonly number[]
  readonly count: number
  readonly size: number
}

/** A table: what the kernel says of it, and its entries. */
export interface LegacyTable {
  readonly info: TableInfo
  readonly entries: Buffer
}

/** A table to be put in place of another one: new entries stand together, from the `position`th on, `added` of them. */
export interface Replacement {
  readonly table: LegacyTable
  readonly position: number
  readonly added: number
}

/** The buffer for IP6T_SO_GET_INFO, with the name filled in. */
export function infoRequest(name: string): Buffer {
  const bytes = Buffer.alloc(INFO)
  bytes.write(name, 'latin1')
  return bytes
}

/** Reads what the kernel filled in. */
export function parseInfo(bytes: Buffer): TableInfo {
  const hooks = (at: number): number[] => Array.from({ length: HOOKS }, (_, hook) => bytes.readInt32LE(at + 4 * hook))
  const validHooks = bytes.readUInt32LE(NAME)
  const count = bytes.readUInt32LE(NAME + 44)
  return { validHooks, begins: hooks(NAME + 4), policies: hooks(NAME + 24), count, size: bytes.readUInt32LE(NAME + 48) }
}

/** The buffer for IP6T_SO_GET_ENTRIES, with room for `size` bytes of entries. */
export function entriesRequest(name: string, size: number): Buffer {
  const bytes = Buffer.alloc(ENTRIES_HEADER + size)
  bytes.write(name, 'latin1')
  bytes.writeUInt32LE(size, NAME)
  return bytes
}

/** The entries that the kernel filled in. */
export function parseEntries(bytes: Buffer): Buffer {
  return bytes.subarray(ENTRIES_HEADER)
}

/** The argument of IP6T_SO_SET_REPLACE. `before`: number of entries now, of which the kernel writes the counters to the address `counters`. */
export function encodeReplace(name: string, { info, entries }: LegacyTable, before: number, counters: bigint): Buffer {
  const bytes = Buffer.alloc(REPLACE_HEADER)
  bytes.write(name, 'latin1')
  bytes.writeUInt32LE(info.validHooks, NAME)
  bytes.writeUInt32LE(info.count, NAME + 4)
  bytes.writeUInt32LE(info.size, NAME + 8)
  info.begins.forEach((offset, hook) => {
    bytes.writeInt32LE(offset, NAME + 12 + 4 * hook)
  })
  info.policies.forEach((offset, hook) => {
    bytes.writeInt32LE(offset, NAME + 32 + 4 * hook)
  })
  bytes.writeUInt32LE(before, NAME + 52)
  bytes.writeBigUInt64LE(counters, NAME + 56)
  return Buffer.concat([bytes, entries])
}

/** Bytes of the counters of `count` entries (struct xt_counters each: u64 packets, u64 bytes). */
export function countersSize(count: number): number {
  return count * COUNTER
}

/** The argument of IP6T_SO_SET_ADD_COUNTERS: what the old entries had counted, on the entries that they have become. */
export function encodeCounters(name: string, { table, position, added }: Replacement, counters: Buffer): Buffer {
  const bytes = Buffer.alloc(ENTRIES_HEADER)
  bytes.write(name, 'latin1')
  bytes.writeUInt32LE(table.info.count, NAME)
  const at = position * COUNTER
  return Buffer.concat([bytes, counters.subarray(0, at), Buffer.alloc(added * COUNTER), counters.subarray(at)])
}

/**
 * The table with `-o PREFIX+ -j ACCEPT` and `-i PREFIX+ -j ACCEPT` at the end of FORWARD, before its policy, so that every other rule decides first;
 * undefined where the policy is not drop, or the rules are there. Throws RangeError for bytes that are no such table.
 */
export function withAccepts(table: LegacyTable, prefix: string): Replacement | undefined {
  const all = readEntries(table)
  const [begin, policy] = [table.info.begins[FORWARD] ?? -1, table.info.policies[FORWARD] ?? -1]
  if (begin < 0 || verdictOf(table, entryAt(all, policy)) !== DROP) return undefined
  const rules = all
    .filter(({ at }) => at >= begin && at < policy)
    .map(({ at, next }) => table.entries.subarray(at, next))
  const accepts = [accept(LINK_OUT, prefix), accept(LINK_IN, prefix)]
  const missing = accepts.filter(rule => !rules.some(other => sameRule(other, rule)))
  return missing.length === 0 ? undefined : insert(table, all, policy, missing)
}

interface Entry {
  /** Offsets in the table, in bytes. */
  readonly at: number
  readonly target: number
  readonly next: number
  readonly targetName: string
}

function readEntries({ entries }: LegacyTable): Entry[] {
  const all: Entry[] = []
  for (let at = 0; at < entries.length; ) {
    const [target, next] = at + ENTRY + TARGET <= entries.length ? offsets(entries, at) : [0, 0]
    if (target < ENTRY || next < target + TARGET || at + next > entries.length) {
      throw new RangeError(`ip6tables entry at ${at} of ${entries.length}: target at ${target}, next at ${next}`)
    }
    all.push({ at, target: at + target, next: at + next, targetName: textAt(entries, at + target + 2, TARGET_NAME) })
    at += next
  }
  return all
}

function offsets(entries: Buffer, at: number): [target: number, next: number] {
  return [entries.readUInt16LE(at + TARGET_OFFSET), entries.readUInt16LE(at + NEXT_OFFSET)]
}

function textAt(bytes: Buffer, at: number, length: number): string {
  const text = bytes.toString('latin1', at, at + length)
  return text.split('\0', 1)[0] ?? ''
}

function entryAt(all: readonly Entry[], offset: number): Entry {
  const found = all.find(({ at }) => at === offset)
  if (!found) throw new RangeError(`no ip6tables entry begins at ${offset}`)
  return found
}

/** The verdict of a standard target; undefined for any other. */
function verdictOf({ entries }: LegacyTable, { target, next, targetName }: Entry): number | undefined {
  return targetName === '' && next - target >= STANDARD ? entries.readInt32LE(target + TARGET) : undefined
}

/** The same match and target; what the kernel notes in between and counts is left out. */
function sameRule(one: Buffer, other: Buffer): boolean {
  const parts = ([from, to]: readonly [number, number]): boolean =>
    one.subarray(from, to).equals(other.subarray(from, to))
  return one.length === other.length && parts([0, MATCH]) && parts([TARGET_OFFSET, 144]) && parts([ENTRY, one.length])
}

/** `-i PREFIX+ -j ACCEPT` or `-o PREFIX+ -j ACCEPT`, byte for byte as ip6tables-legacy writes it: the + stands in the name, and is not compared. */
function accept(link: typeof LINK_IN | typeof LINK_OUT, prefix: string): Buffer {
  const bytes = Buffer.alloc(ENTRY + STANDARD)
  if (prefix.length === 0 || prefix.length + 1 >= LINK_NAME) {
    throw new RangeError(`prefix of link names "${prefix}": write 1 to ${LINK_NAME - 2} characters`)
  }
  bytes.write(`${prefix}+`, link, 'latin1')
  bytes.fill(0xff, link + MASKS, link + MASKS + prefix.length)
  bytes.writeUInt16LE(ENTRY, TARGET_OFFSET)
  bytes.writeUInt16LE(ENTRY + STANDARD, NEXT_OFFSET)
  bytes.writeUInt16LE(STANDARD, ENTRY)
  bytes.writeInt32LE(ACCEPT, ENTRY + TARGET)
  return bytes
}

/** Puts rules before the policy at `start`, which moves with everything behind it. A hook whose chain had no rule begins with the first of them. */
function insert(table: LegacyTable, all: readonly Entry[], start: number, rules: readonly Buffer[]): Replacement {
  const { info } = table
  const block = Buffer.concat(rules)
  const entries = Buffer.from(table.entries)
  for (const entry of all) {
    const verdict = verdictOf(table, entry)
    if (verdict !== undefined && verdict > start) entries.writeInt32LE(verdict + block.length, entry.target + TARGET)
  }
  const moved = {
    validHooks: info.validHooks,
    begins: info.begins.map(offset => (offset > start ? offset + block.length : offset)),
    policies: info.policies.map(offset => (offset >= start ? offset + block.length : offset)),
    count: info.count + rules.length,
    size: info.size + block.length,
  }
  return {
    table: { info: moved, entries: Buffer.concat([entries.subarray(0, start), block, entries.subarray(start)]) },
    position: all.filter(({ at }) => at < start).length,
    added: rules.length,
  }
}
