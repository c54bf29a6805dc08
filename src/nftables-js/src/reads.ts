// Reading from the kernel: the dumps of a table's parts, and single elements. Payloads start at the family header.
import { tableOfChain } from './dumps.ts'
import { parseElements, type RawElement, writeBoundary } from './elements.ts'
import { increment } from './intervals.ts'
import { encodeKey, type Layout } from './layout.ts'
import * as messages from './messages.ts'
import { type Family, type TableRef, tableText, type Value } from './model.ts'
import { Batch, isNetlinkError, type NetlinkSocket, NLM_F_ACK, type Writer } from './netlink/index.ts'
import { ELEMENTS, familyHeader, MSG, RULE, SET } from './wire.ts'

function payloads(socket: NetlinkSocket, text: string, type: number, write: (writer: Writer) => void): Buffer[] {
  return socket.dump(text, type, write).map(({ payload }) => payload)
}

/** The tables of a family, or of all. */
export function dumpTables(socket: NetlinkSocket, family: Family | undefined): Buffer[] {
  return payloads(socket, 'list tables', MSG.getTable, w => (family ? messages.header(w, family) : familyHeader(w, 0)))
}

/** The kernel dumps the chains of a whole family. */
export function dumpChains(socket: NetlinkSocket, table: TableRef): Buffer[] {
  const all = payloads(socket, 'list chains', MSG.getChain, w => messages.header(w, table.family))
  return all.filter(payload => tableOfChain(payload) === table.name)
}

/** The sets or rules of a table, or the rules of one of its chains; none when there is no such table or chain. */
export function dumpParts(socket: NetlinkSocket, what: 'sets' | 'rules', table: TableRef, chain?: string): Buffer[] {
  const [type, attribute] = what === 'sets' ? [MSG.getSet, SET.table] : [MSG.getRule, RULE.table]
  try {
    return payloads(socket, `list ${what} of table ${tableText(table)}`, type, w => {
      messages.header(w, table.family)
      messages.name(w, attribute, table.name)
      if (chain !== undefined) messages.name(w, RULE.chain, chain)
    })
  } catch (error) {
    if (isNetlinkError(error, 'ENOENT')) return []
    throw error
  }
}

function elementHeader(writer: Writer, table: TableRef, set: string): void {
  messages.header(writer, table.family)
  messages.name(writer, ELEMENTS.table, table.name)
  messages.name(writer, ELEMENTS.set, set)
}

/** The elements of a set. Throws NetlinkError (ENOENT) when there is no such set. */
export function dumpElements(socket: NetlinkSocket, table: TableRef, set: string): Buffer[] {
  const text = `list elements of set ${tableText(table)} ${set}`
  return payloads(socket, text, MSG.getElement, w => elementHeader(w, table, set))
}

interface Asked {
  readonly key: Buffer
  readonly keyEnd?: Buffer
  readonly end?: boolean
}

/** What the kernel finds for a key; undefined for nothing. */
function getElement(
  socket: NetlinkSocket,
  table: TableRef,
  set: string,
  { key, keyEnd, end = false }: Asked,
): RawElement | undefined {
  const batch = new Batch(512).add(`get element ${tableText(table)} ${set}`, MSG.getElement, NLM_F_ACK, w => {
    elementHeader(w, table, set)
    w.nest(ELEMENTS.elements, list => writeBoundary(list, { key, end }, keyEnd))
  })
  try {
    return socket.request(batch).flatMap(({ payload }) => parseElements(payload))[0]
  } catch (error) {
    if (isNetlinkError(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Whether the set holds exactly this key (and not just an interval around it). Throws TypeError for a malformed one. */
export function holdsKey(socket: NetlinkSocket, table: TableRef, layout: Layout, key: Value): boolean {
  encodeKey(layout, key)
  const low = Buffer.from(layout.low)
  if (!layout.interval) return getElement(socket, table, layout.name, { key: low }) !== undefined
  const high = Buffer.from(layout.high)
  if (layout.concatenated) {
    const found = getElement(socket, table, layout.name, { key: low, keyEnd: high })
    return found?.key.equals(low) === true && (found.keyEnd ?? found.key).equals(high)
  }
  // Of a tree the kernel tells the boundaries around a key: the element is there if its own ones are the nearest.
  if (getElement(socket, table, layout.name, { key: low })?.key.equals(low) !== true) return false
  const end = getElement(socket, table, layout.name, { key: high, end: true })
  return increment(high) ? end?.key.equals(high) === true : end === undefined
}
