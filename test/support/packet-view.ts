// Captured frames, read far enough to tell what arrived.
import { addressText } from '../../src/kernel/rtnetlink/bytes.ts'
import { FLAGS } from './packet.ts'

/** One frame. Fields that its protocol does not have are absent. */
export interface View {
  readonly bytes: Buffer
  readonly etherType: number
  readonly source?: string
  readonly destination?: string
  readonly hopLimit?: number
  /** Protocol number behind all extension headers. */
  readonly protocol?: number
  readonly sport?: number
  readonly dport?: number
  readonly flags?: readonly string[]
  /** ICMPv6. */
  readonly type?: number
  readonly code?: number
  /** MTU of a packet-too-big. */
  readonly mtu?: number
}

const EXTENSIONS = new Set([0, 43, 44, 51, 60])

/** Reads an Ethernet frame. */
export function view(bytes: Buffer): View {
  const etherType = bytes.length >= 14 ? bytes.readUInt16BE(12) : 0
  if (etherType !== 0x86dd || bytes.length < 54) return { bytes, etherType }
  const packet = bytes.subarray(14)
  const { protocol, at } = upper(packet)
  return {
    bytes,
    etherType,
    source: addressText(packet.subarray(8, 24)),
    destination: addressText(packet.subarray(24, 40)),
    hopLimit: packet[7] ?? 0,
    protocol,
    ...transport(protocol, packet.subarray(at)),
  }
}

function upper(packet: Buffer): { protocol: number; at: number } {
  let protocol = packet[6] ?? 59
  let at = 40
  while (EXTENSIONS.has(protocol) && at + 8 <= packet.length) {
    const size = packet[at + 1] ?? 0
    // A fragment other than the first shows no transport header.
    if (protocol === 44 && (packet.readUInt16BE(at + 2) & 0xfff8) !== 0) return { protocol, at }
    const length = protocol === 44 ? 8 : protocol === 51 ? (size + 2) * 4 : (size + 1) * 8
    protocol = packet[at] ?? 59
    at += length
  }
  return { protocol, at }
}

function transport(protocol: number, bytes: Buffer): Partial<View> {
  if ([6, 17, 132].includes(protocol) && bytes.length >= 8) {
    const flags = Object.keys(FLAGS).filter(name => ((bytes[13] ?? 0) & FLAGS[name as keyof typeof FLAGS]) !== 0)
    return { sport: bytes.readUInt16BE(0), dport: bytes.readUInt16BE(2), ...(protocol === 6 && { flags }) }
  }
  if (protocol !== 58 || bytes.length < 8) return {}
  const [type = 0, code = 0] = bytes
  return { type, code, ...(type === 2 && { mtu: bytes.readUInt32BE(4) }) }
}

/** True for an ICMPv6 error, which quotes the packet that it is about. */
export function isError({ type }: View): boolean {
  return type !== undefined && type < 128
}
