// IPv6 policy rules: which table is looked up for which source (linux/fib_rules.h). Every message starts with
// fib_rule_hdr:
//
//   u8 family | u8 destination length | u8 source length | u8 tos | u8 table | u8 - | u8 - | u8 action | u32 flags
import {
  attributeMap,
  type Batch,
  type Message,
  type NetlinkSocket,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  type Writer,
} from 'nftables-js/netlink'
import { byte, prefixBytes, prefixText } from './bytes.ts'

export const RTM_NEWRULE = 32
export const RTM_DELRULE = 33
const RTM_GETRULE = 34

const AF_INET6 = 10
const FIB_RULE_HDR = 12
const FR_ACT_TO_TBL = 1
const FRA_SRC = 2
const FRA_PRIORITY = 6
const FRA_TABLE = 15
const FRA_PROTOCOL = 21

/** Look up `table` for packets from the prefix `from` (or for all). The lower the priority the earlier it is asked. */
export interface Rule {
  readonly from?: string
  readonly table: number
  readonly priority: number
  /** Who made it (RTPROT_*): 0 to 255. */
  readonly protocol?: number
}

function described({ from, table, priority }: Rule): string {
  return `rule ${priority} ${from === undefined ? '' : `from ${from} `}table ${table}`
}

function write(writer: Writer, rule: Rule): void {
  const from = rule.from === undefined ? undefined : prefixBytes(rule.from)
  writer.rawU8(AF_INET6).rawU8(0)
  writer.rawU8(from?.length ?? 0).rawU8(0)
  writer.rawU8(rule.table < 256 ? rule.table : 0).rawU8(0)
  writer.rawU8(0).rawU8(FR_ACT_TO_TBL)
  writer.rawU32(0)
  if (from) writer.bytesAttribute(FRA_SRC, from.bytes)
  writer.u32(FRA_PRIORITY, rule.priority).u32(FRA_TABLE, rule.table)
  if (rule.protocol !== undefined) writer.u8(FRA_PROTOCOL, byte(rule.protocol, 'rule protocol'))
}

/** Appends RTM_NEWRULE. Refusals: EEXIST, EINVAL (table 0). Throws RangeError on a malformed prefix. */
export function addRule(batch: Batch, rule: Rule): Batch {
  const flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
  return batch.add(`add ${described(rule)}`, RTM_NEWRULE, flags, writer => write(writer, rule))
}

/** Appends RTM_DELRULE: the first rule that agrees with all that is given. Refusal: ENOENT (there is none). */
export function deleteRule(batch: Batch, rule: Rule): Batch {
  return batch.add(`delete ${described(rule)}`, RTM_DELRULE, NLM_F_ACK, writer => write(writer, rule))
}

/** Reads RTM_NEWRULE or RTM_DELRULE; selectors other than the source are not read. Throws RangeError on a bad attribute. */
export function parseRule(message: Message): Rule {
  const { payload } = message
  const attributes = attributeMap(payload, FIB_RULE_HDR)
  const length = payload.readUInt8(2)
  const protocol = attributes.get(FRA_PROTOCOL)
  return {
    ...(length > 0 && { from: prefixText(attributes.get(FRA_SRC), length) }),
    table: attributes.get(FRA_TABLE)?.readUInt32LE(0) ?? payload.readUInt8(4),
    priority: attributes.get(FRA_PRIORITY)?.readUInt32LE(0) ?? 0,
    ...(protocol && { protocol: protocol.readUInt8(0) }),
  }
}

/** All IPv6 rules of the socket's namespace in the order in which they are asked. Throws NetlinkError EINTR (see dump). */
export function listRules(socket: NetlinkSocket): Rule[] {
  const messages = socket.dump('list rules', RTM_GETRULE, writer => {
    writer.rawU32(AF_INET6).rawU32(0).rawU32(0)
  })
  return messages.map(parseRule)
}
