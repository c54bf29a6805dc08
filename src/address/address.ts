// The room of addresses: host prefixes, groups, and the plan that puts a group into an address. Pure: no I/O, no clock,
// no chance.
//
// This file: IPv6 addresses as text and as 128-bit numbers.
import { Address6 } from 'ip-address'
import { PluginError } from '../errors.ts'

// The longest text of an IPv6 address: six hextets and a dotted quad. Longer input is refused before any parsing.
const LONGEST = 45

/**
 * The address as a 128-bit number. Takes every spelling of RFC 4291 section 2.2, without a zone and without a length.
 * Throws ADDRESS_INVALID for anything else.
 */
export function parseAddress(text: string): bigint {
  const problem = textProblem(text)
  if (problem !== undefined) throw new PluginError('ADDRESS_INVALID', text, problem)
  try {
    return new Address6(text).bigInt()
  } catch {
    throw new PluginError('ADDRESS_INVALID', text, 'write eight groups of hex digits, such as "fd00:1:2:3::5"')
  }
}

function textProblem(text: string): string | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return 'slash64 routes IPv6 only; write an IPv6 address'
  if (text.length <= LONGEST && /^[0-9a-f.:]+$/i.test(text)) return undefined
  return 'write hex digits and colons only, such as "fd00:1:2:3::5"'
}

/**
 * The one text of a 128-bit address: RFC 5952 section 4, hexadecimal throughout (::ffff:102:304, never ::ffff:1.2.3.4),
 * because group keys such as ::ffff:8e02:0 fall into the IPv4-mapped range by their bits alone.
 */
export function addressText(bits: bigint): string {
  return Address6.fromBigInt(bits).correctForm()
}
