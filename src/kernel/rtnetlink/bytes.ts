// Addresses, prefixes and MACs between text and the bytes of a netlink attribute. One way in, one way out: what the
// encoders accept is what the decoders print, so that a wish and an observation compare as text.

const GROUP = /^[0-9a-f]{1,4}$/i
const OCTETS = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i

/** A prefix as the kernel takes it: 16 bytes of address, and how many bits of it count (0 to 128). */
export interface PrefixBytes {
  readonly bytes: Buffer
  readonly length: number
}

function badAddress(text: string): RangeError {
  return new RangeError(`"${text}" is not an IPv6 address: write groups of hexadecimal digits, such as 2001:db8::1`)
}

function writeGroups(bytes: Buffer, groups: readonly string[], first: number, text: string): void {
  for (const [index, group] of groups.entries()) {
    if (!GROUP.test(group)) throw badAddress(text)
    bytes.writeUInt16BE(Number.parseInt(group, 16), (first + index) * 2)
  }
}

/**
 * The 16 bytes of an IPv6 address in any spelling of RFC 4291 section 2.2 but the one with a dotted IPv4 tail. Zones
 * (`%eth0`) are refused: a link is an attribute of its own. Throws RangeError, which quotes the text.
 */
export function addressBytes(text: string): Buffer {
  const bytes = Buffer.alloc(16)
  const gap = text.indexOf('::')
  const head = gap < 0 ? text.split(':') : gap === 0 ? [] : text.slice(0, gap).split(':')
  const tail = gap < 0 || gap + 2 === text.length ? [] : text.slice(gap + 2).split(':')
  const count = head.length + tail.length
  if (gap < 0 ? count !== 8 : count > 7) throw badAddress(text)
  writeGroups(bytes, head, 0, text)
  writeGroups(bytes, tail, 8 - tail.length, text)
  return bytes
}

/** Where the longest run of two or more zero groups begins and ends (the first of equals); -1 to -1 when there is none. */
function longestZeros(bytes: Buffer): readonly [number, number] {
  let best: readonly [number, number] = [-1, -1]
  for (let first = 0; first < 8; first++) {
    let end = first
    while (end < 8 && bytes.readUInt16BE(end * 2) === 0) end++
    if (end - first >= 2 && end - first > best[1] - best[0]) best = [first, end]
    if (end > first) first = end
  }
  return best
}

/** The text of 16 bytes in the canonical form of RFC 5952 section 4, always with hexadecimal groups. */
export function addressText(bytes: Buffer): string {
  if (bytes.length !== 16) throw new RangeError(`${bytes.length} bytes are no IPv6 address: it has 16`)
  const [first, end] = longestZeros(bytes)
  let text = ''
  for (let group = 0; group < 8; group++) {
    if (group === first) {
      text += '::'
      group = end - 1
    } else {
      if (group > 0 && group !== end) text += ':'
      text += bytes.readUInt16BE(group * 2).toString(16)
    }
  }
  return text
}

/** True when every bit of `bytes` from bit `length` on is zero. */
function endsAt(bytes: Buffer, length: number): boolean {
  const whole = length >> 3
  if (length < 128 && ((bytes[whole] ?? 0) & (0xff >> (length & 7))) !== 0) return false
  for (let at = whole + 1; at < 16; at++) if (bytes[at] !== 0) return false
  return true
}

/**
 * Reads `ADDRESS/LENGTH`. Bits beyond the length are refused: the kernel would drop them without a word, and what it
 * then lists would differ from what was asked for. Throws RangeError.
 */
export function prefixBytes(text: string): PrefixBytes {
  const slash = text.indexOf('/')
  const digits = text.slice(slash + 1)
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) : 129
  if (slash < 0 || length > 128) {
    throw new RangeError(`"${text}" is not an IPv6 prefix: write ADDRESS/LENGTH with a length of 0 to 128`)
  }
  const bytes = addressBytes(text.slice(0, slash))
  if (!endsAt(bytes, length)) throw new RangeError(`"${text}" has bits beyond its length: clear them, or write /128`)
  return { bytes, length }
}

/** `ADDRESS/LENGTH`; the kernel leaves the address out when the length is 0. */
export function prefixText(bytes: Buffer | undefined, length: number): string {
  return `${bytes ? addressText(bytes) : '::'}/${length}`
}

/** The 6 bytes of a MAC such as `02:42:ac:11:00:02`. Throws RangeError, which quotes the text. */
export function macBytes(text: string): Buffer {
  if (!OCTETS.test(text)) throw new RangeError(`"${text}" is not a MAC: write six octets, such as 02:42:ac:11:00:02`)
  return Buffer.from(text.replaceAll(':', ''), 'hex')
}

/** Six octets in lower case with colons. */
export function macText(bytes: Buffer): string {
  if (bytes.length !== 6) throw new RangeError(`${bytes.length} bytes are no MAC: it has 6`)
  return bytes.toString('hex').replace(/..(?!$)/g, '$&:')
}

/** `value` when it fits one byte; the wire would cut it silently. `what` names it in the RangeError. */
export function byte(value: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 255) {
    throw new RangeError(`${what} ${value} does not fit one byte: write 0 to 255`)
  }
  return value
}
