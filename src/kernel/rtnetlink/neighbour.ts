// IPv6 neighbours (linux/neighbour.h). Every message starts with ndmsg:
//
//   u8 family | u8 - | u16 - | i32 link index | u16 state | u8 flags | u8 type
import {
  attributeMap,
  type Batch,
  type Message,
  type NetlinkSocket,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  type Writer,
} from 'nftables-js/netlink'
import { addressBytes, addressText, macBytes, macText } from './bytes.ts'

export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
const RTM_GETNEIGH = 30

const AF_INET6 = 10
const NDMSG = 12
const NUD_PERMANENT = 0x80
const NDA_DST = 1
const NDA_LLADDR = 2
const NDA_IFINDEX = 8

/** NUD_* by bit. */
const states = new Map([
  [0x01, 'incomplete'],
  [0x02, 'reachable'],
  [0x04, 'stale'],
  [0x08, 'delay'],
  [0x10, 'probe'],
  [0x20, 'failed'],
  [0x40, 'noarp'],
  [NUD_PERMANENT, 'permanent'],
] as const)

export type NeighbourState = 'none' | NonNullable<ReturnType<(typeof states)['get']>>

/** An address on the link `index`. */
export interface NeighbourRef {
  readonly index: number
  readonly address: string
}

/** A neighbour whose MAC is known beforehand. */
export interface NewNeighbour extends NeighbourRef {
  readonly mac: string
}

/** What the kernel says of a neighbour; `mac` is missing while it is unknown. */
export interface Neighbour extends NeighbourRef {
  readonly mac?: string
  readonly state: NeighbourState
}

function write(writer: Writer, { index, address }: NeighbourRef, state: number): void {
  writer.rawU32(AF_INET6).rawU32(index).rawU16(state).rawU16(0)
  writer.bytesAttribute(NDA_DST, addressBytes(address))
}

/**
 * Appends RTM_NEWNEIGH for a permanent neighbour: the kernel never asks for it and never forgets it, whatever else fills
 * the table. It replaces what the kernel has learnt about the address on this link (a packet may have come before us). Refusals: ENODEV, ENETDOWN (the link is down). Throws RangeError on a malformed address or MAC.
 */
export function addNeighbour(batch: Batch, neighbour: NewNeighbour): Batch {
  const operation = `add neighbour ${neighbour.address} (${neighbour.mac}) on link ${neighbour.index}`
  return batch.add(operation, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, writer => {
    write(writer, neighbour, NUD_PERMANENT)
    writer.bytesAttribute(NDA_LLADDR, macBytes(neighbour.mac))
  })
}

/** Appends RTM_DELNEIGH. Refusals: ENOENT (no such neighbour), ENODEV. */
export function deleteNeighbour(batch: Batch, neighbour: NeighbourRef): Batch {
  const operation = `delete neighbour ${neighbour.address} on link ${neighbour.index}`
  return batch.add(operation, RTM_DELNEIGH, NLM_F_ACK, writer => write(writer, neighbour, 0))
}

/** Reads RTM_NEWNEIGH or RTM_DELNEIGH. Throws RangeError on attributes that do not fit. */
export function parseNeighbour(message: Message): Neighbour {
  const { payload } = message
  const attributes = attributeMap(payload, NDMSG)
  const mac = attributes.get(NDA_LLADDR)
  return {
    index: payload.readInt32LE(4),
    address: addressText(attributes.get(NDA_DST) ?? Buffer.alloc(16)),
    ...(mac?.length === 6 && { mac: macText(mac) }),
    state: (states as ReadonlyMap<number, NeighbourState>).get(payload.readUInt16LE(8)) ?? 'none',
  }
}

/**
 * All IPv6 neighbours of the socket's namespace, or those of one link; with the `noarp` entries that stand for multicast.
 * The kernel does not mark neighbour dumps as interrupted: beside another writer one may be incomplete.
 */
export function listNeighbours(socket: NetlinkSocket, filter: { readonly index?: number } = {}): Neighbour[] {
  const messages = socket.dump('list neighbours', RTM_GETNEIGH, writer => {
    writer.rawU32(AF_INET6).rawU32(0).rawU32(0)
    if (filter.index !== undefined) writer.u32(NDA_IFINDEX, filter.index)
  })
  return messages.map(parseNeighbour)
}
