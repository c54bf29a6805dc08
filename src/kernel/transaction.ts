// Operations as nftables transactions: what stands together here reaches the packets at once.
import { type Element, type NamedSet, type Nftables, type Ruleset, Transaction } from 'nftables-js'
import type { Operation } from '../dataplane/diff.ts'
import type { ElementItem, Item, TableItem } from '../dataplane/item.ts'
import { elementSets, type SetName } from '../dataplane/sets.ts'

const TABLE = { family: 'inet', name: 'slash64' } as const

/** True for what only nftables knows. */
export function isNft(item: Item): item is TableItem | ElementItem {
  return item.kind === 'table' || item.kind === 'element'
}

/**
 * Groups operations by what is performed at once: tables and elements next to each other are one transaction, and with a new table comes every
 * element that is to be in it, so that a replaced table is never seen empty.
 */
export function steps(operations: readonly Operation[]): Operation[][] {
  const withTable = operations.some(({ verb, item }) => verb === 'add' && item.kind === 'table')
  const joins = ({ verb, item }: Operation): boolean => withTable && verb === 'add' && item.kind === 'element'
  const result: Operation[][] = []
  for (const operation of operations.filter(one => !joins(one))) {
    const last = result.at(-1)
    if (last?.[0] && isNft(last[0].item) && isNft(operation.item)) last.push(operation)
    else result.push([operation])
  }
  const home = result.find(step => step.some(({ verb, item }) => verb === 'add' && item.kind === 'table'))
  home?.push(...operations.filter(joins))
  return result
}

/** Performs one step of tables and elements in one transaction. Throws NetlinkError; then nothing changed. */
export function transact(nft: Nftables, step: readonly Operation[]): void {
  const transaction = new Transaction()
  const elements = { add: new Map<SetName, Element[]>(), remove: new Map<SetName, Element[]>() }
  for (const { verb, item } of step) {
    if (item.kind === 'table') replaceTable(nft, transaction, verb, item)
    else if (item.kind === 'element') collect(elements[verb], item)
  }
  // With a table that goes, or is replaced, its elements are gone.
  const emptied = step.some(({ item }) => item.kind === 'table' && item.family === TABLE.family)
  if (!emptied) for (const [set, gone] of elements.remove) transaction.destroyElements(TABLE, elementSets[set], gone)
  for (const [set, come] of elements.add) transaction.addElements(TABLE, elementSets[set], come)
  nft.commit(transaction)
}

/** A table that is there is adopted (its owner may have died), and then what is in it goes and comes in one transaction: no packet meets a gap. */
function replaceTable(nft: Nftables, transaction: Transaction, verb: Operation['verb'], item: TableItem): void {
  const ref = { family: item.family, name: item.name }
  const wanted = verb === 'add' ? item.ruleset : undefined
  if (nft.getTable(ref)) {
    // The kernel makes no base chain in a transaction that changes the table's owner (6.8, nf_tables_newchain: __NFT_TABLE_F_UPDATE).
    if (item.ruleset) nft.commit(new Transaction().addTable(item.ruleset.table))
    if (wanted) emptyTable(nft, transaction, wanted)
    else transaction.destroyTable(ref)
  }
  if (wanted) transaction.load(wanted)
}

/**
 * Takes everything out of a table but the sets that are to be in it, of which it takes the elements. A set with intervals must not be made anew with
 * the rules that look into it: packets meet the rules some 100 us before its elements (seen on 6.18), while one that stays changes at once.
 */
function emptyTable(nft: Nftables, transaction: Transaction, { table, sets }: Ruleset): void {
  const chains = nft.listChains(table)
  for (const { name } of chains) transaction.flushChain(table, name)
  for (const set of nft.listSets(table).filter(({ anonymous }) => !anonymous)) {
    const stays = sets.some(one => one.name === set.name && kindOf(one) === kindOf(set))
    if (stays) transaction.flushSet(table, set.name)
    else transaction.deleteSet(table, set.name)
  }
  for (const { name } of chains) transaction.deleteChain(table, name)
}

/** What cannot be changed about a set that is there. */
function kindOf({ type, map, flags = [], size, timeout }: NamedSet): string {
  return JSON.stringify([[type].flat(), [map].flat(), [...flags].sort(), size, timeout])
}

function collect(elements: Map<SetName, Element[]>, { set, key, comment }: ElementItem): void {
  const element = comment === undefined ? { key } : { key, comment }
  const list = elements.get(set)
  if (list) list.push(element)
  else elements.set(set, [element])
}
