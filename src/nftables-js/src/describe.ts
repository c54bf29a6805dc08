// A table in a canonical form, to tell whether its rules are still what they were. What changes by itself (handles,
// counters, elements of named sets, names of anonymous sets) is left out, as are comments.
import { compileRule } from './compile.ts'
import { readExpressions, type SetInfo, type TableInfo } from './dumps.ts'
import { writeExpressions } from './expressions.ts'
import type { Family, Rule } from './model.ts'
import { attributeMap, parseAttributes, readString, Writer } from './netlink/index.ts'
import { CHAIN, DESCRIPTION, ELEMENT, ELEMENTS, EXPRESSION, HOOK, RULE, SET } from './wire.ts'

/** The dumps of one table: payloads from the family header on. */
export interface TableDump {
  readonly table: TableInfo
  readonly chains: readonly Buffer[]
  readonly sets: readonly { readonly info: SetInfo; readonly payload: Buffer; readonly elements: readonly Buffer[] }[]
  readonly rules: readonly Buffer[]
}

const HEADER = 4
const NESTED_EXPRESSION = 7
const NESTED_EXPRESSIONS = 10
const SET_NAME = 1
const QUOTA_CONSUMED = 4

/** Attributes in the order of their types as text: what the kernel means, not how it happened to write it. */
function attributesText(bytes: Buffer, types?: readonly number[], at = 0): string {
  return parseAttributes(bytes, at)
    .filter(({ type }) => !types || types.includes(type))
    .sort((a, b) => a.type - b.type)
    .map(({ type, value }) => `${type}=${value.toString('hex')}`)
    .join(',')
}

function elementsText(payloads: readonly Buffer[]): string {
  return payloads
    .flatMap(payload => parseAttributes(attributeMap(payload, HEADER).get(ELEMENTS.elements) ?? Buffer.alloc(0)))
    .map(({ value }) => attributesText(value, [ELEMENT.key, ELEMENT.keyEnd, ELEMENT.data, ELEMENT.flags]))
    .sort()
    .join(' ')
}

const definition = [SET.flags, SET.keyType, SET.keyLength, SET.dataType, SET.dataLength, SET.timeout]

/** The size of an anonymous set is left out: it says no more than the elements, and not every program gives one. */
function setText(payload: Buffer, anonymous: boolean): string {
  const description = attributeMap(payload, HEADER).get(SET.description) ?? Buffer.alloc(0)
  const described = anonymous ? [DESCRIPTION.concat] : [DESCRIPTION.size, DESCRIPTION.concat]
  return `${attributesText(payload, definition, HEADER)} ${attributesText(description, described)}`
}

/**
 * The expressions that refer to a set by name carry it in attribute 1; an anonymous one stands in with its content. An attribute of zeros is the same
 * as none: of some the kernel tells only what is not zero, of others it tells zero where nothing was said.
 */
function expressionText(name: string, data: Buffer, anonymous: ReadonlyMap<string, string>): string {
  if (name === 'counter' || name === 'last') return name
  const parts = parseAttributes(data)
    .filter(({ type, value }) => value.some(byte => byte !== 0) && (name !== 'quota' || type !== QUOTA_CONSUMED))
    .sort((a, b) => a.type - b.type)
    .map(({ type, value }) => {
      if ((name === 'lookup' || name === 'dynset') && type === SET_NAME) {
        return `set=${anonymous.get(readString(value)) ?? readString(value)}`
      }
      if (name === 'dynset' && type === NESTED_EXPRESSION) return `{${oneText(value, anonymous)}}`
      if (name === 'dynset' && type === NESTED_EXPRESSIONS) return `{${expressionsText(value, anonymous)}}`
      return `${type}=${value.toString('hex')}`
    })
  return `${name}(${parts.join(',')})`
}

function oneText(value: Buffer, anonymous: ReadonlyMap<string, string>): string {
  const attributes = attributeMap(value)
  const name = attributes.get(EXPRESSION.name)
  const data = attributes.get(EXPRESSION.data) ?? Buffer.alloc(0)
  return expressionText(name ? readString(name) : '', data, anonymous)
}

/** The expressions of a rule, `list` being the value of its NFTA_RULE_EXPRESSIONS. `anonymous`: what stands for the sets that have no name. */
export function expressionsText(list: Buffer, anonymous: ReadonlyMap<string, string>): string {
  return readExpressions(list)
    .map(({ name, data }) => expressionText(name, data, anonymous))
    .join(';')
}

function chainText(payload: Buffer): string {
  const attributes = attributeMap(payload, HEADER)
  const hook = attributes.get(CHAIN.hook)
  const base = hook ? attributesText(hook, [HOOK.number, HOOK.priority, HOOK.device]) : ''
  return `chain ${attributesText(payload, [CHAIN.name, CHAIN.policy, CHAIN.type], HEADER)} ${base}`
}

/** One line for each chain, set and rule of a table, in a canonical form and order. */
export function describeTable({ table, chains, sets, rules }: TableDump): string[] {
  const anonymous = new Map(
    sets
      .filter(({ info }) => info.anonymous)
      .map(({ info, payload, elements }) => [info.name, `{${setText(payload, true)} ${elementsText(elements)}}`]),
  )
  const byChain = new Map<string, string[]>()
  for (const payload of rules) {
    const attributes = attributeMap(payload, HEADER)
    const chain = readString(attributes.get(RULE.chain) ?? Buffer.alloc(0))
    const list = byChain.get(chain) ?? []
    list.push(`rule ${chain} ${expressionsText(attributes.get(RULE.expressions) ?? Buffer.alloc(0), anonymous)}`)
    byChain.set(chain, list)
  }
  const named = sets.filter(({ info }) => !info.anonymous)
  return [
    `table ${table.family}${table.flags.includes('dormant') ? ' dormant' : ''}`,
    ...chains.map(chainText).sort(),
    ...named.map(({ info, payload }) => `set ${info.name} ${setText(payload, false)}`).sort(),
    ...[...byChain].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, list]) => list),
  ]
}

/**
 * A rule in the form of `expressionsText`. Throws TypeError for what cannot be compared: a set without a name is one of its rule only, and of a dynset
 * with statements the kernel does not tell all.
 */
export function ruleText(family: Family, rule: Rule): string {
  const { sets, expressions } = compileRule(family, rule)
  if (sets.length > 0) throw new TypeError('a rule with a { … } of its own cannot be looked for: use a named set')
  if (rule.statements.some(({ kind }) => kind === 'dynset'))
    throw new TypeError('a rule with a dynset cannot be looked for')
  const writer = new Writer()
  writeExpressions(writer, RULE.expressions, expressions, () => 0)
  clearNested(writer.bytes)
  return expressionsText(attributeMap(writer.bytes).get(RULE.expressions) ?? Buffer.alloc(0), new Map())
}

const NLA_F_NESTED = 0x8000

/** The kernel's nf_tables takes NLA_F_NESTED, and sets it nowhere. */
function clearNested(bytes: Buffer): void {
  for (let at = 0; at + 4 <= bytes.length; at += (bytes.readUInt16LE(at) + 3) & ~3) {
    const type = bytes.readUInt16LE(at + 2)
    if ((type & NLA_F_NESTED) === 0) continue
    bytes.writeUInt16LE(type & ~NLA_F_NESTED, at + 2)
    clearNested(bytes.subarray(at + 4, at + bytes.readUInt16LE(at)))
  }
}
