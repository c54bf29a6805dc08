// Addresses as text and bytes. Parsers write into a buffer and answer false for anything malformed; they are on the path
// of every element, so they allocate nothing.

const COLON = 0x3a
const DOT = 0x2e

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Four decimal bytes with dots, from `start` to the end of `text`. */
export function parseIpv4(text: string, out: Uint8Array, at: number, start = 0): boolean {
  let index = start
  for (let octet = 0; octet < 4; octet++) {
    if (octet > 0 && text.charCodeAt(index++) !== DOT) return false
    const first = index
    let value = 0
    for (let code = text.charCodeAt(index); code >= 0x30 && code <= 0x39; code = text.charCodeAt(++index)) {
      value = value * 10 + code - 0x30
    }
    const digits = index - first
    if (digits === 0 || digits > 3 || value > 255 || (digits > 1 && text.charCodeAt(first) === 0x30)) return false
    out[at + octet] = value
  }
  return index === text.length
}

export function formatIpv4(bytes: Uint8Array, at = 0): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

/** Moves the groups behind `::` (which stood before group `gap`) to the end and zeroes what it stands for. */
function expandGap(out: Uint8Array, at: number, gap: number, groups: number): boolean {
  if (gap < 0) return groups === 8
  if (groups === 8) return false
  out.copyWithin(at + 16 - (groups - gap) * 2, at + gap * 2, at + groups * 2)
  out.fill(0, at + gap * 2, at + 16 - (groups - gap) * 2)
  return true
}

/** An IPv6 address (RFC 4291 section 2.2, without a zone) into the 16 bytes at `at`. */
export function parseIpv6(text: string, out: Uint8Array, at: number): boolean {
  const end = text.length
  let index = 0
  let groups = 0
  let gap = -1
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return false
    gap = 0
    index = 2
  }
  while (index < end) {
    if (groups === 8) return false
    const first = index
    let value = 0
    for (let digit = hexDigit(text.charCodeAt(index)); digit >= 0; digit = hexDigit(text.charCodeAt(++index))) {
      value = (value << 4) | digit
    }
    if (text.charCodeAt(index) === DOT) {
      return groups <= 6 && parseIpv4(text, out, at + groups * 2, first) && expandGap(out, at, gap, groups + 2)
    }
    if (index === first || index - first > 4) return false
    out[at + groups * 2] = value >> 8
    out[at + groups * 2 + 1] = value & 0xff
    groups++
    if (index === end) break
    if (text.charCodeAt(index++) !== COLON || index === end) return false
    if (text.charCodeAt(index) !== COLON) continue
    if (gap >= 0) return false
    gap = groups
    index++
  }
  return expandGap(out, at, gap, groups)
}

/** The canonical text of RFC 5952 (always in hexadecimal groups). */
export function formatIpv6(bytes: Uint8Array, at = 0): string {
  const groups = Array.from({ length: 8 }, (_, index) => {
    return ((bytes[at + index * 2] ?? 0) << 8) | (bytes[at + index * 2 + 1] ?? 0)
  })
  let best = -1
  let length = 1
  for (let start = 0; start < 8; start++) {
    let run = 0
    while (start + run < 8 && groups[start + run] === 0) run++
    if (run > length) [best, length] = [start, run]
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  return best < 0 ? text(0, 8) : `${text(0, best)}::${text(best + length, 8)}`
}

/** Six bytes in hexadecimal with colons. */
export function parseEther(text: string, out: Uint8Array, at: number): boolean {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return false
  text.split(':').forEach((octet, index) => {
    out[at + index] = Number.parseInt(octet, 16)
  })
  return true
}

export function formatEther(bytes: Uint8Array, at = 0): string {
  return Array.from(bytes.subarray(at, at + 6), octet => octet.toString(16).padStart(2, '0')).join(':')
}
