// Packets built by hand, honest and forged: Ethernet, IPv6 with its extension headers, TCP, UDP, SCTP, ICMPv6 with neighbour discovery and MLD,
// ARP and IPv4. Lengths and checksums come out right unless a test asks for wrong ones.
import { addressBytes, macBytes } from '../../src/kernel/rtnetlink/bytes.ts'

/** What stands behind an IPv6 header: its protocol number, and its bytes once the ones behind it are known. */
export interface Layer {
  readonly protocol: number
  /** `next` is the protocol number of what follows (59: nothing), `rest` its bytes, `pseudo` the checksum's pseudo header. */
  bytes(next: number, rest: Buffer, pseudo: (length: number, protocol: number) => Buffer): Buffer
}

export interface Ip6Header {
  readonly source: string
  readonly destination: string
  readonly hopLimit?: number
}

const NO_NEXT_HEADER = 59
const IPV6 = 40

/** An IPv6 packet (RFC 8200, section 3) of these layers, outermost first. */
export function ip6({ source, destination, hopLimit = 64 }: Ip6Header, ...layers: readonly Layer[]): Buffer {
  const addresses = Buffer.concat([addressBytes(source), addressBytes(destination)])
  const pseudo = (length: number, protocol: number): Buffer => Buffer.concat([addresses, u32(length), u32(protocol)])
  let next = NO_NEXT_HEADER
  let rest: Buffer = Buffer.alloc(0)
  for (const layer of layers.toReversed()) {
    rest = layer.bytes(next, rest, pseudo)
    next = layer.protocol
  }
  return Buffer.concat([u32(0x60000000), u16(rest.length), Buffer.of(next, hopLimit), addresses, rest])
}

/** An Ethernet frame; the type follows from the packet's version unless it is given. */
export function frame(to: string, from: string, packet: Buffer, type?: number): Buffer {
  const guessed = (packet[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800
  return Buffer.concat([macBytes(to), macBytes(from), u16(type ?? guessed), packet])
}

/** Bytes as they are, under the protocol number given: the tail of a fragment, or a protocol of no other function here. */
export function raw(protocol: number, bytes: Buffer): Layer {
  return { protocol, bytes: (_next, rest) => Buffer.concat([bytes, rest]) }
}

/** Options of hop-by-hop (RFC 8200, 4.3) or destination (4.6): `options` in wire form, padded to 8 bytes here. */
export function options(kind: 'hop-by-hop' | 'destination', bytes: Buffer = Buffer.alloc(0)): Layer {
  const padding = 7 - ((bytes.length + 1) % 8)
  const pad = padding === 0 ? [] : padding === 1 ? [0] : [1, padding - 2, ...new Array(padding - 2).fill(0)]
  const size = (2 + bytes.length + padding) / 8 - 1
  return {
    protocol: kind === 'hop-by-hop' ? 0 : 60,
    bytes: (next, rest) => Buffer.concat([Buffer.of(next, size), bytes, Buffer.from(pad), rest]),
  }
}

/** A routing header (RFC 8200, 4.4) of this type with addresses still to visit (types 0, 2 and 4). */
export function routing(type: number, segmentsLeft: number, addresses: readonly string[]): Layer {
  // Segment routing (RFC 8754) counts its last entry where the others have four reserved bytes.
  const head = type === 4 ? Buffer.of(addresses.length - 1, 0, 0, 0) : Buffer.alloc(4)
  return {
    protocol: 43,
    bytes: (next, rest) =>
      Buffer.concat([
        Buffer.of(next, addresses.length * 2, type, segmentsLeft),
        head,
        ...addresses.map(addressBytes),
        rest,
      ]),
  }
}

/** A fragment header (RFC 8200, 4.5); `offset` in bytes, a multiple of 8. What follows is the fragment's own bytes. */
export function fragment(id: number, offset: number, more: boolean, next?: number): Layer {
  return {
    protocol: 44,
    bytes: (following, rest) =>
      Buffer.concat([Buffer.of(next ?? following, 0), u16(offset | (more ? 1 : 0)), u32(id), rest]),
  }
}

/** Authentication (RFC 4302) with a 12-byte value that nobody can verify. */
export function authentication(): Layer {
  return {
    protocol: 51,
    bytes: (next, rest) => Buffer.concat([Buffer.of(next, 4, 0, 0), u32(1), u32(1), Buffer.alloc(12), rest]),
  }
}

export const FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const

export interface TcpHeader {
  readonly sport: number
  readonly dport: number
  /** Default: syn. */
  readonly flags?: readonly (keyof typeof FLAGS)[]
  readonly seq?: number
  readonly ack?: number
  readonly data?: Buffer
}

export function tcp({ sport, dport, flags = ['syn'], seq = 1000, ack = 0, data = Buffer.alloc(0) }: TcpHeader): Layer {
  const bits = flags.reduce((all, flag) => all | FLAGS[flag], 0)
  const ports = [u16(sport), u16(dport), u32(seq), u32(ack), Buffer.of(0x50, bits), u16(65535), u32(0), data]
  return checked(6, Buffer.concat(ports), 16)
}

export function udp({ sport, dport, data = Buffer.alloc(0) }: Pick<TcpHeader, 'sport' | 'dport' | 'data'>): Layer {
  return checked(17, Buffer.concat([u16(sport), u16(dport), u16(8 + data.length), u16(0), data]), 6)
}

/** An INIT chunk (RFC 9260, 3.3.2) that opens an association; `data` rides along as an unknown optional parameter. */
export function sctp({ sport, dport, data = Buffer.alloc(0) }: Pick<TcpHeader, 'sport' | 'dport' | 'data'>): Layer {
  const padded = Buffer.concat([data, Buffer.alloc(-data.length & 3)])
  const parameter = data.length === 0 ? [] : [u16(0x8001), u16(4 + data.length), padded]
  const chunk = Buffer.concat([u32(0x1234), u32(65536), u16(1), u16(1), u32(1), ...parameter])
  const packet = Buffer.concat([u16(sport), u16(dport), u32(0), u32(0), Buffer.of(1, 0), u16(4 + chunk.length), chunk])
  packet.writeUInt32LE(crc32c(packet), 8)
  return { protocol: 132, bytes: (_next, rest) => Buffer.concat([packet, rest]) }
}

/** ICMPv6 (RFC 4443): type, code, then the body from byte 4 on. */
export function icmp6(type: number, code: number, body: Buffer): Layer {
  return checked(58, Buffer.concat([Buffer.of(type, code, 0, 0), body]), 2)
}

export const echoRequest = (id: number, data: Buffer): Layer => icmp6(128, 0, Buffer.concat([u16(id), u16(1), data]))
export const echoReply = (id: number, data: Buffer): Layer => icmp6(129, 0, Buffer.concat([u16(id), u16(1), data]))

/** Errors quote the packet that they are about (RFC 4443, section 3). */
export const unreachable = (code: number, quoted: Buffer): Layer => icmp6(1, code, Buffer.concat([u32(0), quoted]))
export const tooBig = (mtu: number, quoted: Buffer): Layer => icmp6(2, 0, Buffer.concat([u32(mtu), quoted]))
export const timeExceeded = (quoted: Buffer): Layer => icmp6(3, 0, Buffer.concat([u32(0), quoted]))

/** Neighbour discovery (RFC 4861, section 4); `link` is the sender's link-layer address. They need hop limit 255. */
export const routerSolicit = (link: string): Layer => icmp6(133, 0, Buffer.concat([u32(0), linkOption(1, link)]))
export const neighbourSolicit = (target: string, link: string): Layer =>
  icmp6(135, 0, Buffer.concat([u32(0), addressBytes(target), linkOption(1, link)]))
export const neighbourAdvert = (target: string, link: string): Layer =>
  icmp6(136, 0, Buffer.concat([u32(0x60000000), addressBytes(target), linkOption(2, link)]))
export const redirect = (target: string, destination: string): Layer =>
  icmp6(137, 0, Buffer.concat([u32(0), addressBytes(target), addressBytes(destination)]))

/** A router advertisement with a lifetime of 30 min and one prefix to form addresses in (RFC 4861, 4.2 and 4.6.2). */
export function routerAdvert(prefix: string, link: string): Layer {
  const information = [Buffer.of(3, 4, 64, 0xc0), u32(86400), u32(14400), u32(0), addressBytes(prefix)]
  const head = [Buffer.of(64, 0), u16(1800), u32(0), u32(0)]
  return icmp6(134, 0, Buffer.concat([...head, ...information, linkOption(1, link)]))
}

/** MLD (RFC 2710: query 130, report 131, done 132) about one multicast address, and MLDv2's report (RFC 3810: 143). */
export const mld = (type: 130 | 131 | 132, group: string): Layer =>
  icmp6(type, 0, Buffer.concat([u32(0), addressBytes(group)]))
export const mld2Report = (group: string): Layer =>
  icmp6(143, 0, Buffer.concat([u32(1), Buffer.of(4, 0, 0, 0), addressBytes(group)]))

/** An ARP question for Ethernet and IPv4 (RFC 826). */
export function arpRequest(link: string, source: string, target: string): Buffer {
  const head = [u16(1), u16(0x0800), Buffer.of(6, 4), u16(1)]
  return Buffer.concat([...head, macBytes(link), ip4Bytes(source), Buffer.alloc(6), ip4Bytes(target)])
}

/** An IPv4 packet (RFC 791) that carries UDP without a checksum. */
export function ip4Udp(source: string, destination: string, ports: Pick<TcpHeader, 'sport' | 'dport'>, data: Buffer) {
  const datagram = Buffer.concat([u16(ports.sport), u16(ports.dport), u16(8 + data.length), u16(0), data])
  const addresses = Buffer.concat([ip4Bytes(source), ip4Bytes(destination)])
  const head = Buffer.concat([
    Buffer.of(0x45, 0),
    u16(20 + datagram.length),
    u32(0),
    Buffer.of(64, 17, 0, 0),
    addresses,
  ])
  head.writeUInt16BE(checksum(head), 10)
  return Buffer.concat([head, datagram])
}

/** Cuts a packet without extension headers into fragments of at most `size` bytes of its payload, a multiple of 8. */
export function fragments(packet: Buffer, header: Ip6Header, id: number, size: number): Buffer[] {
  const payload = packet.subarray(IPV6)
  const protocol = packet[6] ?? NO_NEXT_HEADER
  const count = Math.ceil(payload.length / size)
  return Array.from({ length: count }, (_, index) => {
    const piece = payload.subarray(index * size, (index + 1) * size)
    return ip6(header, fragment(id, index * size, index < count - 1, protocol), raw(protocol, piece))
  })
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** The Internet checksum (RFC 1071) of bytes whose checksum field is zero. */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function checked(protocol: number, content: Buffer, at: number): Layer {
  return {
    protocol,
    bytes: (_next, rest, pseudo) => {
      const bytes = Buffer.concat([content, rest])
      bytes.writeUInt16BE(checksum(Buffer.concat([pseudo(bytes.length, protocol), bytes])) || 0xffff, at)
      return bytes
    },
  }
}

/** CRC-32C, reflected polynomial 0x82f63b78 (RFC 9260, appendix A). */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

function linkOption(type: 1 | 2, link: string): Buffer {
  return Buffer.concat([Buffer.of(type, 1), macBytes(link)])
}

function ip4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}
