// Expressions of the statements that look at a packet: load fields into registers, then compare or look them up.
import { fieldBytes } from './datatypes.ts'
import { bitwise, cmp, type Expression, load, outside, toBigEndian } from './expressions.ts'
import { prefixMask, splitPrefix } from './intervals.ts'
import type { Protocols } from './protocols.ts'
import { type Field, fieldsOf, type Masked, type Selector, selectorText } from './selectors.ts'
import type { Match, Presence, Range } from './statements.ts'
import { REGISTER_WORDS } from './wire.ts'

const FIB_RESULT_OIF = 1

/** The one field of a selector. Throws TypeError for a concatenation. */
function single(selector: Selector): Field | Masked {
  if (selector.kind !== 'concat') return selector
  throw new TypeError(`${selectorText(selector)}: compare a concatenation with anyOf() or a set`)
}

const fieldOf = (selector: Field | Masked): Field => (selector.kind === 'masked' ? selector.of : selector)

function loadOne(selector: Field | Masked, word: number): Expression[] {
  const field = fieldOf(selector)
  const loaded = load(field.load, word)
  return selector.kind === 'field' ? [loaded] : [loaded, bitwise(word, fieldBytes(field.type, selector.mask))]
}

/** Loads a selector's fields side by side from register 1 on. Throws RangeError beyond 64 bytes. */
export function loadAll(selector: Selector, protocols: Protocols): Expression[] {
  const fields = fieldsOf(selector)
  const checks = fields.flatMap(each => protocols.need(fieldOf(each).needs, fieldOf(each).text))
  let word = 0
  const loads = fields.flatMap(each => {
    const at = word
    word += Math.ceil(fieldOf(each).type.length / 4)
    if (word > REGISTER_WORDS) throw new RangeError(`${selectorText(selector)} has more than 64 bytes`)
    return loadOne(each, at)
  })
  return [...checks, ...loads]
}

/** `is` and `not`. Throws TypeError for a value that the field cannot have. */
export function match({ selector, negated, value }: Match, protocols: Protocols): Expression[] {
  const chosen = single(selector)
  const field = fieldOf(chosen)
  const checks = protocols.need(field.needs, field.text)
  const operator = negated ? 'neq' : 'eq'
  if (chosen.kind === 'field' && typeof value === 'string') {
    const address = field.type.form === 'ipv6' || field.type.form === 'ipv4'
    if (address && value.includes('/')) return [...checks, ...matchPrefix(field, value, operator)]
    if (field.type.form === 'name' && value.includes('*')) return [...checks, ...matchName(field, value, operator)]
  }
  const bytes = fieldBytes(field.type, value)
  const loaded = [...checks, ...loadOne(chosen, 0)]
  if (chosen.kind === 'field' && field.type.form === 'bits' && !negated) {
    return [...loaded, bitwise(0, bytes), cmp('neq', Buffer.alloc(bytes.length))]
  }
  if (chosen.kind === 'field' && !negated) protocols.settle(field, bytes)
  return [...loaded, cmp(operator, bytes)]
}

/** A prefix of whole bytes is a shorter field; any other is masked. */
function matchPrefix(field: Field, value: string, operator: 'eq' | 'neq'): Expression[] {
  const [address, length] = splitPrefix(field.type, value)
  const bytes = fieldBytes(field.type, address)
  const mask = prefixMask(field.type, length)
  if (length === 0) throw new TypeError(`${field.text} "${value}" matches every address: leave the statement out`)
  if (bytes.some((octet, at) => octet & ~(mask[at] ?? 0))) {
    throw new TypeError(`${field.text} "${value}" has bits beyond /${length}: write the first address of the prefix`)
  }
  if (length % 8 !== 0) return [load(field.load, 0), bitwise(0, mask), cmp(operator, bytes)]
  const whole = length / 8
  const from = field.load.from === 'payload' ? { ...field.load, length: whole } : field.load
  return [load(from, 0), cmp(operator, bytes.subarray(0, whole))]
}

function matchName(field: Field, value: string, operator: 'eq' | 'neq'): Expression[] {
  if (!/^[^*]{1,14}\*$/.test(value)) {
    throw new TypeError(`${field.text} "${value}": write 1 to 14 characters and one * at the end`)
  }
  return [load(field.load, 0), cmp(operator, Buffer.from(value.slice(0, -1)))]
}

/** `range` and `notRange`. Throws TypeError for types without an order and when `to` comes before `from`. */
export function matchRange({ selector, negated, from, to }: Range, protocols: Protocols): Expression[] {
  const chosen = single(selector)
  const { type, needs, text } = fieldOf(chosen)
  if (type.form === 'name' || type.form === 'bits') throw new TypeError(`${text}: ${type.name} has no ranges`)
  const low = fieldBytes({ ...type, order: 'big' }, from)
  const high = fieldBytes({ ...type, order: 'big' }, to)
  if (low.compare(high) > 0)
    throw new TypeError(`${text} ${from}-${to} ends before it begins: write the lower end first`)
  const loaded = [...protocols.need(needs, text), ...loadOne(chosen, 0)]
  if (type.order === 'host') loaded.push(toBigEndian(type.length))
  return negated ? [...loaded, outside(low, high)] : [...loaded, cmp('gte', low), cmp('lte', high)]
}

/** `exists` and `missing`. Throws TypeError for anything but exthdr and `fib … oif`. */
export function matchPresence({ selector, present }: Presence, protocols: Protocols): Expression[] {
  const field = single(selector)
  const from = field.kind === 'field' ? field.load : undefined
  if (field.kind !== 'field' || (from?.from !== 'exthdr' && from?.from !== 'fib')) {
    throw new TypeError(`${selectorText(selector)}: only exthdr and fib can exist or be missing`)
  }
  if (from.from === 'fib' && from.result !== FIB_RESULT_OIF) {
    throw new TypeError(`${field.text}: ask whether there is a route with the result 'oif'`)
  }
  const checks = protocols.need(field.needs, field.text)
  // A route's presence fills the whole register, of which nft 1.0 compares 4 bytes; a header's is one byte.
  const flag = from.from === 'fib' ? Buffer.of(present ? 1 : 0, 0, 0, 0) : Buffer.of(present ? 1 : 0)
  return [...checks, load(from, 0, true), cmp('eq', flag)]
}
