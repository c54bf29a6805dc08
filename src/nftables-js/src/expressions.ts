// Expressions: the kernel's instructions, one function for each (linux/netfilter/nf_tables.h). A rule is a list of them;
// each loads, changes or compares registers, or acts on the packet.
import type { Verdict } from './model.ts'
import type { Writer } from './netlink/index.ts'
import type { Load } from './selectors.ts'
import { DATA, EXPRESSION, LIST_ITEM, register, VERDICT } from './wire.ts'

/** The numbers that the batch being written gave to its anonymous sets. */
export type SetIds = (set: object) => number

/** One instruction. `write` appends the attributes of its data; `notrack` has none. */
export interface Expression {
  readonly name: string
  readonly write?: (writer: Writer, ids: SetIds) => void
}

/** Name under which the kernel makes up a name for an anonymous set. */
export const ANONYMOUS_SET = '__set%d'
export const ANONYMOUS_MAP = '__map%d'

/** NFTA_DATA with a value. */
export function writeData(writer: Writer, type: number, value: Uint8Array): void {
  writer.nest(type, data => data.bytesAttribute(DATA.value, value))
}

const verdictCodes = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const
const verdictNames = new Map<number, Verdict['code']>(
  Object.entries(verdictCodes).map(([name, code]) => [code, name as Verdict['code']]),
)

/** NFTA_DATA with a verdict. */
export function writeVerdict(writer: Writer, type: number, verdict: Verdict): void {
  writer.nest(type, data =>
    data.nest(DATA.verdict, body => {
      body.be32(VERDICT.code, verdictCodes[verdict.code] >>> 0)
      if (verdict.chain !== undefined) body.string(VERDICT.chain, verdict.chain)
    }),
  )
}

/** The name of a verdict's code (host number, signed), or undefined for one that nft does not have. */
export function verdictName(code: number): Verdict['code'] | undefined {
  return verdictNames.get(code)
}

/** NFTA_EXPR_NAME, NFTA_EXPR_DATA. */
export function writeExpression(writer: Writer, expression: Expression, ids: SetIds): void {
  writer.string(EXPRESSION.name, expression.name)
  if (expression.write) writer.nest(EXPRESSION.data, data => expression.write?.(data, ids))
}

/** A list of expressions below `type`. */
export function writeExpressions(writer: Writer, type: number, list: readonly Expression[], ids: SetIds): void {
  writer.nest(type, nested => {
    for (const expression of list) nested.nest(LIST_ITEM, item => writeExpression(item, expression, ids))
  })
}

const FIB_F_PRESENT = 0x20
const EXTHDR_F_PRESENT = 1

/** Reads a field into the registers from `word` on. `present`: whether it is there at all, as one byte. */
export function load(from: Load, word: number, present = false): Expression {
  const target = register(word)
  switch (from.from) {
    case 'meta':
      return { name: 'meta', write: w => w.be32(2, from.key).be32(1, target) }
    case 'payload':
      return {
        name: 'payload',
        write: w => w.be32(1, target).be32(2, from.base).be32(3, from.offset).be32(4, from.length),
      }
    case 'ct':
      return {
        name: 'ct',
        write: w => {
          w.be32(2, from.key).be32(1, target)
          if (from.direction !== undefined) w.u8(3, from.direction)
        },
      }
    case 'fib': {
      const flags = from.flags | (present ? FIB_F_PRESENT : 0)
      return { name: 'fib', write: w => w.be32(3, flags).be32(2, from.result).be32(1, target) }
    }
    case 'exthdr':
      return {
        name: 'exthdr',
        write: w => {
          w.be32(1, target).u8(2, from.header).be32(3, from.offset).be32(4, from.length)
          w.be32(5, present ? EXTHDR_F_PRESENT : 0)
        },
      }
    default:
      return from satisfies never
  }
}

const comparisons = { eq: 0, neq: 1, lte: 3, gte: 5 } as const

/** Ends the rule unless register 1 compares so with `value`. */
export function cmp(operator: keyof typeof comparisons, value: Uint8Array): Expression {
  return {
    name: 'cmp',
    write: w => {
      w.be32(1, register(0)).be32(2, comparisons[operator])
      writeData(w, 3, value)
    },
  }
}

/** Ends the rule unless register 1 lies outside `from` to `to`. */
export function outside(from: Uint8Array, to: Uint8Array): Expression {
  return {
    name: 'range',
    write: w => {
      w.be32(1, register(0)).be32(2, 1)
      writeData(w, 3, from)
      writeData(w, 4, to)
    },
  }
}

/** `register = register & mask`. */
export function bitwise(word: number, mask: Uint8Array): Expression {
  return {
    name: 'bitwise',
    write: w => {
      w.be32(1, register(word)).be32(2, register(word)).be32(6, 0).be32(3, mask.length)
      writeData(w, 4, mask)
      writeData(w, 5, new Uint8Array(mask.length))
    },
  }
}

/** Turns the host-order number of `length` bytes in register 1 big-endian, to compare its size. */
export function toBigEndian(length: number): Expression {
  return {
    name: 'byteorder',
    write: w => w.be32(1, register(0)).be32(2, register(0)).be32(3, 1).be32(4, length).be32(5, length),
  }
}

const LOOKUP_F_INV = 1

/** Ends the rule unless the key in register 1 is in the set; of a map with `verdict` the verdict is carried out. */
export function lookup(set: string | { readonly map: boolean }, negated = false, verdict = false): Expression {
  return {
    name: 'lookup',
    write: (w, ids) => {
      w.be32(2, register(0))
      if (verdict) w.be32(3, 0)
      if (typeof set === 'string') w.string(1, set)
      else w.string(1, set.map ? ANONYMOUS_MAP : ANONYMOUS_SET).be32(4, ids(set))
      if (negated) w.be32(5, LOOKUP_F_INV)
    },
  }
}

/** Carries out a verdict. */
export function verdict(value: Verdict): Expression {
  return {
    name: 'immediate',
    write: w => {
      w.be32(1, 0)
      writeVerdict(w, 2, value)
    },
  }
}

/** `register 1 = value`. */
export function immediate(value: Uint8Array): Expression {
  return {
    name: 'immediate',
    write: w => {
      w.be32(1, register(0))
      writeData(w, 2, value)
    },
  }
}

/** Sets a meta or ct key from register 1. */
export function store(into: 'meta' | 'ct', key: number): Expression {
  return { name: into, write: w => w.be32(2, key).be32(into === 'meta' ? 3 : 4, register(0)) }
}
