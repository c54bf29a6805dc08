// Groups: the 32 bits of an address that say to whom a container belongs.
import { createHash } from 'node:crypto'
import { PluginError } from '../errors.ts'

/**
 * The 32 bits of a group, 1..0xffffffff; the top bit (bit 80 of an address) is 0 for a named group, 1 for one of this
 * host only.
 */
export type GroupBits = number & { readonly kind: 'group' }

/** The mask of the group bits (80 to 111) in an address, for `ip6 saddr & ::ffff:ffff:0`. */
export const groupMask = '::ffff:ffff:0'

export interface Group {
  readonly bits: GroupBits
  /** Absent: a group of this host only, or one chosen by number (`--subnet`). */
  readonly name?: string
}

export interface NamedGroup extends Group {
  readonly name: string
}

/**
 * Part of the wire format: hosts agree on a group's bits because all of them hash this tag and the name. Never change
 * it.
 */
const GROUP_TAG = 'slash64 group v1\0'

const LOCAL = 0x80000000

const RESERVED: Record<string, string> = {
  fleet: 'it means every slash64 host',
  world: 'it means everybody',
  host: 'it means this host',
}

/** Words that are no group names, because access lists give them a meaning of their own. */
export const RESERVED_NAMES = Object.keys(RESERVED)

/**
 * The group of a name: `[a-z0-9][a-z0-9._-]*`, at most 63 characters, at least one letter (or `80` and `80-90`, ports
 * without a peer, would be names), not a reserved name. Throws GROUP_NAME_INVALID.
 */
export function namedGroup(name: string): NamedGroup {
  const problem = nameProblem(name)
  if (problem !== undefined) throw new PluginError('GROUP_NAME_INVALID', name, problem)
  return { name, bits: nameBits(name, text => createHash('sha256').update(text).digest()) }
}

function nameProblem(name: string): string | undefined {
  const rule = 'write a letter or digit, then letters, digits, ".", "_" or "-", such as "web"'
  if (name.length === 0) return `it is empty; ${rule}`
  if (name.length > 63) return `it has ${name.length} characters; write at most 63`
  if (!/^[a-z0-9][a-z0-9._-]*$/i.test(name)) return rule
  if (/[A-Z]/.test(name)) return `write lower case: "${name.toLowerCase()}"`
  if (!/[a-z]/.test(name)) return 'write a name with at least one letter, such as "web"'
  if (RESERVED_NAMES.includes(name)) return `${RESERVED[name]}; write another name, such as "my-${name}"`
}

/**
 * The wire format of a named group: bit 80 is 0, the other 31 bits are the first 31 of SHA-256(`slash64 group v1\0` +
 * name). Where those are all 0 (group 0 is the host), the first 31 of SHA-256(tag + name + `\0` + n), with the decimal
 * n counting from 1, until they are not. `digest` is SHA-256 (at least 4 bytes).
 */
export function nameBits(name: string, digest: (text: string) => Buffer): GroupBits {
  let bits = digest(GROUP_TAG + name).readUInt32BE() >>> 1
  for (let n = 1; bits === 0; n++) bits = digest(`${GROUP_TAG}${name}\0${n}`).readUInt32BE() >>> 1
  return bits as GroupBits
}

/** A group that exists on this host only. `random`: 31 random bits, 0..0x7fffffff; anything else throws INTERNAL. */
export function localGroup(random: number): Group {
  if (!Number.isInteger(random) || random < 0 || random >= LOCAL) {
    throw new PluginError('INTERNAL', `${random} is not 31 random bits`)
  }
  return { bits: (LOCAL + random) as GroupBits }
}

/** Whether the group exists on one host only, and so is never to be believed when it comes over an uplink. */
export function isLocal(bits: GroupBits): boolean {
  return bits >= LOCAL
}

/** `hhhh:hhhh`, the way the bits stand in an address, with all zeros written. */
export function groupText(bits: GroupBits): string {
  return bits
    .toString(16)
    .padStart(8, '0')
    .replace(/^(....)/, '$1:')
}

/**
 * Refuses two different names with the same 31 bits: merged, each would have the other's rights. Names may repeat.
 * Throws GROUP_COLLISION. With a thousand names the chance of one such pair is 1 in 4,300.
 */
export function checkDistinct(groups: Iterable<NamedGroup>): void {
  const names = new Map<GroupBits, string>()
  for (const { name, bits } of groups) {
    const other = names.get(bits) ?? name
    if (other !== name) throw new PluginError('GROUP_COLLISION', other, name)
    names.set(bits, name)
  }
}
