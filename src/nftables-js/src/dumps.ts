// What the kernel tells about tables, chains, sets and rules, as values.
import { dataTypeById, type TypeName } from './datatypes.ts'
import { verdictName } from './expressions.ts'
import { hookName } from './messages.ts'
import type { Chain, ChainType, Family, NamedSet, SetFlag, TableFlag, TableRef } from './model.ts'
import { attributeMap, parseAttributes, readString } from './netlink/index.ts'
import { readComment, USERDATA } from './userdata.ts'
import {
  CHAIN,
  COUNTER,
  DATA,
  DATA_TYPE_VERDICT,
  DESCRIPTION,
  EXPRESSION,
  FAMILY,
  HOOK,
  RULE,
  SET,
  SET_FLAG,
  TABLE,
  TABLE_FLAG,
  VERDICT,
} from './wire.ts'

/** A table as the kernel has it. `owner` is the netlink port id of the socket that owns it. */
export interface TableInfo extends TableRef {
  readonly flags: readonly TableFlag[]
  readonly owner?: number
  readonly comment?: string
  readonly handle: bigint
}
export interface ChainInfo extends Chain {
  readonly handle: bigint
}
/** A set as the kernel has it. `known`: all its types are types of this package, so its elements can be listed. */
export interface SetInfo extends NamedSet {
  readonly handle: bigint
  readonly anonymous: boolean
  readonly known: boolean
}
/**
 * A rule as the kernel has it. `counter` sums up its counter statements; `expressions` are the raw attributes. `always`: what becomes of every packet
 * that reaches it (the `reject` of iptables-nft included); absent for a rule that looks at the packet first, or sends it on.
 */
export interface RuleInfo {
  readonly chain: string
  readonly handle: bigint
  readonly comment?: string
  readonly counter?: { readonly packets: number; readonly bytes: number }
  readonly always?: 'accept' | 'drop' | 'reject'
  readonly expressions: Buffer
}

const HEADER = 4
const families = new Map<number, Family>(Object.entries(FAMILY).map(([name, number]) => [number, name as Family]))

type Attributes = ReadonlyMap<number, Buffer>
const u32 = (attributes: Attributes, type: number): number | undefined => attributes.get(type)?.readUInt32BE(0)
const u64 = (attributes: Attributes, type: number): bigint => attributes.get(type)?.readBigUInt64BE(0) ?? 0n
const text = (attributes: Attributes, type: number): string | undefined => {
  const value = attributes.get(type)
  return value && readString(value)
}

/** The names of the bits that are set. */
function flagNames<N extends string>(flags: Readonly<Record<N, number>>, bits: number): N[] {
  return (Object.keys(flags) as N[]).filter(name => (bits & flags[name]) !== 0)
}

/** The family in a message's family header; undefined for one that nft does not name. */
export function readFamily(payload: Buffer): Family | undefined {
  return families.get(payload[0] ?? 0)
}

/** A dumped table; undefined for a family that nft does not name. `payload` starts at the family header, here and below. */
export function readTable(payload: Buffer): TableInfo | undefined {
  const family = readFamily(payload)
  const attributes = attributeMap(payload, HEADER)
  if (!family) return undefined
  const owner = u32(attributes, TABLE.owner)
  const comment = readComment(attributes.get(TABLE.userdata))
  return {
    family,
    name: text(attributes, TABLE.name) ?? '',
    flags: flagNames(TABLE_FLAG, u32(attributes, TABLE.flags) ?? 0),
    ...(owner !== undefined && { owner }),
    ...(comment !== undefined && { comment }),
    handle: u64(attributes, TABLE.handle),
  }
}

/** The name of the table that a dumped chain belongs to. */
export function tableOfChain(payload: Buffer): string {
  return text(attributeMap(payload, HEADER), CHAIN.table) ?? ''
}

function readHook(family: Family, attributes: Attributes): Partial<Chain> {
  const nested = attributes.get(CHAIN.hook)
  if (!nested) return {}
  const hook = attributeMap(nested)
  const name = hookName(family, u32(hook, HOOK.number) ?? 0)
  const device = text(hook, HOOK.device)
  return {
    ...(name && { hook: name }),
    type: (text(attributes, CHAIN.type) ?? 'filter') as ChainType,
    priority: hook.get(HOOK.priority)?.readInt32BE(0) ?? 0,
    policy: u32(attributes, CHAIN.policy) === 0 ? 'drop' : 'accept',
    ...(device !== undefined && { device }),
  }
}

/** A dumped chain. */
export function readChain(payload: Buffer): ChainInfo {
  const attributes = attributeMap(payload, HEADER)
  const comment = readComment(attributes.get(CHAIN.userdata))
  return {
    name: text(attributes, CHAIN.name) ?? '',
    ...readHook(readFamily(payload) ?? 'inet', attributes),
    ...(comment !== undefined && { comment }),
    handle: u64(attributes, CHAIN.handle),
  }
}

/** The types behind nft's number for a key (6 bits each). A type that this package does not have is undefined. */
function typeNames(id: number): (TypeName | undefined)[] {
  const names: (TypeName | undefined)[] = []
  for (let rest = id; rest > 0; rest = Math.floor(rest / 64)) names.unshift(dataTypeById(rest % 64)?.name as TypeName)
  return names
}

function typeOf(names: readonly (TypeName | undefined)[]): TypeName | TypeName[] {
  const known = names.filter(name => name !== undefined)
  return known.length === 1 && known[0] ? known[0] : known
}

const setFlags = {
  interval: SET_FLAG.interval,
  dynamic: SET_FLAG.dynamic,
  timeout: SET_FLAG.timeout,
  constant: SET_FLAG.constant,
}

/** A dumped set or map, anonymous or named, without its elements. */
export function readSet(payload: Buffer): SetInfo {
  const attributes = attributeMap(payload, HEADER)
  const bits = u32(attributes, SET.flags) ?? 0
  const key = typeNames(u32(attributes, SET.keyType) ?? 0)
  const dataType = u32(attributes, SET.dataType)
  const data = dataType === undefined || dataType === DATA_TYPE_VERDICT ? [] : typeNames(dataType)
  const description = attributes.get(SET.description)
  const size = description && u32(attributeMap(description), DESCRIPTION.size)
  const comment = readComment(attributes.get(SET.userdata), USERDATA.setComment)
  const flags = flagNames<SetFlag>(setFlags, bits)
  const timeout = Number(u64(attributes, SET.timeout))
  return {
    name: text(attributes, SET.name) ?? '',
    type: typeOf(key),
    ...(flags.length > 0 && { flags }),
    ...(size !== undefined && { size }),
    ...(timeout > 0 && { timeout }),
    ...(dataType !== undefined && { map: dataType === DATA_TYPE_VERDICT ? 'verdict' : typeOf(data) }),
    ...(comment !== undefined && { comment }),
    handle: u64(attributes, SET.handle),
    anonymous: (bits & SET_FLAG.anonymous) !== 0,
    known: key.length > 0 && [...key, ...data].every(name => name !== undefined),
  }
}

/** The expressions of a rule's list: name and data of each. */
export function readExpressions(list: Buffer): { name: string; data: Buffer }[] {
  return parseAttributes(list).map(({ value }) => {
    const attributes = attributeMap(value)
    return { name: text(attributes, EXPRESSION.name) ?? '', data: attributes.get(EXPRESSION.data) ?? Buffer.alloc(0) }
  })
}

function readCounter(list: Buffer): RuleInfo['counter'] {
  const counters = readExpressions(list)
    .filter(({ name }) => name === 'counter')
    .map(({ data }) => attributeMap(data))
  if (counters.length === 0) return undefined
  const sum = (type: number): number => Number(counters.reduce((all, attributes) => all + u64(attributes, type), 0n))
  return { packets: sum(COUNTER.packets), bytes: sum(COUNTER.bytes) }
}

const TARGET_NAME = 1
const IMMEDIATE_DATA = 2
/** Expressions that let every packet go on to the next one. */
const passive = new Set(['counter', 'log'])

function readAlways(list: Buffer): RuleInfo['always'] {
  const [end, ...more] = readExpressions(list).filter(({ name }) => !passive.has(name))
  if (!end || more.length > 0) return undefined
  const attributes = attributeMap(end.data)
  if (end.name === 'reject') return 'reject'
  if (end.name === 'target') return text(attributes, TARGET_NAME) === 'REJECT' ? 'reject' : undefined
  const data = end.name === 'immediate' ? attributes.get(IMMEDIATE_DATA) : undefined
  const verdict = data && attributeMap(data).get(DATA.verdict)
  const code = verdict && attributeMap(verdict).get(VERDICT.code)?.readInt32BE(0)
  const name = code === undefined ? undefined : verdictName(code)
  return name === 'accept' || name === 'drop' ? name : undefined
}

/** A dumped rule. */
export function readRule(payload: Buffer): RuleInfo {
  const attributes = attributeMap(payload, HEADER)
  const expressions = attributes.get(RULE.expressions) ?? Buffer.alloc(0)
  const comment = readComment(attributes.get(RULE.userdata))
  const counter = readCounter(expressions)
  const always = readAlways(expressions)
  return {
    chain: text(attributes, RULE.chain) ?? '',
    handle: u64(attributes, RULE.handle),
    ...(comment !== undefined && { comment }),
    ...(counter && { counter }),
    ...(always && { always }),
    expressions,
  }
}
