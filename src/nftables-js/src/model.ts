// What a ruleset is made of, in nft's own nouns. Plain values: nothing here talks to the kernel.
import type { TypeName } from './datatypes.ts'
import type { Statement } from './statements.ts'

export type Family = 'inet' | 'ip' | 'ip6' | 'arp' | 'bridge' | 'netdev'

/** Names a table: its family and its name (at most 255 bytes). */
export interface TableRef {
  readonly family: Family
  readonly name: string
}

/**
 * A table. `owner` (kernel 5.12): only the socket that made the table may change it, and it goes when that socket closes;
 * with `persist` (6.9) it stays as an orphan that the next owner adopts. `dormant`: its chains see no packets.
 */
export interface Table extends TableRef {
  readonly flags?: readonly TableFlag[]
  readonly comment?: string
}
export type TableFlag = 'dormant' | 'owner' | 'persist'

export type ChainType = 'filter' | 'route' | 'nat'
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress'

/** A chain; a base chain when it has `hook`, which then needs `type` and `priority` too. `policy` is accept by default. */
export interface Chain {
  readonly name: string
  readonly type?: ChainType
  readonly hook?: Hook
  readonly priority?: number
  readonly policy?: 'accept' | 'drop'
  /** The link of a netdev or ingress chain. */
  readonly device?: string
  readonly comment?: string
}

export type SetFlag = 'interval' | 'dynamic' | 'timeout' | 'constant'

/** A field of a key: text in nft's spelling, or a number. In interval sets also `a-b` and `address/length`. */
export type Scalar = string | number
/** A value: one field, or several: the fields of a concatenation, or flags of a bit field. */
export type Value = Scalar | readonly Scalar[]

/** A named set, or with `map` a named map. `type` with several names is a concatenation. `timeout` is in milliseconds. */
export interface NamedSet {
  readonly name: string
  readonly type: TypeName | readonly TypeName[]
  readonly flags?: readonly SetFlag[]
  /** Most elements; the kernel then sizes its hash table for it. */
  readonly size?: number
  readonly timeout?: number
  readonly map?: 'verdict' | TypeName | readonly TypeName[]
  readonly comment?: string
}

/** What becomes of a packet; `jump` and `goto` name a chain. Made by `accept`, `drop`, `jump('x')`, … */
export interface Verdict {
  readonly kind: 'verdict'
  readonly code: 'accept' | 'drop' | 'continue' | 'return' | 'jump' | 'goto'
  readonly chain?: string
}

/** An element of a set or map. `data` only in maps; `timeout` (milliseconds) only in sets with the flag. */
export interface Element {
  readonly key: Value
  readonly data?: Value | Verdict
  readonly comment?: string
  readonly timeout?: number
}

export interface Rule {
  readonly statements: readonly Statement[]
  readonly comment?: string
}

/** A whole table: what `Transaction.load` writes. */
export interface Ruleset {
  readonly table: Table
  readonly sets: readonly (NamedSet & { readonly elements?: readonly Element[] })[]
  readonly chains: readonly (Chain & { readonly rules: readonly Rule[] })[]
}

/** `inet filter`: a table as nft writes it. */
export function tableText(table: TableRef): string {
  return `${table.family} ${table.name}`
}
