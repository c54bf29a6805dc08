// The address plan: which bits of an address are the host's prefix, the group and the endpoint.
//
//   0                               64        80                        112          127
//   | host prefix (/48 to /80)      | zeros   | group (32 bits)         | endpoint    |
//
// An endpoint's address never meets an interface identifier that RFC 5453 reserves: behind a /48 to /64 identifiers
// begin with 16 zero bits and neither group nor endpoint is 0; the /65 to /80 that begin them otherwise are refused by
// `parseHostPrefix`.
import { createHash } from 'node:crypto'
import { PluginError } from '../errors.ts'
import { addressText, parseAddress } from './address.ts'
import type { GroupBits } from './group.ts'
import { contains, type HostPrefix, parsePrefix, prefixOf } from './prefix.ts'

/** A group's addresses on one host: the canonical text of a /112. */
export type Pool = string & { readonly kind: 'pool' }

const POOL_LENGTH = 112
/**
 * Endpoint numbers are 1..65534: 0 would be the pool's subnet-router anycast address (RFC 4291 section 2.6.1), and
 * 65535, its last address, is kept back.
 */
const LAST_NUMBER = 65534

/** The group bits as a masked address, `::5c1f:8e02:0`: the form in which sets hold a group. */
export function groupKey(bits: GroupBits): string {
  return addressText(BigInt(bits) << 16n)
}

/**
 * The group bits of an address (text), whatever its prefix, as the ruleset's mask takes them; undefined for group 0,
 * the host. Says nothing about trust: see `may`. Throws ADDRESS_INVALID.
 */
export function groupOf(address: string): GroupBits | undefined {
  const bits = Number((parseAddress(address) >> 16n) & 0xffffffffn)
  return bits === 0 ? undefined : (bits as GroupBits)
}

/** The pool of a group on the host that owns the prefix: `2001:db8:100:a:0:5c1f:8e02:0/112`. */
export function groupPool(prefix: HostPrefix, bits: GroupBits): Pool {
  return prefixOf(prefix.first | (BigInt(bits) << 16n), POOL_LENGTH).text as Pool
}

/**
 * The group of a pool that somebody asked for by address (`--subnet`): exactly a /112 of this host's prefix, zeros
 * between prefix and group, not group 0. Throws POOL_INVALID, which says what would be right, PREFIX_INVALID or
 * ADDRESS_INVALID.
 */
export function parsePool(text: string, prefix: HostPrefix): GroupBits {
  const { first, length } = parsePrefix(text)
  const group = (first >> 16n) & 0xffffffffn
  const bits = Number(group) as GroupBits
  const right = `write "${groupPool(prefix, bits)}"`
  const problem =
    (group === 0n && `group 0 is the host itself; write a /112 of ${prefix.text} with a group in its bits 80 to 111`) ||
    (length !== POOL_LENGTH && `a pool is a /112; ${right}`) ||
    (!contains(prefix, prefixOf(first, 128)) && `it is outside this host's prefix ${prefix.text}; ${right}`) ||
    (first !== (prefix.first | (group << 16n)) && `the bits between ${prefix.text} and bit 80 must be 0; ${right}`)
  if (problem)
    throw new PluginError('POOL_INVALID', text, `${problem}, or --ipam-driver slash64 -o group=NAME and no --subnet`)
  return bits
}

/** The address of an endpoint, number 1..65534 within its group. Throws INTERNAL for another number. */
export function endpointAddress(prefix: HostPrefix, bits: GroupBits, number: number): string {
  if (!Number.isInteger(number) || number < 1 || number > LAST_NUMBER) {
    throw new PluginError('INTERNAL', `${number} is not an endpoint number, 1 to ${LAST_NUMBER}`)
  }
  return addressText(prefix.first | (BigInt(bits) << 16n) | BigInt(number))
}

/**
 * The endpoint number (1..65534) of an address that somebody asked for (`--ip6`) in a pool. Throws
 * ENDPOINT_ADDRESS_INVALID outside the pool and for its first and last address, ADDRESS_INVALID for no address at all.
 */
export function parseEndpointAddress(text: string, pool: Pool): number {
  const address = parseAddress(text)
  const { first } = parsePrefix(pool)
  const number = address - first
  if (number < 1n || number > LAST_NUMBER) {
    const range = `${addressText(first + 1n)} to ${addressText(first + BigInt(LAST_NUMBER))}`
    throw new PluginError('ENDPOINT_ADDRESS_INVALID', text, pool, range)
  }
  return Number(number)
}

/**
 * The number (1..65534) that the name of a container stands for: the first 32 bits of SHA-256(`slash64 endpoint v1\0` + name), modulo 65534, plus 1.
 * Part of what users rely on: the same name has the same address over all versions.
 */
export function endpointNumber(name: string): number {
  return 1 + (digest('slash64 endpoint v1', name).readUInt32BE() % LAST_NUMBER)
}

/** The host's own address in its prefix, `PREFIX::1`: group 0, from which it sources ICMPv6 errors. */
export function hostAddress(prefix: HostPrefix): string {
  return addressText(prefix.first | 1n)
}

// What follows are the names that links go by. They are made from ids alone, so the same state always gives the same
// links.

/** The prefix of every link of ours on the host's side. */
export const LINK_PREFIX = 's64'

/**
 * The link-local gateway address of a network, in fe80::/64. Interface identifier: the byte 0x64, then the first 56
 * bits of SHA-256(`slash64 gateway v1\0` + network id). The byte keeps it off 0, off small numbers that people give to
 * routers, off what RFC 5453 reserves, and off what a kernel would form from our MAC addresses (RFC 4291 appendix A:
 * those begin with 0x?0).
 */
export function gatewayAddress(networkId: string): string {
  const hash = digest('slash64 gateway v1', networkId).readBigUInt64BE() >> 8n
  return addressText((0xfe80n << 112n) | (0x64n << 56n) | hash)
}

/**
 * A MAC address from the first 6 bytes of SHA-256(`slash64 mac v1\0` + seed): unicast and locally administered, second
 * digit 2 (the quadrant that IEEE 802c leaves to administrators), so 44 bits of the hash. Text `xx:xx:xx:xx:xx:xx`.
 */
export function macAddress(seed: string): string {
  const hex = digest('slash64 mac v1', seed).toString('hex', 0, 6)
  return `${hex[0]}2:${hex.slice(2).replace(/..(?=.)/g, '$&:')}`
}

/** The MAC address of an endpoint's end in the container, where the user chose none. */
export function containerMac(endpointId: string): string {
  return macAddress(`container ${endpointId}`)
}

/** The MAC address of an endpoint's end on the host. */
export function hostMac(endpointId: string): string {
  return macAddress(`host ${endpointId}`)
}

/**
 * The interface name of an endpoint's end on the host: `s64` and the first 12 hex digits of its id, the 15 characters
 * of IFNAMSIZ (linux/if.h). Throws INTERNAL for an id without 12 hex digits.
 */
export function linkName(endpointId: string): string {
  const [hex] = /^[0-9a-f]{12}/.exec(endpointId) ?? []
  if (hex === undefined)
    throw new PluginError('INTERNAL', `the endpoint id ${JSON.stringify(endpointId)} is not hex digits`)
  return LINK_PREFIX + hex
}

/**
 * The name on the host of a container's end that the engine is to move, until it does and after it moved it back: `c64` and the same digits. It must
 * not begin like the host's end, which rules and observers know by that. Throws INTERNAL likewise.
 */
export function movedName(endpointId: string): string {
  return `c64${linkName(endpointId).slice(LINK_PREFIX.length)}`
}

function digest(tag: string, text: string): Buffer {
  return createHash('sha256').update(`${tag}\0${text}`).digest()
}
