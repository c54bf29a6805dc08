// Intervals of keys: text such as `2001:db8::/32` or `80-90` as a first and a last key, both included, and back.
import { type DataType, readField, writeField } from './datatypes.ts'
import type { Scalar } from './model.ts'

/** Adds one to a big-endian number in place. False when it was the highest. */
export function increment(key: Buffer): boolean {
  for (let at = key.length - 1; at >= 0; at--) {
    const octet = (key[at] ?? 0) + 1
    key[at] = octet
    if (octet < 256) return true
  }
  return false
}

/** Takes one from a big-endian number in place. */
export function decrement(key: Buffer): void {
  for (let at = key.length - 1; at >= 0; at--) {
    const octet = (key[at] ?? 0) - 1
    key[at] = octet
    if (octet >= 0) return
  }
}

const isAddress = (type: DataType): boolean => type.form === 'ipv6' || type.form === 'ipv4'

/** True when `value` names more than one value of the type: a prefix or a range. */
export function isInterval(type: DataType, value: Scalar): boolean {
  if (typeof value !== 'string' || type.form === 'name' || type.form === 'bits') return false
  if (isAddress(type)) return value.includes('/') || value.includes('-')
  return value.includes('-') && !Object.hasOwn(type.symbols ?? {}, value)
}

/** Splits `address/length`. Throws TypeError for a length that the type does not have. */
export function splitPrefix(type: DataType, value: string): [address: string, length: number] {
  const slash = value.indexOf('/')
  const digits = value.slice(slash + 1)
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) : -1
  if (length >= 0 && length <= type.length * 8) return [value.slice(0, slash), length]
  throw new TypeError(
    `"${value}" is no prefix of ${type.name}: write a length from 0 to ${type.length * 8} after the /`,
  )
}

/** Mask with the upper `length` bits set. */
export function prefixMask(type: DataType, length: number): Buffer {
  return Buffer.from(
    Array.from({ length: type.length }, (_, at) => 0xff00 >> Math.min(8, Math.max(0, length - at * 8))),
  )
}

function writePrefix(type: DataType, value: string, low: Buffer, high: Buffer, at: number): void {
  const [address, length] = splitPrefix(type, value)
  writeField(type, address, low, at)
  for (let index = 0; index < type.length; index++) {
    const hostBits = 0xff >> Math.min(8, Math.max(0, length - index * 8))
    const octet = low[at + index] ?? 0
    if (octet & hostBits) {
      throw new TypeError(`"${value}" has bits beyond /${length}: write the first address of the prefix`)
    }
    high[at + index] = octet | hostBits
  }
}

/** Writes the first and the last value that `value` names at `at`. Throws TypeError (malformed, last before first). */
export function writeInterval(type: DataType, value: Scalar, low: Buffer, high: Buffer, at: number): void {
  if (!isInterval(type, value) || typeof value !== 'string') {
    writeField(type, value, low, at)
    low.copy(high, at, at, at + type.length)
    return
  }
  if (isAddress(type) && value.includes('/')) {
    writePrefix(type, value, low, high, at)
    return
  }
  const [from = '', to = ''] = splitRange(type, value)
  writeField(type, from, low, at)
  writeField(type, to, high, at)
  if (low.compare(high, at, at + type.length, at, at + type.length) > 0) {
    throw new TypeError(`"${value}" ends before it begins: write the lower end first`)
  }
}

/** Splits `a-b`; either side may be a symbol that contains a dash. */
function splitRange(type: DataType, value: string): [string, string] {
  for (let dash = value.indexOf('-'); dash > 0; dash = value.indexOf('-', dash + 1)) {
    const from = value.slice(0, dash)
    if (!type.symbols || Object.hasOwn(type.symbols, from) || /^\w+$/.test(from)) return [from, value.slice(dash + 1)]
  }
  return [value, value]
}

/** Length of the prefix that is exactly `low` to `high`, or -1. */
function prefixLength(low: Buffer, high: Buffer, at: number, length: number): number {
  let bits = 0
  let open = false
  for (let index = at; index < at + length; index++) {
    const differs = (low[index] ?? 0) ^ (high[index] ?? 0)
    if (open ? differs !== 0xff : (differs & (differs + 1)) !== 0) return -1
    if (((low[index] ?? 0) & differs) !== 0) return -1
    if (!open) bits += Math.clz32(differs) - 24
    open ||= differs !== 0
  }
  return bits
}

/** The text (or number) of the values from `low` to `high` at `at`: one value, `address/length` or `a-b`. */
export function readInterval(type: DataType, low: Buffer, high: Buffer, at: number): Scalar {
  const first = readField(type, low, at)
  if (low.compare(high, at, at + type.length, at, at + type.length) === 0) return first
  if (isAddress(type)) {
    const length = prefixLength(low, high, at, type.length)
    if (length >= 0) return `${first}/${length}`
  }
  return `${first}-${readField(type, high, at)}`
}

/** A key of a set that is kept as a tree of boundaries: `end` marks the first key behind an interval. */
export interface Boundary<T> {
  readonly key: Buffer
  readonly end: boolean
  readonly open?: boolean
  readonly of?: T
}
/** An interval with what belongs to it. */
export interface Interval<T> {
  readonly low: Buffer
  readonly high: Buffer
  readonly of?: T
}

/** Sorts intervals and joins those that touch; a map's (with `of`) stay apart. Throws TypeError where two overlap in a map. */
export function sortIntervals<T>(intervals: readonly Interval<T>[]): Interval<T>[] {
  const sorted = [...intervals].sort((a, b) => a.low.compare(b.low))
  const joined: Interval<T>[] = []
  for (const next of sorted) {
    const last = joined.at(-1)
    const behind = last && Buffer.from(last.high)
    const follows = behind && increment(behind) ? next.low.compare(behind) : behind ? -1 : 1
    if (!last || follows > 0 || (follows === 0 && next.of !== undefined)) joined.push(next)
    else if (next.of !== undefined) throw new TypeError('two intervals of the map overlap: give each value one verdict')
    else if (next.high.compare(last.high) > 0) joined[joined.length - 1] = { low: last.low, high: next.high }
  }
  return joined
}

/** The boundaries of sorted intervals, as nft writes a whole set: an end at zero first, no end where the next one starts. */
export function boundaries<T>(intervals: readonly Interval<T>[]): Boundary<T>[] {
  const result: Boundary<T>[] = []
  const first = intervals[0]
  if (first?.low.some(octet => octet !== 0)) result.push({ key: Buffer.alloc(first.low.length), end: true })
  intervals.forEach(({ low, high, of }, index) => {
    const behind = Buffer.from(high)
    const open = !increment(behind)
    result.push({ key: low, end: false, open, ...(of !== undefined && { of }) })
    if (!open && intervals[index + 1]?.low.equals(behind) !== true) result.push({ key: behind, end: true })
  })
  return result
}
