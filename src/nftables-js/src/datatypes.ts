// nft's data types: how a field looks as text and as bytes. The numbers are nftables' own (include/datatype.h); the kernel
// stores them with a set and hands them back, so that `nft` knows how to print its keys.
import { formatEther, formatIpv4, formatIpv6, parseEther, parseIpv4, parseIpv6 } from './addresses.ts'
import type { Scalar, Value } from './model.ts'
import { symbols } from './symbols.ts'

/** How a field is encoded: `length` in bytes; `big` is network byte order, `host` this machine's (little-endian). */
export interface DataType {
  readonly name: string
  readonly id: number
  readonly length: number
  readonly order: 'big' | 'host'
  readonly form: 'integer' | 'bits' | 'ipv4' | 'ipv6' | 'ether' | 'name'
  readonly symbols?: Readonly<Record<string, number>>
}

const row = <N extends string>(
  name: N,
  id: number,
  length: number,
  order: DataType['order'] = 'big',
  form: DataType['form'] = 'integer',
  names?: Readonly<Record<string, number>>,
): DataType & { name: N } => ({ name, id, length, order, form, ...(names && { symbols: names }) })

const rows = [
  row('nf_proto', 2, 1, 'big', 'integer', symbols.nfproto),
  row('ipv4_addr', 7, 4, 'big', 'ipv4'),
  row('ipv6_addr', 8, 16, 'big', 'ipv6'),
  row('ether_addr', 9, 6, 'big', 'ether'),
  row('ether_type', 10, 2, 'big', 'integer', symbols.etherType),
  row('inet_proto', 12, 1, 'big', 'integer', symbols.inetProto),
  row('inet_service', 13, 2),
  row('icmp_type', 14, 1, 'big', 'integer', symbols.icmpType),
  row('tcp_flag', 15, 1, 'big', 'bits', symbols.tcpFlag),
  row('mark', 19, 4, 'host'),
  row('iface_index', 20, 4, 'host', 'integer', symbols.ifaceIndex),
  row('ct_state', 26, 4, 'host', 'bits', symbols.ctState),
  row('ct_dir', 27, 1, 'big', 'integer', symbols.ctDirection),
  row('ct_status', 28, 4, 'host', 'bits', symbols.ctStatus),
  row('icmpv6_type', 29, 1, 'big', 'integer', symbols.icmpv6Type),
  row('pkt_type', 31, 1, 'big', 'integer', symbols.packetType),
  row('icmp_code', 32, 1, 'big', 'integer', symbols.icmpCode),
  row('icmpv6_code', 33, 1, 'big', 'integer', symbols.icmpv6Code),
  row('devgroup', 35, 4, 'host', 'integer', symbols.deviceGroup),
  row('fib_addrtype', 38, 4, 'host', 'integer', symbols.fibType),
  row('ifname', 41, 16, 'host', 'name'),
] as const

/** Names of the types that a set's key or a map's data can have. */
export type TypeName = (typeof rows)[number]['name']

export const dataTypes: Readonly<Record<TypeName, DataType>> = Object.fromEntries(
  rows.map(type => [type.name, type]),
) as Record<TypeName, DataType>

const reverse = new Map<DataType, ReadonlyMap<number, string>>(
  rows.map(type => [
    type,
    new Map(
      Object.entries(type.symbols ?? {})
        .reverse()
        .map(([name, value]) => [value, name]),
    ),
  ]),
)

const INTEGER_ID = 4
const byId = new Map<number, DataType>(rows.map(type => [type.id, type]))

/** A plain number of `length` bytes (nft's type integer), such as a hop limit. */
export function integer(length: number, order: DataType['order'] = 'big'): DataType {
  return { name: 'integer', id: INTEGER_ID, length, order, form: 'integer' }
}

/** The type with nftables' number `id`, or undefined. */
export function dataTypeById(id: number): DataType | undefined {
  return byId.get(id)
}

/** The type called `name`. Throws TypeError that lists the names for an unknown one. */
export function dataType(name: string): DataType {
  const type = (dataTypes as Record<string, DataType | undefined>)[name]
  if (!type) throw new TypeError(`unknown data type '${name}': write one of ${rows.map(row => row.name).join(', ')}`)
  return type
}

function bad(type: DataType, value: unknown, hint: string): TypeError {
  return new TypeError(`${JSON.stringify(value)} is no ${type.name}: ${hint}`)
}

/** The number that `value` stands for: itself, a symbol of the type, or decimal or 0x text. Throws TypeError. */
export function toNumber(type: DataType, value: Scalar): number {
  let number = Number.NaN
  if (typeof value === 'number') number = value
  else if (type.symbols && Object.hasOwn(type.symbols, value)) number = type.symbols[value] ?? 0
  else if (/^(0x[0-9a-f]+|\d+)$/i.test(value)) number = Number(value)
  if (Number.isInteger(number) && number >= 0 && number < 2 ** (8 * type.length)) return number
  const names = type.symbols ? ` or one of ${Object.keys(type.symbols).join(', ')}` : ''
  throw bad(type, value, `write a whole number from 0 to ${2 ** (8 * type.length) - 1}${names}`)
}

function writeNumber(type: DataType, number: number, out: Buffer, at: number): void {
  if (type.order === 'big') out.writeUIntBE(number, at, type.length)
  else out.writeUIntLE(number, at, type.length)
}

function writeName(type: DataType, value: Scalar, out: Buffer, at: number): void {
  if (typeof value !== 'string' || value === '' || Buffer.byteLength(value) >= type.length) {
    throw bad(type, value, `write an interface name of 1 to ${type.length - 1} bytes`)
  }
  if (value.includes('*')) throw bad(type, value, 'a prefix such as "veth*" can only be compared with is() and not()')
  out.fill(0, at, at + type.length)
  out.write(value, at)
}

/** Writes the `type.length` bytes of one field at `at`. Throws TypeError that quotes what cannot be one. */
export function writeField(type: DataType, value: Scalar, out: Buffer, at: number): void {
  switch (type.form) {
    case 'ipv6':
      if (typeof value === 'string' && parseIpv6(value, out, at)) return
      throw bad(type, value, 'write an IPv6 address such as 2001:db8::1')
    case 'ipv4':
      if (typeof value === 'string' && parseIpv4(value, out, at)) return
      throw bad(type, value, 'write an IPv4 address such as 192.0.2.1')
    case 'ether':
      if (typeof value === 'string' && parseEther(value, out, at)) return
      throw bad(type, value, 'write an Ethernet address such as 02:00:00:00:00:01')
    case 'name':
      writeName(type, value, out, at)
      return
    default:
      writeNumber(type, toNumber(type, value), out, at)
  }
}

/** The bytes of a value that is one field; several scalars are the flags of a bit field, or'ed. Throws TypeError. */
export function fieldBytes(type: DataType, value: Value): Buffer {
  const out = Buffer.alloc(type.length)
  if (typeof value === 'string' || typeof value === 'number') writeField(type, value, out, 0)
  else if (type.form !== 'bits') throw bad(type, value, 'write one value; several are for anyOf()')
  else {
    const bits = value.reduce<number>((all, flag) => all | toNumber(type, flag), 0)
    writeNumber(type, bits, out, 0)
  }
  return out
}

/** Reads the field at `at`: addresses and names as text, symbols where the type has one for the number, else a number. */
export function readField(type: DataType, bytes: Buffer, at: number): Scalar {
  switch (type.form) {
    case 'ipv6':
      return formatIpv6(bytes, at)
    case 'ipv4':
      return formatIpv4(bytes, at)
    case 'ether':
      return formatEther(bytes, at)
    case 'name': {
      const end = bytes.indexOf(0, at)
      return bytes.toString('utf8', at, end < 0 || end > at + type.length ? at + type.length : end)
    }
    default: {
      const number = type.order === 'big' ? bytes.readUIntBE(at, type.length) : bytes.readUIntLE(at, type.length)
      return reverse.get(type)?.get(number) ?? number
    }
  }
}
