// The door to the kernel: one netlink socket that commits transactions and reads the ruleset back.
import { createHash } from 'node:crypto'
import { constants } from 'node:os'
import { toBatch } from './batch.ts'
import { describeTable, expressionsText, ruleText } from './describe.ts'
import {
  type ChainInfo,
  type RuleInfo,
  readChain,
  readRule,
  readSet,
  readTable,
  type SetInfo,
  type TableInfo,
} from './dumps.ts'
import { parseElements, readElements } from './elements.ts'
import { Overlay } from './emulation.ts'
import { layoutOf } from './layout.ts'
import { type Element, type Family, type NamedSet, type Rule, type TableRef, tableText } from './model.ts'
import { ChangeReader, type Monitor } from './monitor.ts'
import { type Batch, isNetlinkError, NetlinkError, NetlinkSocket, type SocketOptions } from './netlink/index.ts'
import { type Features, probe } from './probe.ts'
import { dumpChains, dumpElements, dumpParts, dumpTables, holdsKey } from './reads.ts'
import { Transaction } from './transaction.ts'
import { NFNLGRP_NFTABLES } from './wire.ts'

export interface OpenOptions extends SocketOptions {
  /** Emulate `destroyElements` whatever the kernel can. */
  readonly emulateDestroy?: boolean
}

const SEND_BUFFER = 64 << 20
const CHUNK = 5000

/**
 * nftables of the network namespace in which it was opened (see `inNamespace`). All methods are synchronous unless they
 * return a promise, and throw NetlinkError with the operation, errno and the kernel's own words. Needs CAP_NET_ADMIN.
 * A table with the flag `owner` can only be changed through the object that made or adopted it.
 */
export class Nftables implements Disposable {
  readonly #socket: NetlinkSocket
  readonly #events: NetlinkSocket
  readonly #emulate: boolean | undefined
  #features: Features | undefined
  #monitored = false

  private constructor(socket: NetlinkSocket, events: NetlinkSocket, emulate: boolean | undefined) {
    this.#socket = socket
    this.#events = events
    this.#emulate = emulate
  }

  /** Opens nftables in the current network namespace. Throws NetlinkError (EPROTONOSUPPORT without nf_tables). */
  static open({ emulateDestroy, ...options }: OpenOptions = {}): Nftables {
    const open = () => NetlinkSocket.open('netfilter', { sendBuffer: SEND_BUFFER, ...options })
    const socket = open()
    try {
      return new Nftables(socket, open(), emulateDestroy)
    } catch (error) {
      socket.close()
      throw error
    }
  }

  /** Netlink port id of the socket: the owner in `TableInfo.owner`, the sender in `Change.portId`. */
  get portId(): number {
    return this.#socket.portId
  }

  /** Sends a transaction; when it returns everything has taken effect. Throws when nothing has. */
  commit(transaction: Transaction): void {
    const batch = this.#batch(transaction)
    try {
      if (batch) this.#socket.request(batch)
    } catch (error) {
      throw explain(error, batch)
    }
  }

  /** The same on a thread, for loads that would hold up the event loop. Encoding is done when it returns. */
  async commitAsync(transaction: Transaction): Promise<void> {
    const batch = this.#batch(transaction)
    try {
      if (batch) await this.#socket.requestAsync(batch)
    } catch (error) {
      throw explain(error, batch)
    }
  }

  /** Adds many elements in transactions of `chunk` (5,000), each on a thread. Those before a failed one stay. */
  async loadElements(
    table: TableRef,
    set: NamedSet,
    elements: readonly Element[],
    { chunk = CHUNK }: { readonly chunk?: number } = {},
  ): Promise<void> {
    for (let from = 0; from < elements.length; from += chunk) {
      await this.commitAsync(new Transaction().addElements(table, set, elements.slice(from, from + chunk)))
    }
  }

  /** The tables of one family or of all, in the order in which they were made. */
  listTables(family?: Family): TableInfo[] {
    return dumpTables(this.#socket, family).flatMap(payload => readTable(payload) ?? [])
  }

  /** The table, or undefined. */
  getTable(table: TableRef): TableInfo | undefined {
    return this.listTables(table.family).find(({ name }) => name === table.name)
  }

  /** The chains of a table. An absent table has none. */
  listChains(table: TableRef): ChainInfo[] {
    return dumpChains(this.#socket, table).map(readChain)
  }

  /** The sets and maps of a table, anonymous ones included. An absent table has none. */
  listSets(table: TableRef): SetInfo[] {
    return dumpParts(this.#socket, 'sets', table).map(readSet)
  }

  /** The rules of a table, chain by chain and in order, or those of one chain. An absent table or chain has none. */
  listRules(table: TableRef, chain?: string): RuleInfo[] {
    return dumpParts(this.#socket, 'rules', table, chain).map(readRule)
  }

  /**
   * The first rule of a chain that says the same in the same instructions, whoever wrote it; undefined when there is none. Counts and comments do not
   * matter, but whether it counts does. Throws TypeError for a rule with a dynset or a `{ … }` of its own.
   */
  findRule(table: TableRef, chain: string, rule: Rule): RuleInfo | undefined {
    const wanted = ruleText(table.family, rule)
    return this.listRules(table, chain).find(({ expressions }) => expressionsText(expressions, new Map()) === wanted)
  }

  /** The elements of a set, in no order (those of interval sets are sorted). Throws ENOENT when there is no such set. */
  listElements(table: TableRef, set: NamedSet): Element[] {
    return readElements(layoutOf(set), dumpElements(this.#socket, table, set.name).flatMap(parseElements))
  }

  /** Whether the set holds exactly this element; false as well when there is no such set. Reads no other element. */
  hasElement(table: TableRef, set: NamedSet, element: Element): boolean {
    return holdsKey(this.#socket, table, layoutOf(set), element.key)
  }

  /**
   * One line for each chain, set and rule of a table in a canonical form: the same as long as nobody changes them, and for
   * two tables that were written alike. Elements of named sets, counters, handles and comments do not count. Throws ENOENT
   * without the table.
   */
  describe(ref: TableRef): string[] {
    const table = this.getTable(ref)
    if (!table) throw new NetlinkError(`describe table ${tableText(ref)}`, constants.errno.ENOENT)
    const sets = dumpParts(this.#socket, 'sets', ref).map(payload => {
      const info = readSet(payload)
      return { info, payload, elements: info.anonymous ? dumpElements(this.#socket, ref, info.name) : [] }
    })
    const chains = dumpChains(this.#socket, ref)
    return describeTable({ table, chains, sets, rules: dumpParts(this.#socket, 'rules', ref) })
  }

  /** SHA-256 of what `describe` says, in hexadecimal. */
  fingerprint(ref: TableRef): string {
    return createHash('sha256').update(this.describe(ref).join('\n')).digest('hex')
  }

  /**
   * Calls `change` after every transaction in the namespace, one's own included, until `close`. It keeps the process alive.
   * Throws when called twice.
   */
  monitor(monitor: Monitor): void {
    if (this.#monitored) throw new Error('this Nftables has a monitor already: open another one')
    this.#monitored = true
    const reader = new ChangeReader()
    this.#events.subscribe([NFNLGRP_NFTABLES], {
      message: message => {
        const change = reader.read(message)
        if (change) monitor.change(change)
      },
      overflow: () => {
        reader.reset()
        monitor.overflow()
      },
    })
  }

  /** What the kernel can do; asked on the first call, which then takes some 20 ms. */
  features(): Features {
    this.#features ??= probe(this.#socket)
    return this.#features
  }

  /** Closes the sockets. Tables that this object owns go, or with `persist` become orphans. */
  close(): void {
    this.#events.close()
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #batch(transaction: Transaction): Batch | undefined {
    const emulate = transaction.destroys && (this.#emulate ?? !this.features().destroyElement)
    const present = (table: TableRef, set: NamedSet, element: Element) => this.hasElement(table, set, element)
    return toBatch([transaction], emulate ? new Overlay(present) : undefined)
  }
}

/** A transaction that is larger than the send buffer never reaches the kernel's nftables: says what to do. */
function explain(error: unknown, batch: Batch | undefined): unknown {
  if (!isNetlinkError(error, 'EMSGSIZE')) return error
  const advice = 'larger than the send buffer: open with a larger sendBuffer, or use loadElements'
  return new NetlinkError(`send transaction of ${batch?.byteLength} bytes`, error.errno, advice)
}
