// Expressions that act or count: what statements other than matches become.
import type { Expression } from './expressions.ts'
import { writeExpression, writeExpressions } from './expressions.ts'
import type { Connlimit, Counter, Dynset, Limit, LogOptions, RejectOptions } from './statements.ts'
import { symbols } from './symbols.ts'
import { register } from './wire.ts'

const seconds = { second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800 } as const
const MAX_U32 = 0xffff_ffff
const MAX_U16 = 0xffff
const MAX_PREFIX = 127

function whole(value: number, from: number, to: number, what: string): number {
  if (Number.isInteger(value) && value >= from && value <= to) return value
  throw new RangeError(`${what} ${value}: write a whole number from ${from} to ${to}`)
}

/** What can stand alone and, for each element, in a dynset. Throws RangeError for numbers that the kernel cannot hold. */
export function stateful(statement: Counter | Limit | Connlimit): Expression {
  switch (statement.kind) {
    case 'counter':
      return { name: 'counter', write: w => w.be64(1, 0n).be64(2, 0n) }
    case 'connlimit': {
      const count = whole(statement.count, 0, MAX_U32, 'connlimit count')
      return { name: 'connlimit', write: w => w.be32(1, count).be32(2, statement.over ? 1 : 0) }
    }
    case 'limit':
      return limit(statement)
    default:
      return statement satisfies never
  }
}

function limit({ rate, per, burst, unit = 'packets', over = false }: Limit): Expression {
  const bytes = unit === 'bytes'
  const most = whole(burst ?? (bytes ? 0 : 5), 0, MAX_U32, 'limit burst')
  const tokens = BigInt(whole(rate, 1, Number.MAX_SAFE_INTEGER, 'limit rate'))
  const period = BigInt(seconds[per])
  return {
    name: 'limit',
    write: w =>
      w
        .be64(1, tokens)
        .be64(2, period)
        .be32(3, most)
        .be32(4, bytes ? 1 : 0)
        .be32(5, over ? 1 : 0),
  }
}

const dynsetOps = { add: 0, update: 1, delete: 2 } as const
const DYNSET_F_EXPR = 2

/** Adds the key in register 1 to a set. One statement goes into NFTA_DYNSET_EXPR, several (kernel 5.11) into a list. */
export function dynset({ op, set, timeout, statements = [] }: Dynset): Expression {
  const expressions = statements.map(stateful)
  const lifetime = timeout === undefined ? undefined : BigInt(whole(timeout, 1, Number.MAX_SAFE_INTEGER, 'timeout'))
  return {
    name: 'dynset',
    write: (w, ids) => {
      w.be32(4, register(0)).be32(3, dynsetOps[op])
      if (lifetime !== undefined) w.be64(6, lifetime)
      w.string(1, set)
      const [only] = expressions
      if (only && expressions.length === 1) w.nest(7, nested => writeExpression(nested, only, ids))
      if (expressions.length > 1) {
        w.be32(9, DYNSET_F_EXPR)
        writeExpressions(w, 10, expressions, ids)
      }
    },
  }
}

/** `log`. Throws RangeError for a prefix over 127 bytes or numbers out of range. */
export function log(options: LogOptions): Expression {
  const { prefix } = options
  if (prefix !== undefined && Buffer.byteLength(prefix) > MAX_PREFIX) {
    throw new RangeError(`log prefix "${prefix}" has ${Buffer.byteLength(prefix)} bytes: at most ${MAX_PREFIX}`)
  }
  if ('level' in options) {
    const level = symbols.logLevel[options.level]
    return {
      name: 'log',
      write: w => {
        if (prefix !== undefined) w.string(2, prefix)
        w.be32(5, level)
      },
    }
  }
  const group = whole(options.group, 0, MAX_U16, 'log group')
  const snaplen = options.snaplen === undefined ? undefined : whole(options.snaplen, 0, MAX_U32, 'log snaplen')
  const { queueThreshold } = options
  const threshold = queueThreshold === undefined ? undefined : whole(queueThreshold, 0, MAX_U16, 'log queueThreshold')
  return {
    name: 'log',
    write: w => {
      if (prefix !== undefined) w.string(2, prefix)
      w.be16(1, group)
      if (snaplen !== undefined) w.be32(3, snaplen)
      if (threshold !== undefined) w.be16(4, threshold)
    },
  }
}

const rejectTypes = { icmp: 0, icmpv6: 0, 'tcp reset': 1, icmpx: 2 } as const
const rejectCodes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  icmp: symbols.icmpCode,
  icmpv6: symbols.icmpv6Code,
  icmpx: symbols.icmpxCode,
}

/** `reject`. Throws TypeError for a code that the protocol does not have. */
export function reject(options: RejectOptions): Expression {
  const codes = rejectCodes[options.with] ?? {}
  const code = 'code' in options ? codes[options.code] : 0
  if (code === undefined) {
    const given = 'code' in options ? options.code : ''
    throw new TypeError(`reject with ${options.with} '${given}': write one of ${Object.keys(codes).join(', ')}`)
  }
  return { name: 'reject', write: w => w.be32(1, rejectTypes[options.with]).u8(2, code) }
}

/** `notrack`. */
export const notrack: Expression = { name: 'notrack' }
