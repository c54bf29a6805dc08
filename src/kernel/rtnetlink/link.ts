// Links (network interfaces): linux/if_link.h, linux/rtnetlink.h, linux/veth.h. Every message starts with ifinfomsg:
//
//   u8 family | u8 - | u16 type | i32 index | u32 flags | u32 change
//
// A send of several messages is not atomic: each has its own acknowledgement, and those after a refused one still run.
// Ask for at most 100 acknowledged messages in one batch, or their answers may overflow the receive buffer.
import {
  attributeMap,
  Batch,
  isNetlinkError,
  type Message,
  type NetlinkSocket,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_ECHO,
  NLM_F_EXCL,
  readString,
  type Writer,
} from 'nftables-js/netlink'
import { macBytes, macText } from './bytes.ts'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_SETLINK = 19

const AF_INET6 = 10
const IFF_UP = 0x1
const IFF_RUNNING = 0x40
const IFINFOMSG = 16

const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_LINK = 5
const IFLA_TXQLEN = 13
const IFLA_LINKINFO = 18
const IFLA_IFALIAS = 20
const IFLA_AF_SPEC = 26
const IFLA_GROUP = 27
const IFLA_NET_NS_FD = 28
const IFLA_EXT_MASK = 29
const IFLA_LINK_NETNSID = 37
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const VETH_INFO_PEER = 1
const IFLA_INET6_CONF = 2
const IFLA_INET6_ADDR_GEN_MODE = 8
const RTEXT_FILTER_SKIP_STATS = 1 << 3

const addrGenModes = ['eui64', 'none', 'stable_secret', 'random'] as const

/** How the kernel makes the link-local address of a link that comes up (IN6_ADDR_GEN_MODE_*). */
export type AddrGenMode = (typeof addrGenModes)[number]

/** A link by its index, or by the name that it has now. */
export type LinkRef = { readonly index: number } | { readonly name: string }

/** One end of a veth pair. `mtu` in bytes. */
export interface VethEnd {
  readonly name: string
  readonly mac: string
  readonly mtu: number
}

/**
 * The end in the namespace of the socket. `txQueueLength` in packets; the kernel's default for veth is 1000. An alias
 * comes later (createVeth, setLink): the kernel ignores IFLA_IFALIAS in RTM_NEWLINK.
 */
export interface HostEnd extends VethEnd {
  readonly txQueueLength?: number
}

/** The other end; born in the namespace of the open descriptor `netns`, or beside the first. */
export interface PeerEnd extends VethEnd {
  readonly netns?: number
}

/** What the kernel says of a link. `mac` is missing where the link layer has none of 6 bytes; `peer…` only on veth. */
export interface Link {
  readonly index: number
  readonly name: string
  readonly alias?: string
  readonly mac?: string
  readonly mtu: number
  readonly group: number
  readonly up: boolean
  readonly running: boolean
  readonly kind?: string
  /** Index of the other end in its own namespace. */
  readonly peerIndex?: number
  /** This namespace's number for the other end's namespace; missing when the pair lives in one, -1 when it has none. */
  readonly peerNetnsId?: number
  readonly addrGenMode?: AddrGenMode
  /** Its settings below net.ipv6.conf, by DEVCONF_* number (linux/ipv6.h). */
  readonly settings?: readonly number[]
}

/** What to change. `netns` is the open descriptor of the namespace to move to, `name` needs the link by index. */
export interface LinkChange {
  readonly up?: boolean
  readonly group?: number
  readonly alias?: string
  readonly addrGenMode?: 'none' | 'eui64'
  readonly mtu?: number
  readonly mac?: string
  readonly name?: string
  readonly netns?: number
}

function header(writer: Writer, index: number, flags = 0, change = 0): Writer {
  return writer.rawU32(0).rawU32(index).rawU32(flags).rawU32(change)
}

function described(link: LinkRef): string {
  return 'index' in link ? `link ${link.index}` : `link ${link.name}`
}

function reference(writer: Writer, link: LinkRef, flags = 0, change = 0): void {
  header(writer, 'index' in link ? link.index : 0, flags, change)
  if ('name' in link) writer.string(IFLA_IFNAME, link.name)
}

/** The rules of dev_valid_name() in net/core/dev.c; and no `%`, which would make the kernel choose a number. */
function checkName(name: string): string {
  const length = Buffer.byteLength(name)
  if (length < 1 || length > 15 || /[/:%\s]/.test(name) || name === '.' || name === '..') {
    throw new RangeError(`"${name}" is no name for a link: write 1 to 15 bytes without space, "/", ":" and "%"`)
  }
  return name
}

function vethEnd(writer: Writer, end: VethEnd): void {
  writer.string(IFLA_IFNAME, checkName(end.name)).bytesAttribute(IFLA_ADDRESS, macBytes(end.mac))
  writer.u32(IFLA_MTU, end.mtu)
}

/**
 * Appends RTM_NEWLINK for a veth pair, both ends down. With `echo` the answer holds the new link (index, peerIndex) from
 * Linux 6.2 on. Refusals: EEXIST (either name is taken in its namespace), EADDRNOTAVAIL (group or zero MAC), EINVAL
 * (MTU below 68 or above 65535), EBADF or EINVAL (`netns`). Throws RangeError on a malformed name or MAC.
 */
export function addVeth(batch: Batch, host: HostEnd, peer: PeerEnd, flags: { readonly echo?: boolean } = {}): Batch {
  const operation = `add veth ${host.name} (${host.mac}, mtu ${host.mtu}) with peer ${peer.name} (${peer.mac})`
  const asked = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL | (flags.echo ? NLM_F_ECHO : 0)
  return batch.add(operation, RTM_NEWLINK, asked, writer => {
    vethEnd(header(writer, 0), host)
    if (host.txQueueLength !== undefined) writer.u32(IFLA_TXQLEN, host.txQueueLength)
    writer.nest(IFLA_LINKINFO, () => {
      writer.string(IFLA_INFO_KIND, 'veth').nest(IFLA_INFO_DATA, () => {
        writer.nest(VETH_INFO_PEER, () => {
          vethEnd(header(writer, 0), peer)
          if (peer.netns !== undefined) writer.u32(IFLA_NET_NS_FD, peer.netns)
        })
      })
    })
  })
}

/**
 * Makes a veth pair and returns the host's end, with its alias when one is given. Where the kernel does not echo (before
 * Linux 6.2) the link is read by its name. Throws as addVeth refuses; a pair that could be made stays.
 */
export function createVeth(socket: NetlinkSocket, host: HostEnd & { readonly alias?: string }, peer: PeerEnd): Link {
  const [echoed] = socket.request(addVeth(new Batch(512), host, peer, { echo: true }))
  const link = echoed ? parseLink(echoed) : getLink(socket, { name: host.name })
  if (!link) throw new Error(`link ${host.name} was deleted while it was being made`)
  const { alias } = host
  if (alias === undefined) return link
  socket.request(setLink(new Batch(256), { index: link.index }, { alias }))
  return { ...link, alias }
}

/**
 * Appends RTM_SETLINK. With `addrGenMode`, `up` becomes a second message: in one message the kernel would bring the link
 * up first and give it the address that the mode is to prevent. Refusals: ENODEV, EINVAL, EEXIST (`name` is taken),
 * EADDRNOTAVAIL (group or zero MAC). Throws RangeError on malformed names and MACs and on changes that exclude each other.
 */
export function setLink(batch: Batch, link: LinkRef, change: LinkChange): Batch {
  const { up, ...others } = change
  if (change.addrGenMode === undefined || up === undefined) return appendChange(batch, link, change)
  if (change.netns !== undefined) {
    throw new RangeError(`${described(link)} moves: bring it up from its new namespace, not together with addrGenMode`)
  }
  return appendChange(appendChange(batch, link, others), link, { up })
}

function appendChange(batch: Batch, link: LinkRef, change: LinkChange): Batch {
  if (Object.keys(change).length === 0) return batch
  if (change.name !== undefined && 'name' in link) {
    throw new RangeError(`rename ${link.name} to ${change.name}: give the link by its index, one message has one name`)
  }
  const words = Object.entries(change).map(([key, value]) => `${key} ${value}`)
  return batch.add(`set ${described(link)} ${words.join(', ')}`, RTM_SETLINK, NLM_F_ACK, writer => {
    reference(writer, link, change.up ? IFF_UP : 0, change.up === undefined ? 0 : IFF_UP)
    if (change.name !== undefined) writer.string(IFLA_IFNAME, checkName(change.name))
    if (change.mac !== undefined) writer.bytesAttribute(IFLA_ADDRESS, macBytes(change.mac))
    if (change.mtu !== undefined) writer.u32(IFLA_MTU, change.mtu)
    if (change.alias !== undefined) writer.string(IFLA_IFALIAS, change.alias)
    if (change.group !== undefined) writer.u32(IFLA_GROUP, change.group)
    if (change.netns !== undefined) writer.u32(IFLA_NET_NS_FD, change.netns)
    if (change.addrGenMode !== undefined) addrGenMode(writer, change.addrGenMode)
  })
}

function addrGenMode(writer: Writer, mode: AddrGenMode): void {
  writer.nest(IFLA_AF_SPEC, () => {
    writer.nest(AF_INET6, () => writer.u8(IFLA_INET6_ADDR_GEN_MODE, addrGenModes.indexOf(mode)))
  })
}

/** Appends RTM_DELLINK: waits some 20 ms inside send() (see Reaper). A veth takes its peer along. Refusal: ENODEV. */
export function deleteLink(batch: Batch, link: LinkRef): Batch {
  return batch.add(`delete ${described(link)}`, RTM_DELLINK, NLM_F_ACK, writer => reference(writer, link))
}

/**
 * Appends RTM_DELLINK for every link of the namespace in `group`: 0.4 ms each instead of 20. Refusals: ENODEV (the
 * group is empty), EOPNOTSUPP (it holds a link that cannot be deleted, then none is). Throws RangeError on group 0,
 * where every link is that nobody put elsewhere.
 */
export function deleteLinkGroup(batch: Batch, group: number): Batch {
  if (!Number.isInteger(group) || group < 1 || group > 0xffffffff) {
    throw new RangeError(`link group ${group} cannot be deleted: write 1 to 4294967295 (0 is every link's default)`)
  }
  return batch.add(`delete link group ${group}`, RTM_DELLINK, NLM_F_ACK, writer => {
    header(writer, 0).u32(IFLA_GROUP, group)
  })
}

function numbered<K extends string>(key: K, value: Buffer | undefined): Partial<Record<K, number>> {
  return value ? ({ [key]: value.readInt32LE(0) } as Record<K, number>) : {}
}

function readInet6(specification: Buffer | undefined): Pick<Link, 'addrGenMode' | 'settings'> {
  const inet6 = specification && attributeMap(specification).get(AF_INET6)
  const attributes = inet6 && attributeMap(inet6)
  const addrGenMode = addrGenModes[attributes?.get(IFLA_INET6_ADDR_GEN_MODE)?.[0] ?? -1]
  const conf = attributes?.get(IFLA_INET6_CONF)
  const settings = conf && Array.from({ length: conf.length >> 2 }, (_, index) => conf.readInt32LE(index * 4))
  return { ...(addrGenMode && { addrGenMode }), ...(settings && { settings }) }
}

/** Reads RTM_NEWLINK or RTM_DELLINK. Throws RangeError on attributes that do not fit. */
export function parseLink(message: Message): Link {
  const attributes = attributeMap(message.payload, IFINFOMSG)
  const flags = message.payload.readUInt32LE(8)
  const alias = attributes.get(IFLA_IFALIAS)
  const mac = attributes.get(IFLA_ADDRESS)
  const information = attributes.get(IFLA_LINKINFO)
  const named = information && attributeMap(information).get(IFLA_INFO_KIND)
  const kind = named && readString(named)
  return {
    index: message.payload.readInt32LE(4),
    name: readString(attributes.get(IFLA_IFNAME) ?? Buffer.alloc(0)),
    ...(alias && { alias: readString(alias) }),
    ...(mac?.length === 6 && { mac: macText(mac) }),
    mtu: attributes.get(IFLA_MTU)?.readUInt32LE(0) ?? 0,
    group: attributes.get(IFLA_GROUP)?.readUInt32LE(0) ?? 0,
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    ...(kind && { kind }),
    ...(kind === 'veth' && {
      ...numbered('peerIndex', attributes.get(IFLA_LINK)),
      ...numbered('peerNetnsId', attributes.get(IFLA_LINK_NETNSID)),
    }),
    ...readInet6(attributes.get(IFLA_AF_SPEC)),
  }
}

/** All links of the socket's namespace, or those of one kind (`'veth'`). Throws NetlinkError EINTR (see dump). */
export function listLinks(socket: NetlinkSocket, filter: { readonly kind?: string } = {}): Link[] {
  const messages = socket.dump('list links', RTM_GETLINK, writer => {
    header(writer, 0).u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    const { kind } = filter
    if (kind !== undefined) writer.nest(IFLA_LINKINFO, () => writer.string(IFLA_INFO_KIND, kind))
  })
  const links = messages.map(parseLink)
  // The kernel ignores a kind that it does not know (yet), and lists everything.
  return filter.kind === undefined ? links : links.filter(link => link.kind === filter.kind)
}

/** One link, or undefined where there is none. Throws NetlinkError. */
export function getLink(socket: NetlinkSocket, link: LinkRef): Link | undefined {
  const batch = new Batch().add(`get ${described(link)}`, RTM_GETLINK, NLM_F_ACK, writer => {
    reference(writer, link)
    writer.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
  })
  try {
    const [message] = socket.request(batch)
    return message && parseLink(message)
  } catch (error) {
    if (isNetlinkError(error, 'ENODEV')) return undefined
    throw error
  }
}
