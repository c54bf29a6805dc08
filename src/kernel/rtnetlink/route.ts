// IPv6 routes (linux/rtnetlink.h). Every message starts with rtmsg:
//
//   u8 family | u8 destination length | u8 source length | u8 tos | u8 table | u8 protocol | u8 scope | u8 type | u32 flags
import {
  attributeMap,
  type Batch,
  type Message,
  type NetlinkSocket,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  type Writer,
} from 'nftables-js/netlink'
import { addressBytes, addressText, byte, prefixBytes, prefixText } from './bytes.ts'

export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
const RTM_GETROUTE = 26

/** The table that the kernel's own rules look up for everything that is not local (RT_TABLE_MAIN). */
export const MAIN_TABLE = 254

const AF_INET6 = 10
const RTMSG = 12
const RTNEXTHOP = 8
const RTM_F_CLONED = 0x200

const RTA_DST = 1
const RTA_SRC = 2
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_PRIORITY = 6
const RTA_PREFSRC = 7
const RTA_METRICS = 8
const RTA_MULTIPATH = 9
const RTA_TABLE = 15
const RTAX_MTU = 2

/** RTN_* by number. */
const types = [
  'unspecified',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] as const
export type RouteType = (typeof types)[number]

/** What tells one route from another. Prefixes are `ADDRESS/LENGTH`, `source` makes it source-specific. */
export interface RouteRef {
  readonly destination: string
  readonly source?: string
  /** Index of the link it goes out by. */
  readonly index?: number
  readonly gateway?: string
  /** Who made it (RTPROT_*): 0 to 255. */
  readonly protocol?: number
  /** The lower the better; the kernel takes 1024 where none is given. */
  readonly metric?: number
  /** Default: the main table. */
  readonly table?: number
}

/** A route to add. `mtu` in bytes; `preferredSource` is an address of this host. */
export interface NewRoute extends RouteRef {
  readonly protocol: number
  readonly type?: 'unicast' | 'unreachable'
  readonly preferredSource?: string
  readonly mtu?: number
  /** `add` (default) refuses what exists with the same destination, source and metric; `replace` replaces it. */
  readonly verb?: 'add' | 'replace'
}

/** One of several ways of a route. */
export interface NextHop {
  readonly index: number
  readonly gateway?: string
}

/** What the kernel says of a route. `nexthops` only where there are several; then `index` and `gateway` are missing. */
export interface Route extends RouteRef {
  readonly type: RouteType
  readonly protocol: number
  readonly metric: number
  readonly table: number
  readonly preferredSource?: string
  readonly mtu?: number
  readonly nexthops?: readonly NextHop[]
}

function described({ destination, source, index, gateway, table }: RouteRef): string {
  const parts = [
    `route ${destination}`,
    source === undefined ? '' : `from ${source}`,
    gateway === undefined ? '' : `via ${gateway}`,
    index === undefined ? '' : `on link ${index}`,
    table === undefined ? '' : `in table ${table}`,
  ]
  return parts.filter(part => part !== '').join(' ')
}

function write(writer: Writer, route: RouteRef, type: RouteType | undefined): void {
  const to = prefixBytes(route.destination)
  const from = route.source === undefined ? undefined : prefixBytes(route.source)
  const table = route.table ?? MAIN_TABLE
  writer.rawU8(AF_INET6).rawU8(to.length)
  writer.rawU8(from?.length ?? 0).rawU8(0)
  writer.rawU8(table < 256 ? table : 0).rawU8(byte(route.protocol ?? 0, 'route protocol'))
  writer.rawU8(0).rawU8(type ? types.indexOf(type) : 0)
  writer.rawU32(0)
  writer.bytesAttribute(RTA_DST, to.bytes)
  if (from) writer.bytesAttribute(RTA_SRC, from.bytes)
  if (route.index !== undefined) writer.u32(RTA_OIF, route.index)
  if (route.gateway !== undefined) writer.bytesAttribute(RTA_GATEWAY, addressBytes(route.gateway))
  if (route.metric !== undefined) writer.u32(RTA_PRIORITY, route.metric)
  if (table > 255) writer.u32(RTA_TABLE, table)
}

/**
 * Appends RTM_NEWROUTE. Refusals: EEXIST, ENODEV (no such link), ENETDOWN (it is down), EHOSTUNREACH (no route to the
 * gateway), EINVAL; most with the kernel's own words. Throws RangeError on a malformed address or prefix.
 */
export function addRoute(batch: Batch, route: NewRoute): Batch {
  const { type = 'unicast', verb = 'add', preferredSource, mtu } = route
  const operation = `${verb} ${type === 'unicast' ? '' : `${type} `}${described(route)}`
  const flags = NLM_F_ACK | NLM_F_CREATE | (verb === 'add' ? NLM_F_EXCL : NLM_F_REPLACE)
  return batch.add(operation, RTM_NEWROUTE, flags, writer => {
    write(writer, route, type)
    if (preferredSource !== undefined) writer.bytesAttribute(RTA_PREFSRC, addressBytes(preferredSource))
    if (mtu !== undefined) writer.nest(RTA_METRICS, () => writer.u32(RTAX_MTU, mtu))
  })
}

/** Appends RTM_DELROUTE: the first route that agrees with all that is given. Refusal: ESRCH (there is none). */
export function deleteRoute(batch: Batch, route: RouteRef): Batch {
  return batch.add(`delete ${described(route)}`, RTM_DELROUTE, NLM_F_ACK, writer => write(writer, route, undefined))
}

/** Reads the rtnexthop entries of RTA_MULTIPATH: u16 length | u8 flags | u8 weight | i32 index | attributes. */
function parseNextHops(bytes: Buffer): NextHop[] {
  const nexthops: NextHop[] = []
  for (let at = 0; at + RTNEXTHOP <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < RTNEXTHOP || at + length > bytes.length) {
      throw new RangeError(`next hop at ${at} claims ${length} of ${bytes.length - at} bytes`)
    }
    const gateway = attributeMap(bytes.subarray(at, at + length), RTNEXTHOP).get(RTA_GATEWAY)
    nexthops.push({ index: bytes.readInt32LE(at + 4), ...(gateway && { gateway: addressText(gateway) }) })
    at += (length + 3) & ~3
  }
  return nexthops
}

/** Reads RTM_NEWROUTE or RTM_DELROUTE. Throws RangeError on attributes that do not fit. */
export function parseRoute(message: Message): Route {
  const { payload } = message
  const attributes = attributeMap(payload, RTMSG)
  const sourceLength = payload.readUInt8(2)
  const index = attributes.get(RTA_OIF)
  const gateway = attributes.get(RTA_GATEWAY)
  const preferred = attributes.get(RTA_PREFSRC)
  const metrics = attributes.get(RTA_METRICS)
  const mtu = metrics && attributeMap(metrics).get(RTAX_MTU)
  const multipath = attributes.get(RTA_MULTIPATH)
  return {
    destination: prefixText(attributes.get(RTA_DST), payload.readUInt8(1)),
    ...(sourceLength > 0 && { source: prefixText(attributes.get(RTA_SRC), sourceLength) }),
    ...(index && { index: index.readUInt32LE(0) }),
    ...(gateway && { gateway: addressText(gateway) }),
    type: types[payload.readUInt8(7)] ?? 'unspecified',
    protocol: payload.readUInt8(5),
    metric: attributes.get(RTA_PRIORITY)?.readUInt32LE(0) ?? 0,
    table: attributes.get(RTA_TABLE)?.readUInt32LE(0) ?? payload.readUInt8(4),
    ...(preferred && { preferredSource: addressText(preferred) }),
    ...(mtu && { mtu: mtu.readUInt32LE(0) }),
    ...(multipath && { nexthops: parseNextHops(multipath) }),
  }
}

/**
 * All IPv6 routes of the socket's namespace, or those of one protocol or table. What the kernel cached about paths
 * (redirects, path MTU) is left out. The kernel does not mark route dumps as interrupted: beside another writer one may
 * be incomplete, so repair what looks absent with the verb `replace`.
 */
export function listRoutes(
  socket: NetlinkSocket,
  filter: { readonly protocol?: number; readonly table?: number } = {},
): Route[] {
  const messages = socket.dump('list routes', RTM_GETROUTE, writer => {
    writer.rawU32(AF_INET6).rawU32(0).rawU32(0)
  })
  return messages
    .filter(({ payload }) => (payload.readUInt32LE(8) & RTM_F_CLONED) === 0)
    .filter(({ payload }) => filter.protocol === undefined || payload.readUInt8(5) === filter.protocol)
    .map(parseRoute)
    .filter(({ table }) => filter.table === undefined || table === filter.table)
}
