// Transactions: changes in order, sent as one batch that takes effect as a whole or not at all.
import { type CompiledRule, compileRule } from './compile.ts'
import { elementBound, writeElement } from './elements.ts'
import { layoutOf } from './layout.ts'
import * as messages from './messages.ts'
import {
  type Chain,
  type Element,
  type NamedSet,
  type Rule,
  type Ruleset,
  type Table,
  type TableRef,
  tableText,
} from './model.ts'
import { NLM_F_APPEND, NLM_F_CREATE, type Writer } from './netlink/index.ts'
import { CHAIN, ELEMENTS, MSG, RULE, SET, TABLE } from './wire.ts'

/** Knows which elements there will be at each point of a transaction, for kernels that cannot destroy them. */
export interface Emulation {
  present(table: TableRef, set: NamedSet, element: Element): boolean
  note(table: TableRef, set: NamedSet, element: Element, present: boolean): void
  /** All elements of a set, or of a table, are gone. */
  clear(table: TableRef, set?: string): void
}

/** Where a transaction's messages go. `emulation`: set where the kernel has no NFT_MSG_DESTROYSETELEM (before 6.3). */
export interface Sink {
  message(operation: string, type: number, flags: number, write: (writer: Writer) => void): void
  nextSetId(): number
  readonly emulation: Emulation | undefined
}

type Operation = (sink: Sink) => void

/** Room for elements in one message: a netlink attribute holds 65,535 bytes. */
const ELEMENT_BYTES = 65_000

/**
 * Changes that take effect together. Nothing happens before `Nftables.commit`; rules are compiled, and their values
 * checked, when they are added; elements when they are sent. Adding what exists already changes nothing (elements, tables,
 * sets, chains of the same kind); `delete…` of what is absent fails the transaction, `destroy…` does not. Add a rule
 * twice and it is there twice.
 */
export class Transaction {
  readonly #operations: Operation[] = []
  #destroys = false

  /** Number of steps; 0 means that there is nothing to commit. */
  get size(): number {
    return this.#operations.length
  }

  /** Whether it destroys elements, which older kernels cannot. */
  get destroys(): boolean {
    return this.#destroys
  }

  /** Appends the messages of all operations to `sink`. */
  write(sink: Sink): void {
    for (const operation of this.#operations) operation(sink)
  }

  #one(operation: string, type: number, flags: number, write: (writer: Writer) => void): this {
    this.#operations.push(sink => sink.message(operation, type, flags, write))
    return this
  }

  /**
   * Makes the table. One that is there gets the `dormant` flag as given; an orphan with `persist` is adopted when the flags
   * are the same (other flags: EOPNOTSUPP).
   */
  addTable(table: Table): this {
    return this.#one(`add table ${tableText(table)}`, MSG.newTable, NLM_F_CREATE, w => messages.table(w, table))
  }

  /** Deletes the table and all that is in it. */
  deleteTable(table: TableRef): this {
    this.#operations.push(sink => sink.emulation?.clear(table))
    return this.#one(`delete table ${tableText(table)}`, MSG.deleteTable, 0, w => {
      messages.header(w, table.family)
      messages.name(w, TABLE.name, table.name)
    })
  }

  /** The same, absent or not: the table is first made, which every kernel can. */
  destroyTable(table: TableRef): this {
    this.#one(`destroy table ${tableText(table)}`, MSG.newTable, NLM_F_CREATE, w => {
      messages.header(w, table.family)
      messages.name(w, TABLE.name, table.name)
    })
    return this.deleteTable(table)
  }

  /** Makes a chain, or changes the policy of a base chain. */
  addChain(table: TableRef, chain: Chain): this {
    const text = `add chain ${tableText(table)} ${chain.name}`
    return this.#one(text, MSG.newChain, NLM_F_CREATE, w => messages.chain(w, table, chain))
  }

  /** Deletes the rules of a chain. */
  flushChain(table: TableRef, chain: string): this {
    return this.#one(`flush chain ${tableText(table)} ${chain}`, MSG.deleteRule, 0, w => {
      messages.header(w, table.family)
      messages.name(w, RULE.table, table.name)
      messages.name(w, RULE.chain, chain)
    })
  }

  /** Deletes a chain, which must be empty and named by no rule or element. */
  deleteChain(table: TableRef, chain: string): this {
    return this.#one(`delete chain ${tableText(table)} ${chain}`, MSG.deleteChain, 0, w => {
      messages.header(w, table.family)
      messages.name(w, CHAIN.table, table.name)
      messages.name(w, CHAIN.name, chain)
    })
  }

  /** Makes a set or a map. Throws TypeError or RangeError for types that it cannot have. */
  addSet(table: TableRef, set: NamedSet): this {
    layoutOf(set)
    const text = `add set ${tableText(table)} ${set.name}`
    this.#operations.push(sink => {
      const id = sink.nextSetId()
      sink.message(text, MSG.newSet, NLM_F_CREATE, w => messages.set(w, table, set, id))
    })
    return this
  }

  /** Deletes a set that no rule uses. */
  deleteSet(table: TableRef, set: string): this {
    this.#operations.push(sink => sink.emulation?.clear(table, set))
    return this.#one(`delete set ${tableText(table)} ${set}`, MSG.deleteSet, 0, w => {
      messages.header(w, table.family)
      messages.name(w, SET.table, table.name)
      messages.name(w, SET.name, set)
    })
  }

  /** Deletes the elements of a set. */
  flushSet(table: TableRef, set: string): this {
    this.#operations.push(sink => sink.emulation?.clear(table, set))
    return this.#one(`flush set ${tableText(table)} ${set}`, MSG.deleteElement, 0, w => {
      messages.header(w, table.family)
      messages.name(w, ELEMENTS.table, table.name)
      messages.name(w, ELEMENTS.set, set)
    })
  }

  /** Appends a rule to a chain. Throws TypeError or RangeError when a statement cannot be. */
  addRule(table: TableRef, chain: string, rule: Rule): this {
    return this.#rule('add', NLM_F_APPEND, table, chain, rule)
  }

  /** The same at the head of the chain. */
  insertRule(table: TableRef, chain: string, rule: Rule): this {
    return this.#rule('insert', 0, table, chain, rule)
  }

  /** Deletes the rule with the handle (see `Nftables.listRules`). */
  deleteRule(table: TableRef, chain: string, handle: bigint): this {
    return this.#one(`delete rule ${tableText(table)} ${chain} handle ${handle}`, MSG.deleteRule, 0, w => {
      messages.header(w, table.family)
      messages.name(w, RULE.table, table.name)
      messages.name(w, RULE.chain, chain)
      w.be64(RULE.handle, handle)
    })
  }

  /** Adds elements; those that are there stay (a map's with other data fail the transaction with EEXIST). */
  addElements(table: TableRef, set: NamedSet, elements: readonly Element[]): this {
    return this.#elements('add', MSG.newElement, NLM_F_CREATE, table, set, elements)
  }

  /** Deletes elements; an absent one fails the transaction with ENOENT. */
  deleteElements(table: TableRef, set: NamedSet, elements: readonly Element[]): this {
    return this.#elements('delete', MSG.deleteElement, 0, table, set, elements)
  }

  /** Deletes those of the elements that are there. */
  destroyElements(table: TableRef, set: NamedSet, elements: readonly Element[]): this {
    layoutOf(set)
    this.#destroys = true
    this.#operations.push(sink => {
      const there = sink.emulation ? takePresent(sink.emulation, table, set, elements) : elements
      const type = sink.emulation ? MSG.deleteElement : MSG.destroyElement
      writeElements(sink, 'destroy', type, 0, table, set, there)
    })
    return this
  }

  /** A whole table in the order in which its parts need each other. */
  load({ table, sets, chains }: Ruleset): this {
    this.addTable(table)
    for (const set of sets) {
      this.addSet(table, set)
      if (set.elements?.length && set.map !== 'verdict') this.addElements(table, set, set.elements)
    }
    for (const chain of chains) this.addChain(table, chain)
    for (const set of sets)
      if (set.elements?.length && set.map === 'verdict') this.addElements(table, set, set.elements)
    for (const { name, rules } of chains) for (const rule of rules) this.addRule(table, name, rule)
    return this
  }

  #rule(verb: string, where: number, table: TableRef, chain: string, rule: Rule): this {
    const compiled = compileRule(table.family, rule)
    const comment = rule.comment === undefined ? '' : ` "${rule.comment}"`
    const text = `${verb} rule ${tableText(table)} ${chain}${comment}`
    this.#operations.push(sink => writeRule(sink, { text, where, table, chain, rule, compiled }))
    return this
  }

  #elements(
    verb: string,
    type: number,
    flags: number,
    table: TableRef,
    set: NamedSet,
    elements: readonly Element[],
  ): this {
    layoutOf(set)
    this.#operations.push(sink => {
      for (const element of sink.emulation ? elements : []) sink.emulation?.note(table, set, element, verb === 'add')
      writeElements(sink, verb, type, flags, table, set, elements)
    })
    return this
  }
}

/** Those of the elements that are there, from now on noted as gone (so one listed twice is deleted once). */
function takePresent(emulation: Emulation, table: TableRef, set: NamedSet, elements: readonly Element[]): Element[] {
  return elements.filter(element => {
    const present = emulation.present(table, set, element)
    if (present) emulation.note(table, set, element, false)
    return present
  })
}

interface RuleMessage {
  readonly text: string
  /** NLM_F_APPEND for the end of the chain, 0 for its head. */
  readonly where: number
  readonly table: TableRef
  readonly chain: string
  readonly rule: Rule
  readonly compiled: CompiledRule
}

function writeRule(sink: Sink, { text, where, table, chain, rule, compiled }: RuleMessage): void {
  const ids = new Map<object, number>()
  for (const set of compiled.sets) {
    const id = sink.nextSetId()
    ids.set(set, id)
    sink.message(text, MSG.newSet, NLM_F_CREATE, w => messages.anonymousSet(w, table, set, id))
    sink.message(text, MSG.newElement, NLM_F_CREATE, w => messages.anonymousElements(w, table, set, id))
  }
  sink.message(text, MSG.newRule, NLM_F_CREATE | where, w =>
    messages.rule(w, table, chain, rule, compiled, set => ids.get(set) ?? 0),
  )
}

function writeElements(
  sink: Sink,
  verb: string,
  type: number,
  flags: number,
  table: TableRef,
  set: NamedSet,
  elements: readonly Element[],
): void {
  const layout = layoutOf(set)
  const step = Math.floor(ELEMENT_BYTES / elementBound(layout))
  const where = `${tableText(table)} ${set.name}`
  for (let from = 0; from < elements.length; from += step) {
    const to = Math.min(from + step, elements.length)
    const what =
      to - from === 1 ? `element ${where} ${JSON.stringify(elements[from]?.key)}` : `${to - from} elements ${where}`
    sink.message(`${verb} ${what}`, type, flags, writer => {
      messages.header(writer, table.family)
      writer.string(ELEMENTS.table, table.name).string(ELEMENTS.set, set.name)
      writer.nest(ELEMENTS.elements, list => {
        for (let index = from; index < to; index++) {
          const element = elements[index]
          if (element) writeElement(list, layout, element, verb === 'add')
        }
      })
    })
  }
}
