// Prefixes: CIDR blocks in general, and the one that a host owns.
import { createHash } from 'node:crypto'
import { PluginError } from '../errors.ts'
import { addressText, parseAddress } from './address.ts'

declare const hostPrefix: unique symbol

/** A CIDR block: canonical text `addr/len` (RFC 5952), its first address as a 128-bit number, its length 0..128. */
export interface Prefix {
  readonly text: string
  readonly first: bigint
  readonly length: number
}

/** A prefix that may belong to a host: /48 to /80, unicast. Only `parseHostPrefix` and `derivedPrefix` make one. */
export type HostPrefix = Prefix & { readonly [hostPrefix]: true }

/** Part of the wire format: a machine keeps its derived prefix over all versions of slash64. */
const PREFIX_TAG = 'slash64 prefix v1\0'

const SHORTEST = 48
const LONGEST = 80

// What a host can never own, from the IANA IPv6 special-purpose address registry (RFC 6890) and RFC 4291 section 2.4.
const REFUSED = [
  ['::/8', 'addresses that nobody owns, such as loopback, IPv4-mapped and NAT64 (RFC 4291)'],
  ['2001::/32', 'Teredo (RFC 4380)'],
  ['2002::/16', '6to4, which is retired (RFC 7526)'],
  ['fe80::/10', 'link-local addresses (RFC 4291)'],
  ['fec0::/10', 'site-local addresses, which are retired (RFC 3879)'],
  ['ff00::/8', 'multicast addresses (RFC 4291)'],
].map(([text = '', what = '']) => ({ block: parsePrefix(text), what }))

const DOCUMENTATION = [
  ['2001:db8::/32', 'RFC 3849'],
  ['3fff::/20', 'RFC 9637'],
].map(([text = '', rfc = '']) => ({ block: parsePrefix(text), rfc }))

// 2000::/3 is all that IANA has handed out; fc00::/7 is private (RFC 4193).
const UNICAST = ['2000::/3', 'fc00::/7'].map(parsePrefix)

/**
 * Any IPv6 CIDR block `addr/len`, len 0..128, no bits set behind len. Throws PREFIX_INVALID (with the prefix to write)
 * or ADDRESS_INVALID.
 */
export function parsePrefix(text: string): Prefix {
  const [, address = '', digits = ''] = /^([^/]{1,64})\/(0|[1-9]\d{0,2})$/.exec(text) ?? []
  const length = Number(digits)
  if (address === '' || length > 128) {
    throw new PluginError(
      'PREFIX_INVALID',
      text,
      'write an address, a slash and a length of 0 to 128, such as "fd00:1:2:3::/64"',
    )
  }
  const bits = parseAddress(address)
  const prefix = prefixOf(bits, length)
  if (prefix.first !== bits) {
    throw new PluginError('PREFIX_INVALID', text, `it has bits set behind /${length}; write "${prefix.text}"`)
  }
  return prefix
}

/** The prefix of that length (0..128) in which an address (128-bit number) lies. */
export function prefixOf(address: bigint, length: number): Prefix {
  const shift = BigInt(128 - length)
  const first = (address >> shift) << shift
  return { text: `${addressText(first)}/${length}`, first, length }
}

/**
 * The prefix of a host, from `SLASH64_PREFIX`: /48 to /80, no bits set behind the length, global unicast or RFC 4193.
 * Documentation prefixes (RFC 3849, RFC 9637) only where `allowDocumentation` says so. Throws HOST_PREFIX_INVALID,
 * PREFIX_INVALID or ADDRESS_INVALID.
 */
export function parseHostPrefix(text: string, { allowDocumentation }: { allowDocumentation: boolean }): HostPrefix {
  const prefix = parsePrefix(text)
  const problem = kindProblem(prefix, allowDocumentation) ?? lengthProblem(prefix) ?? interfaceIdProblem(prefix)
  if (problem !== undefined) throw new PluginError('HOST_PREFIX_INVALID', text, problem)
  return prefix as HostPrefix
}

function kindProblem(prefix: Prefix, allowDocumentation: boolean): string | undefined {
  const advice = 'write a prefix that is routed to this host, or leave SLASH64_PREFIX out for a private one'
  const refused = REFUSED.find(({ block }) => contains(block, prefix))
  if (refused) return `${refused.block.text} is for ${refused.what}; ${advice}`
  const documentation = allowDocumentation ? undefined : DOCUMENTATION.find(({ block }) => contains(block, prefix))
  if (documentation) {
    const { block, rfc } = documentation
    return `${block.text} is for documentation (${rfc}); ${advice}. In tests, set SLASH64_ALLOW_DOC_PREFIX=1`
  }
  if (!UNICAST.some(block => contains(block, prefix))) return `it is neither in 2000::/3 nor in fc00::/7; ${advice}`
}

function lengthProblem({ first, length }: Prefix): string | undefined {
  if (length < SHORTEST)
    return `it is larger than one host needs; write a /64 of it, such as "${prefixOf(first, 64).text}"`
  if (length > LONGEST) return `a host needs at least a /${LONGEST}; write one, or a /64, that is routed to this host`
}

// Behind a /65 to /80 the interface identifiers (the low 64 bits) begin with bits of the prefix. Two beginnings are
// reserved by RFC 5453: 0200:5eff:fe00:0 and up (IANA's Ethernet block), fdff:ffff:ffff:ff80 and up (subnet anycast).
// Groups would run into both.
function interfaceIdProblem({ first, length }: Prefix): string | undefined {
  const beginning = (first >> 48n) & 0xffffn
  if (beginning !== 0x0200n && beginning !== 0xfdffn) return undefined
  const other = prefixOf(first ^ (1n << BigInt(128 - length)), length)
  return `its interface identifiers would meet those that RFC 5453 reserves; write another prefix, such as "${other.text}"`
}

/**
 * Whether an address (text) or another prefix lies wholly in the prefix. Throws ADDRESS_INVALID for an address that is
 * none.
 */
export function contains(prefix: Prefix, inner: Prefix | string): boolean {
  const { first, length } = typeof inner === 'string' ? { first: parseAddress(inner), length: 128 } : inner
  return length >= prefix.length && (first ^ prefix.first) >> BigInt(128 - prefix.length) === 0n
}

/** Whether two prefixes have an address in common: one of them then holds the other. */
export function overlaps(one: Prefix, other: Prefix): boolean {
  return contains(one, other) || contains(other, one)
}

/** What is left of a prefix without another one: itself, nothing, or the halves on the way to the hole, at most 128. */
export function except(prefix: Prefix, hole: Prefix): Prefix[] {
  if (contains(hole, prefix)) return []
  if (!contains(prefix, hole)) return [prefix]
  const length = prefix.length + 1
  const second = prefix.first | (1n << BigInt(128 - length))
  return [prefix.first, second].flatMap(first => except(prefixOf(first, length), hole))
}

/**
 * The private prefix of a host that was given none: RFC 4193, fd and the first 40 bits of SHA-256(`slash64 prefix v1\0`
 * + seed) as global id, subnet id 0, hence `fdXX:XXXX:XXXX::/64`. The seed is the machine id; the hash does not give it
 * away (machine-id(5)).
 */
export function derivedPrefix(seed: string): HostPrefix {
  const digest = createHash('sha256').update(PREFIX_TAG).update(seed).digest()
  const globalId = BigInt(digest.readUIntBE(0, 5))
  return prefixOf((0xfdn << 120n) | (globalId << 80n), 64) as HostPrefix
}

/** A link that is not slash64's: its IPv6 addresses, and its connected routes (no next hop) as `addr/len`. */
export interface ForeignLink {
  readonly name: string
  readonly addresses: readonly { readonly address: string }[]
  readonly connectedRoutes: readonly string[]
}

/**
 * Refuses a host prefix that holds an address or a connected route of another link, as the on-link /64 of most rented
 * machines does: routed to containers, it would cut the host off. A prefix inside a connected route (a /80 of that /64)
 * passes. Throws PREFIX_ON_LINK, which names a /80 that holds nothing of the links.
 */
export function checkNotOnLink(prefix: HostPrefix, links: readonly ForeignLink[]): void {
  for (const link of links) {
    const held = holdings(link).find(({ block }) => contains(prefix, block))
    if (held) throw new PluginError('PREFIX_ON_LINK', prefix.text, held.what, link.name, freePrefix(held.block, links))
  }
}

function holdings(link: ForeignLink): { what: string; block: Prefix }[] {
  const addresses = link.addresses.map(({ address }) => ({
    what: `the address ${address}`,
    block: prefixOf(parseAddress(address), 128),
  }))
  const routes = link.connectedRoutes.map(route => ({
    what: `the connected route ${route}`,
    block: parsePrefix(route),
  }))
  return [...addresses, ...routes]
}

// The first /80 of the block's /64, other than the very first (routers like to sit there), that holds nothing of the
// links. None in the first 511: then the user must look; further up RFC 5453 reserves interface identifiers.
function freePrefix(block: Prefix, links: readonly ForeignLink[]): string {
  const base = prefixOf(block.first, 64)
  const taken = links.flatMap(holdings).map(held => held.block)
  const inside = taken.filter(other => other.length > 64 && contains(base, other))
  for (let number = 1n; number < 0x0200n; number++) {
    const candidate = prefixOf(base.first | (number << 48n), 80)
    if (!inside.some(other => overlaps(candidate, other))) return `a /80 of it, such as "${candidate.text}",`
  }
  return 'a /80 of it that no link uses and'
}
