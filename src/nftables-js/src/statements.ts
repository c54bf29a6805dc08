// Statements: what a rule is made of. Values only; compile.ts turns them into expressions. A statement that does not match
// ends its rule for the packet.
import type { Scalar, Value, Verdict } from './model.ts'
import type { Selector } from './selectors.ts'

export interface Match {
  readonly kind: 'match'
  readonly selector: Selector
  readonly negated: boolean
  readonly value: Value
}
export interface Range {
  readonly kind: 'range'
  readonly selector: Selector
  readonly negated: boolean
  readonly from: Scalar
  readonly to: Scalar
}
export interface Membership {
  readonly kind: 'membership'
  readonly selector: Selector
  readonly negated: boolean
  readonly values: readonly Value[]
}
export interface Lookup {
  readonly kind: 'lookup'
  readonly selector: Selector
  readonly negated: boolean
  readonly set: string
}
export interface Presence {
  readonly kind: 'presence'
  readonly selector: Selector
  readonly present: boolean
}
export interface VerdictMap {
  readonly kind: 'vmap'
  readonly selector: Selector
  readonly to: string | readonly (readonly [Value, Verdict])[]
}
export interface Counter {
  readonly kind: 'counter'
}
export interface LimitOptions {
  readonly rate: number
  readonly per: 'second' | 'minute' | 'hour' | 'day' | 'week'
  /** How much may come at once beyond the rate. Default 5 packets, or 0 bytes. */
  readonly burst?: number
  readonly unit?: 'packets' | 'bytes'
  /** Match what exceeds the rate instead of what keeps it. */
  readonly over?: boolean
}
export interface Limit extends LimitOptions {
  readonly kind: 'limit'
}
export interface Connlimit {
  readonly kind: 'connlimit'
  readonly count: number
  readonly over: boolean
}
export interface DynsetOptions {
  readonly op: 'add' | 'update' | 'delete'
  /** Name of a set with the flag `dynamic`. */
  readonly set: string
  readonly key: Selector
  /** Milliseconds; needs the flag `timeout`. */
  readonly timeout?: number
  /** What each element keeps for itself. */
  readonly statements?: readonly (Counter | Limit | Connlimit)[]
}
export interface Dynset extends DynsetOptions {
  readonly kind: 'dynset'
}
export type LogOptions =
  | { readonly group: number; readonly prefix?: string; readonly snaplen?: number; readonly queueThreshold?: number }
  | {
      readonly level: 'emerg' | 'alert' | 'crit' | 'err' | 'warn' | 'notice' | 'info' | 'debug' | 'audit'
      readonly prefix?: string
    }
export interface Log {
  readonly kind: 'log'
  readonly options: LogOptions
}
export type RejectOptions =
  | { readonly with: 'tcp reset' }
  | {
      readonly with: 'icmp'
      readonly code: 'net-unreachable' | 'host-unreachable' | 'prot-unreachable' | 'port-unreachable' | ProhibitedCode
    }
  | { readonly with: 'icmpv6'; readonly code: UnreachableCode }
  | { readonly with: 'icmpx'; readonly code: 'no-route' | 'port-unreachable' | 'host-unreachable' | 'admin-prohibited' }
type ProhibitedCode = 'net-prohibited' | 'host-prohibited' | 'admin-prohibited'
type UnreachableCode =
  | 'no-route'
  | 'admin-prohibited'
  | 'addr-unreachable'
  | 'port-unreachable'
  | 'policy-fail'
  | 'reject-route'
export interface Reject {
  readonly kind: 'reject'
  readonly options: RejectOptions
}
export interface SetField {
  readonly kind: 'set'
  readonly target: 'meta mark' | 'ct mark'
  readonly value: Scalar | Selector
}
export interface Notrack {
  readonly kind: 'notrack'
}

export type Statement =
  | Verdict
  | Match
  | Range
  | Membership
  | Lookup
  | Presence
  | VerdictMap
  | Counter
  | Limit
  | Connlimit
  | Dynset
  | Log
  | Reject
  | SetField
  | Notrack

/** `SELECTOR VALUE`. For a bit field any of the flags; for an address also `address/length`; for a name also `prefix*`. */
export const is = (selector: Selector, value: Value): Match => ({ kind: 'match', selector, negated: false, value })
/** `SELECTOR != VALUE`. A bit field is compared as a whole, as nft does. */
export const not = (selector: Selector, value: Value): Match => ({ kind: 'match', selector, negated: true, value })
/** `SELECTOR FROM-TO`, both included. */
export const range = (selector: Selector, from: Scalar, to: Scalar): Range => ({
  kind: 'range',
  selector,
  negated: false,
  from,
  to,
})
/** `SELECTOR != FROM-TO`. */
export const notRange = (selector: Selector, from: Scalar, to: Scalar): Range => ({
  kind: 'range',
  selector,
  negated: true,
  from,
  to,
})
/** `SELECTOR { … }`: an anonymous set. For a concatenation each value is a list. */
export const anyOf = (selector: Selector, values: readonly Value[]): Membership => ({
  kind: 'membership',
  selector,
  negated: false,
  values,
})
/** `SELECTOR != { … }`. */
export const noneOf = (selector: Selector, values: readonly Value[]): Membership => ({
  kind: 'membership',
  selector,
  negated: true,
  values,
})
/** `SELECTOR @SET`. */
export const inSet = (selector: Selector, set: string): Lookup => ({ kind: 'lookup', selector, negated: false, set })
/** `SELECTOR != @SET`. */
export const notInSet = (selector: Selector, set: string): Lookup => ({ kind: 'lookup', selector, negated: true, set })
/** `SELECTOR exists`, for exthdr and fib. */
export const exists = (selector: Selector): Presence => ({ kind: 'presence', selector, present: true })
/** `SELECTOR missing`, for exthdr and fib. */
export const missing = (selector: Selector): Presence => ({ kind: 'presence', selector, present: false })

/** The packet passes this base chain. */
export const accept: Verdict = { kind: 'verdict', code: 'accept' }
/** The packet ends here. */
export const drop: Verdict = { kind: 'verdict', code: 'drop' }
/** Back to the rule after the jump; in a base chain: the policy. */
export const return_: Verdict = { kind: 'verdict', code: 'return' }
/** On with the next rule (of use in verdict maps). */
export const continue_: Verdict = { kind: 'verdict', code: 'continue' }
/** Into another chain, and back at its end. */
export const jump = (chain: string): Verdict => ({ kind: 'verdict', code: 'jump', chain })
/** Into another chain without coming back. */
export const goto = (chain: string): Verdict => ({ kind: 'verdict', code: 'goto', chain })

/** `SELECTOR vmap { VALUE : VERDICT, … }`. */
export const vmap = (selector: Selector, pairs: readonly (readonly [Value, Verdict])[]): VerdictMap => ({
  kind: 'vmap',
  selector,
  to: pairs,
})
/** `SELECTOR vmap @MAP`. */
export const vmapSet = (selector: Selector, map: string): VerdictMap => ({ kind: 'vmap', selector, to: map })
/** Counts packets and bytes. */
export const counter = (): Counter => ({ kind: 'counter' })
/** `limit rate …`: matches while the rate is kept, or with `over` when it is exceeded. */
export const limit = (options: LimitOptions): Limit => ({ kind: 'limit', ...options })
/** `ct count [over] N`: how many connections the element (of a dynset) or the rule has. */
export const connlimit = (options: { readonly count: number; readonly over: boolean }): Connlimit => ({
  kind: 'connlimit',
  ...options,
})
/** `add|update|delete @SET { KEY … }` from the packet path. */
export const dynset = (options: DynsetOptions): Dynset => ({ kind: 'dynset', ...options })
/** `log …`: to a NFLOG group, or with `level` to the kernel's log. */
export const log = (options: LogOptions): Log => ({ kind: 'log', options })
/** `reject with …`: drops, and tells the sender. */
export const reject = (options: RejectOptions): Reject => ({ kind: 'reject', options })
/** `meta mark set VALUE`, or the value of another selector. */
export const setMeta = (key: 'mark', value: Scalar | Selector): SetField => ({
  kind: 'set',
  target: `meta ${key}`,
  value,
})
/** `ct mark set VALUE`, or the value of another selector. */
export const setCt = (key: 'mark', value: Scalar | Selector): SetField => ({ kind: 'set', target: `ct ${key}`, value })
/** No connection tracking for this packet (before priority -200). */
export const notrack: Notrack = { kind: 'notrack' }
