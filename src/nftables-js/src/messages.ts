// nf_tables messages: one function for each kind, writing family header and attributes (linux/netfilter/nf_tables.h).

import type { AnonymousSet } from './anonymous.ts'
import type { CompiledRule } from './compile.ts'
import { writeBoundary } from './elements.ts'
import { ANONYMOUS_MAP, ANONYMOUS_SET, type SetIds, writeExpressions } from './expressions.ts'
import { type Fields, layoutOf, typeId } from './layout.ts'
import type { Chain, Family, Hook, NamedSet, Rule, Table, TableRef } from './model.ts'
import type { Writer } from './netlink/index.ts'
import { commentRecord, numberRecord, USERDATA } from './userdata.ts'
import {
  CHAIN,
  DATA_TYPE_VERDICT,
  DESCRIPTION,
  ELEMENTS,
  FAMILY,
  FIELD_LENGTH,
  familyHeader,
  HOOK,
  LIST_ITEM,
  RULE,
  SET,
  SET_FLAG,
  TABLE,
  TABLE_FLAG,
} from './wire.ts'

const MAX_NAME = 255
const userdataOrders = { host: 1, big: 2 } as const

/** The family header of a message about `table`. Throws TypeError for an unknown family. */
export function header(writer: Writer, family: Family): void {
  const number = FAMILY[family]
  if (number === undefined)
    throw new TypeError(`unknown family '${family}': write one of ${Object.keys(FAMILY).join(', ')}`)
  familyHeader(writer, number)
}

/** A name attribute. Throws TypeError for a name that the kernel would cut or refuse. */
export function name(writer: Writer, type: number, value: string): void {
  if (value === '' || value.includes('\0') || Buffer.byteLength(value) > MAX_NAME) {
    throw new TypeError(`name ${JSON.stringify(value)}: write 1 to ${MAX_NAME} bytes without a NUL`)
  }
  writer.string(type, value)
}

/** NEWTABLE. `userdata` came with kernel 5.10. */
export function table(writer: Writer, { family, name: called, flags = [], comment }: Table): void {
  header(writer, family)
  name(writer, TABLE.name, called)
  writer.be32(
    TABLE.flags,
    flags.reduce((all, flag) => all | TABLE_FLAG[flag], 0),
  )
  if (comment !== undefined) writer.bytesAttribute(TABLE.userdata, commentRecord(USERDATA.comment, comment))
}

const inetHooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4, ingress: 5 } as const
const arpHooks = { input: 0, output: 1, forward: 2 } as const
const netdevHooks = { ingress: 0, egress: 1 } as const

function hookNumber(family: Family, hook: Hook): number {
  const hooks: Partial<Record<Hook, number>> =
    family === 'arp' ? arpHooks : family === 'netdev' ? netdevHooks : inetHooks
  const number = hooks[hook]
  if (number !== undefined) return number
  throw new TypeError(`family ${family} has no hook '${hook}': write one of ${Object.keys(hooks).join(', ')}`)
}

/** The hook called so in `family`, by its number. */
export function hookName(family: Family, number: number): Hook | undefined {
  const hooks = family === 'arp' ? arpHooks : family === 'netdev' ? netdevHooks : inetHooks
  return Object.entries(hooks).find(([, value]) => value === number)?.[0] as Hook | undefined
}

/** NEWCHAIN. Throws TypeError for a base chain without type or priority, or with a hook that the family lacks. */
export function chain(writer: Writer, { family, name: owner }: TableRef, value: Chain): void {
  const { hook, type, priority, policy, device, comment } = value
  header(writer, family)
  name(writer, CHAIN.table, owner)
  name(writer, CHAIN.name, value.name)
  if (hook !== undefined) {
    if (type === undefined || priority === undefined) {
      throw new TypeError(
        `chain ${value.name} has hook ${hook}: give it type ('filter', …) and priority (a number) too`,
      )
    }
    writer.nest(CHAIN.hook, nested => {
      nested.be32(HOOK.number, hookNumber(family, hook)).be32(HOOK.priority, priority)
      if (device !== undefined) nested.string(HOOK.device, device)
    })
    writer.be32(CHAIN.policy, policy === 'drop' ? 0 : 1).string(CHAIN.type, type)
  } else if (type !== undefined || priority !== undefined || policy !== undefined) {
    throw new TypeError(`chain ${value.name} has type, priority or policy but no hook: only base chains have them`)
  }
  if (comment !== undefined) writer.bytesAttribute(CHAIN.userdata, commentRecord(USERDATA.comment, comment))
}

function describe(writer: Writer, fields: Fields, size: number | undefined, interval: boolean): void {
  const concat = interval && fields.concatenated
  if (size === undefined && !concat) return
  writer.nest(SET.description, nested => {
    if (size !== undefined) nested.be32(DESCRIPTION.size, size)
    if (!concat) return
    nested.nest(DESCRIPTION.concat, list => {
      for (const type of fields.types) list.nest(LIST_ITEM, item => item.be32(FIELD_LENGTH, type.length))
    })
  })
}

/** The byte order that nft notes for a key: of a concatenation none, each type has its own. */
function byteOrder({ types: [only], concatenated }: Fields): number {
  return concatenated || !only ? 0 : userdataOrders[only.order]
}

function setFlags(set: NamedSet, concat: boolean): number {
  let flags = (set.flags ?? []).reduce((all, flag) => all | SET_FLAG[flag], 0)
  if (set.timeout !== undefined) flags |= SET_FLAG.timeout
  if (set.map !== undefined) flags |= SET_FLAG.map
  return concat ? flags | SET_FLAG.concat : flags
}

/** NEWSET. `id` numbers the set within its batch. */
export function set(writer: Writer, { family, name: owner }: TableRef, value: NamedSet, id: number): void {
  const layout = layoutOf(value)
  header(writer, family)
  name(writer, SET.table, owner)
  name(writer, SET.name, value.name)
  writer
    .be32(SET.flags, setFlags(value, layout.interval && layout.concatenated))
    .be32(SET.keyType, typeId(layout))
    .be32(SET.keyLength, layout.length)
  if (layout.data === 'verdict') writer.be32(SET.dataType, DATA_TYPE_VERDICT)
  else if (layout.data) writer.be32(SET.dataType, typeId(layout.data)).be32(SET.dataLength, layout.data.length)
  writer.be32(SET.id, id)
  describe(writer, layout, value.size, layout.interval)
  if (value.timeout !== undefined) writer.be64(SET.timeout, BigInt(value.timeout))
  const records = [numberRecord(USERDATA.setKeyByteOrder, byteOrder(layout))]
  if (layout.data !== undefined) {
    const order = layout.data === 'verdict' ? 0 : byteOrder(layout.data)
    records.push(numberRecord(USERDATA.setDataByteOrder, order))
  }
  if (value.comment !== undefined) records.push(commentRecord(USERDATA.setComment, value.comment))
  writer.bytesAttribute(SET.userdata, Buffer.concat(records))
}

/** What the kernel makes a name from. */
const anonymousName = (value: AnonymousSet): string => (value.map ? ANONYMOUS_MAP : ANONYMOUS_SET)

/** NEWSET for the `{ … }` of a rule; the kernel fills in the number of its name. */
export function anonymousSet(writer: Writer, { family, name: owner }: TableRef, value: AnonymousSet, id: number): void {
  const { layout, items, map } = value
  const concat = layout.interval && layout.concatenated
  header(writer, family)
  name(writer, SET.table, owner)
  writer
    .string(SET.name, anonymousName(value))
    .be32(
      SET.flags,
      SET_FLAG.anonymous |
        SET_FLAG.constant |
        (layout.interval ? SET_FLAG.interval : 0) |
        (map ? SET_FLAG.map : 0) |
        (concat ? SET_FLAG.concat : 0),
    )
    .be32(SET.keyType, typeId(layout))
    .be32(SET.keyLength, layout.length)
  if (map) writer.be32(SET.dataType, DATA_TYPE_VERDICT)
  writer.be32(SET.id, id)
  describe(writer, layout, items.length, layout.interval)
  writer.bytesAttribute(SET.userdata, numberRecord(USERDATA.setKeyByteOrder, byteOrder(layout)))
}

/** NEWSETELEM for it. */
export function anonymousElements(
  writer: Writer,
  { family, name: owner }: TableRef,
  value: AnonymousSet,
  id: number,
): void {
  header(writer, family)
  writer.string(ELEMENTS.table, owner).string(ELEMENTS.set, anonymousName(value)).be32(ELEMENTS.setId, id)
  writer.nest(ELEMENTS.elements, list => {
    for (const { boundary, keyEnd } of value.items) writeBoundary(list, boundary, keyEnd)
  })
}

/** NEWRULE. */
export function rule(
  writer: Writer,
  { family, name: owner }: TableRef,
  chainName: string,
  { comment }: Rule,
  { expressions }: CompiledRule,
  ids: SetIds,
): void {
  header(writer, family)
  name(writer, RULE.table, owner)
  name(writer, RULE.chain, chainName)
  writeExpressions(writer, RULE.expressions, expressions, ids)
  if (comment !== undefined) writer.bytesAttribute(RULE.userdata, commentRecord(USERDATA.comment, comment))
}
