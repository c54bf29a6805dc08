// IPv6 addresses of links (linux/if_addr.h). Every message starts with ifaddrmsg:
//
//   u8 family | u8 prefix length | u8 flags (low 8 bits) | u8 scope | u32 link index
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
import { addressBytes, addressText } from './bytes.ts'

export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
const RTM_GETADDR = 22

const AF_INET6 = 10
const IFADDRMSG = 8
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_FLAGS = 8

/** IFA_F_* in the order of their bits, from 0x1. */
const flagNames = [
  'temporary',
  'nodad',
  'optimistic',
  'dadfailed',
  'homeaddress',
  'deprecated',
  'tentative',
  'permanent',
  'managetempaddr',
  'noprefixroute',
  'mcautojoin',
  'stableprivacy',
] as const
const scopes = { 0: 'global', 200: 'site', 253: 'link', 254: 'host' } as const

export type AddressFlag = (typeof flagNames)[number]
export type AddressScope = (typeof scopes)[keyof typeof scopes]

/** An address on the link `index`. */
export interface AddressRef {
  readonly index: number
  readonly address: string
  readonly prefixLength: number
}

/** An address to add; its scope is not asked for, because the kernel reads it off an IPv6 address itself. */
export interface NewAddress extends AddressRef {
  /** Usable at once, without duplicate address detection. */
  readonly nodad?: boolean
  /** Without the connected route of its prefix. */
  readonly noPrefixRoute?: boolean
  /** `add` (default) refuses an address that the link has; `replace` takes it for done. */
  readonly verb?: 'add' | 'replace'
}

/** What the kernel says of an address. */
export interface Address extends AddressRef {
  readonly scope: AddressScope
  readonly flags: readonly AddressFlag[]
}

function bit(name: AddressFlag): number {
  return 1 << flagNames.indexOf(name)
}

function write(writer: Writer, { index, address, prefixLength }: AddressRef, flags: number): void {
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > 128) {
    throw new RangeError(`prefix length ${prefixLength} of ${address}: write 0 to 128`)
  }
  writer.rawU8(AF_INET6).rawU8(prefixLength).rawU8(flags).rawU8(0).rawU32(index)
  writer.bytesAttribute(IFA_LOCAL, addressBytes(address))
  if (flags !== 0) writer.u32(IFA_FLAGS, flags)
}

/**
 * Appends RTM_NEWADDR. Refusals: EEXIST (the link has the address), ENODEV, EACCES (IPv6 is disabled on the link),
 * EINVAL. Throws RangeError on a malformed address.
 */
export function addAddress(batch: Batch, address: NewAddress): Batch {
  const flags = (address.nodad ? bit('nodad') : 0) | (address.noPrefixRoute ? bit('noprefixroute') : 0)
  const { verb = 'add' } = address
  const operation = `${verb} address ${address.address}/${address.prefixLength} on link ${address.index}`
  const how = NLM_F_ACK | NLM_F_CREATE | (verb === 'add' ? NLM_F_EXCL : NLM_F_REPLACE)
  return batch.add(operation, RTM_NEWADDR, how, writer => {
    write(writer, address, flags)
  })
}

/** Appends RTM_DELADDR. Refusals: EADDRNOTAVAIL (the link has no such address), ENODEV. */
export function deleteAddress(batch: Batch, address: AddressRef): Batch {
  const operation = `delete address ${address.address}/${address.prefixLength} from link ${address.index}`
  return batch.add(operation, RTM_DELADDR, NLM_F_ACK, writer => write(writer, address, 0))
}

/** Reads RTM_NEWADDR or RTM_DELADDR. Throws RangeError on attributes that do not fit. */
export function parseAddress(message: Message): Address {
  const { payload } = message
  const attributes = attributeMap(payload, IFADDRMSG)
  const flags = attributes.get(IFA_FLAGS)?.readUInt32LE(0) ?? payload.readUInt8(2)
  // With a peer, IFA_ADDRESS is the peer's and IFA_LOCAL ours; without one there is only IFA_ADDRESS.
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS) ?? Buffer.alloc(16)
  return {
    index: payload.readUInt32LE(4),
    address: addressText(bytes),
    prefixLength: payload.readUInt8(1),
    scope: scopes[payload.readUInt8(3) as keyof typeof scopes] ?? 'global',
    flags: flagNames.filter((_, place) => (flags & (1 << place)) !== 0),
  }
}

/**
 * All IPv6 addresses of the socket's namespace, or those of one link. One may be missing while another of its link is
 * being deleted: the kernel takes it off the list before it marks dumps as interrupted (seen on 6.18). Throws
 * NetlinkError EINTR (see dump).
 */
export function listAddresses(socket: NetlinkSocket, filter: { readonly index?: number } = {}): Address[] {
  const messages = socket.dump('list addresses', RTM_GETADDR, writer => {
    writer.rawU8(AF_INET6).rawU8(0).rawU8(0).rawU8(0).rawU32(0)
  })
  return messages.map(parseAddress).filter(({ index }) => filter.index === undefined || index === filter.index)
}
