// Selectors: what of a packet a statement looks at. Values only; compile.ts turns them into expressions.
import { type DataType, dataTypes, integer } from './datatypes.ts'
import type { Value } from './model.ts'

/** How the kernel reads a field into a register (linux/netfilter/nf_tables.h). Offsets and lengths in bytes. */
export type Load =
  | { readonly from: 'meta'; readonly key: number }
  | { readonly from: 'payload'; readonly base: number; readonly offset: number; readonly length: number }
  | { readonly from: 'ct'; readonly key: number; readonly direction?: number }
  | { readonly from: 'fib'; readonly result: number; readonly flags: number }
  | { readonly from: 'exthdr'; readonly header: number; readonly offset: number; readonly length: number }

/** The protocol that a packet must have for a field to mean anything. */
export type Protocol = 'ether' | 'ip' | 'ip6' | 'tcp' | 'udp' | 'icmp' | 'icmpv6'

/** One field of a packet. `text` is nft's spelling; `decides` says that comparing it settles the protocol. */
export interface Field {
  readonly kind: 'field'
  readonly text: string
  readonly type: DataType
  readonly load: Load
  readonly needs?: Protocol
  readonly decides?: 'network' | 'transport'
}
/** A field and'ed with a value before it is compared or looked up. */
export interface Masked {
  readonly kind: 'masked'
  readonly of: Field
  readonly mask: Value
}
/** Several fields as one key. */
export interface Concat {
  readonly kind: 'concat'
  readonly of: readonly (Field | Masked)[]
}
export type Selector = Field | Masked | Concat

const LINK = 0
const NETWORK = 1
const TRANSPORT = 2

const types = dataTypes

function field(text: string, type: DataType, load: Load, more: Pick<Field, 'needs' | 'decides'> = {}): Field {
  return { kind: 'field', text, type, load, ...more }
}

function pick<T>(table: Readonly<Record<string, T>>, name: string, what: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined
  if (found !== undefined) return found
  throw new TypeError(`unknown field '${what} ${name}': write one of ${Object.keys(table).join(', ')}`)
}

const metaKeys = {
  length: [0, integer(4, 'host')],
  protocol: [1, types.ether_type],
  mark: [3, types.mark],
  iif: [4, types.iface_index],
  oif: [5, types.iface_index],
  iifname: [6, types.ifname],
  oifname: [7, types.ifname],
  nfproto: [15, types.nf_proto],
  l4proto: [16, types.inet_proto],
  pkttype: [19, types.pkt_type],
  iifgroup: [21, types.devgroup],
  oifgroup: [22, types.devgroup],
} as const

/** `meta …`: what the kernel knows of a packet beside its bytes. Link indexes (`iif`, `oif`) are numbers, or `lo`. */
export function meta(key: keyof typeof metaKeys): Field {
  const [number, type] = pick<readonly [number, DataType]>(metaKeys, key, 'meta')
  const decides = key === 'nfproto' ? 'network' : key === 'l4proto' ? 'transport' : undefined
  return field(`meta ${key}`, type, { from: 'meta', key: number }, decides && { decides })
}

type Template = Readonly<Record<string, readonly [offset: number, type: DataType]>>

function header<T extends Template>(needs: Protocol | undefined, name: string, base: number, template: T) {
  return (key: keyof T & string): Field => {
    const [offset, type] = pick<readonly [number, DataType]>(template, key, name)
    const decides = base === NETWORK && type === types.inet_proto ? 'transport' : undefined
    const load: Load = { from: 'payload', base, offset, length: type.length }
    return field(`${name} ${key}`, type, load, { ...(needs && { needs }), ...(decides && { decides }) })
  }
}

/** `ether …`: the link-layer header. */
export const ether = header('ether', 'ether', LINK, {
  daddr: [0, types.ether_addr],
  saddr: [6, types.ether_addr],
  type: [12, types.ether_type],
})
/** `ip …`: the IPv4 header. */
export const ip = header('ip', 'ip', NETWORK, {
  length: [2, integer(2)],
  ttl: [8, integer(1)],
  protocol: [9, types.inet_proto],
  saddr: [12, types.ipv4_addr],
  daddr: [16, types.ipv4_addr],
})
/** `ip6 …`: the fixed IPv6 header. */
export const ip6 = header('ip6', 'ip6', NETWORK, {
  length: [4, integer(2)],
  nexthdr: [6, types.inet_proto],
  hoplimit: [7, integer(1)],
  saddr: [8, types.ipv6_addr],
  daddr: [24, types.ipv6_addr],
})
/** `th …`: ports of whatever transport protocol; compare `meta l4proto` beside it. */
export const th = header(undefined, 'th', TRANSPORT, {
  sport: [0, types.inet_service],
  dport: [2, types.inet_service],
})
/** `tcp …`. Flags are a bit field: `is` takes any of the flags given, `mask` compares some of them exactly. */
export const tcp = header('tcp', 'tcp', TRANSPORT, {
  sport: [0, types.inet_service],
  dport: [2, types.inet_service],
  flags: [13, types.tcp_flag],
})
/** `udp …`. */
export const udp = header('udp', 'udp', TRANSPORT, { sport: [0, types.inet_service], dport: [2, types.inet_service] })
/** `icmp …`. */
export const icmp = header('icmp', 'icmp', TRANSPORT, { type: [0, types.icmp_type], code: [1, types.icmp_code] })
/** `icmpv6 …`. */
export const icmpv6 = header('icmpv6', 'icmpv6', TRANSPORT, {
  type: [0, types.icmpv6_type],
  code: [1, types.icmpv6_code],
})

const ctKeys = {
  state: [0, types.ct_state],
  direction: [1, types.ct_dir],
  status: [2, types.ct_status],
  mark: [3, types.mark],
} as const
const tupleKeys = {
  'ip saddr': [19, types.ipv4_addr],
  'ip daddr': [20, types.ipv4_addr],
  'ip6 saddr': [21, types.ipv6_addr],
  'ip6 daddr': [22, types.ipv6_addr],
} as const
type CtKey = keyof typeof ctKeys | `${'original' | 'reply'} ${keyof typeof tupleKeys}`

/** `ct …`: the connection that a packet belongs to; `original …` and `reply …` are the addresses of its two directions. */
export function ct(key: CtKey): Field {
  const [, direction, tuple] = /^(original|reply) (.*)$/.exec(key) ?? []
  if (direction && tuple) {
    const [number, type] = pick<readonly [number, DataType]>(tupleKeys, tuple, `ct ${direction}`)
    return field(`ct ${key}`, type, { from: 'ct', key: number, direction: direction === 'reply' ? 1 : 0 })
  }
  const [number, type] = pick<readonly [number, DataType]>(ctKeys, key, 'ct')
  return field(`ct ${key}`, type, { from: 'ct', key: number })
}

const fibFlags = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16 } as const
const fibResults = {
  oif: [1, types.iface_index],
  oifname: [2, types.ifname],
  type: [3, types.fib_addrtype],
} as const

/** `fib KEYS RESULT`: what a route lookup for the packet's fields says. With `exists`/`missing`: whether there is a route. */
export function fib(keys: readonly (keyof typeof fibFlags)[], result: keyof typeof fibResults): Field {
  const flags = keys.reduce((all, key) => all | pick<number>(fibFlags, key, 'fib'), 0)
  const [number, type] = pick<readonly [number, DataType]>(fibResults, result, `fib ${keys.join(' . ')}`)
  return field(`fib ${keys.join(' . ')} ${result}`, type, { from: 'fib', result: number, flags })
}

const headers = { hbh: 0, rt: 43, frag: 44, dst: 60, mh: 135 } as const

/** `exthdr NAME`: an IPv6 extension header, for `exists` and `missing`. */
export function exthdr(name: keyof typeof headers): Field {
  const number = pick<number>(headers, name, 'exthdr')
  const load: Load = { from: 'exthdr', header: number, offset: 0, length: 1 }
  return field(`exthdr ${name}`, integer(1), load, { needs: 'ip6' })
}

/** `FIELD & VALUE`. */
export function mask(of: Field, value: Value): Masked {
  return { kind: 'masked', of, mask: value }
}

/** `FIELD . FIELD …`: a key of several fields, at most 64 bytes with each padded to 4. */
export function concat(...of: readonly (Field | Masked)[]): Concat {
  return { kind: 'concat', of }
}

/** A selector in nft's spelling, for error messages. */
export function selectorText(selector: Selector): string {
  if (selector.kind === 'concat') return selector.of.map(selectorText).join(' . ')
  return selector.kind === 'masked' ? `${selector.of.text} & ${String(selector.mask)}` : selector.text
}

/** The fields of a selector, with what masks them. */
export function fieldsOf(selector: Selector): readonly (Field | Masked)[] {
  return selector.kind === 'concat' ? selector.of : [selector]
}
