// The door to the kernel: one netlink socket that commits transactions and reads the ruleset back.
import { type ChainInfo, type RuleInfo, readChain, readRule, readSet, readTable, type SetInfo, type TableInfo, tableOfChain } from './dumps.ts'
import { parseElements, readElements, writeElement } from './elements.ts'
import { Overlay } from './emulation.ts'
import { fingerprintTable } from './fingerprint.ts'
import { layoutOf } from './layout.ts'
import * as messages from './messages.ts'
import { type Element, type Family, type NamedSet, type TableRef, tableText } from './model.ts'
import { ChangeReader, type Monitor } from './monitor.ts'
import { Batch, isNetlinkError, type Message, NetlinkSocket, NLM_F_ACK, NLM_F_CREATE, type SocketOptions, type Writer } from './netlink/index.ts'
import { type Emulation, type Sink, Transaction } from './transaction.ts'
import {
  CHAIN,
  ELEMENTS,
  familyHeader,
  MSG,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFNLGRP_NFTABLES,
  RULE,
  SET,
  TABLE,
} from './wire.ts'

/** What this kernel can do beyond 5.15. */
export interface Features {
  /** NFT_MSG_DESTROYSETELEM, kernel 6.3; else `destroyElements` is emulated. */
  readonly destroyElement: boolean
  /** Tables that keep out others and outlive their owner, kernel 6.9. */
  readonly ownerPersist: boolean
}

export interface OpenOptions extends SocketOptions {
  /** Emulate `destroyElements` whatever the kernel can. */
  readonly emulateDestroy?: boolean
}

const SEND_BUFFER = 64 << 20
const CHUNK = 5000
const PROBE = 'nftables-js-probe'

/** Collects a transaction's messages into a batch; the last one asks for the acknowledgement of all. */
class BatchSink implements Sink {
  readonly emulation: Emulation | undefined
  readonly #batch = new Batch(64 << 10)
  #held: Parameters<Sink['message']> | undefined
  #sets = 0

  constructor(emulation: Emulation | undefined) {
    this.emulation = emulation
    this.#batch.add('begin transaction', NFNL_MSG_BATCH_BEGIN, 0, w => familyHeader(w, 0, NFNL_SUBSYS_NFTABLES))
  }

  message(...message: Parameters<Sink['message']>): void {
    this.#flush(0)
    this.#held = message
  }

  nextSetId(): number {
    return ++this.#sets
  }

  #flush(extra: number): void {
    if (!this.#held) return
    const [operation, type, flags, write] = this.#held
    this.#batch.add(operation, type, flags | extra, write)
  }

  /** The finished batch; undefined when there was no message. */
  finish(): Batch | undefined {
    if (!this.#held) return undefined
    this.#flush(NLM_F_ACK)
    return this.#batch.add('end transaction', NFNL_MSG_BATCH_END, 0, w => familyHeader(w, 0, NFNL_SUBSYS_NFTABLES))
  }
}

/**
 * nftables of the network namespace in which it was opened (see `inNamespace`). All methods are synchronous unless they
 * return a promise, and throw NetlinkError with the operation, errno and the kernel's own words. Needs CAP_NET_ADMIN.
 * A table with the flag `owner` can only be changed through the object that made or adopted it.
 */
export class Nftables implements Disposable {
  readonly #socket: NetlinkSocket
  readonly #emulate: boolean | undefined
  readonly #monitors = new Set<NetlinkSocket>()
  readonly #open: () => NetlinkSocket
  #features: Features | undefined

  private constructor(socket: NetlinkSocket, emulate: boolean | undefined, open: () => NetlinkSocket) {
    this.#socket = socket
    this.#emulate = emulate
    this.#open = open
  }

  static open({ emulateDestroy, ...options }: OpenOptions = {}): Nftables {
    const open = () => NetlinkSocket.open('netfilter', { sendBuffer: SEND_BUFFER, ...options })
    return new Nftables(open(), emulateDestroy, open)
  }

  /** Netlink port id of the socket: the owner in `TableInfo.owner`, the sender in `Change.portId`. */
  get portId(): number {
    return this.#socket.portId
  }

  /** Sends a transaction; when it returns everything has taken effect. Throws when nothing has. */
  commit(transaction: Transaction): void {
    const batch = this.#batch(transaction)
    if (batch) this.#socket.request(batch)
  }

  /** The same on a thread, for loads that would hold up the event loop. Do not change the values given meanwhile. */
  async commitAsync(transaction: Transaction): Promise<void> {
    const batch = this.#batch(transaction)
    if (batch) await this.#socket.requestAsync(batch)
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
    const found = this.#socket.dump('list tables', MSG.getTable, w => (family ? messages.header(w, family) : familyHeader(w, 0)))
    return found.flatMap(({ payload }) => readTable(payload) ?? [])
  }

  getTable(table: TableRef): TableInfo | undefined {
    return this.listTables(table.family).find(({ name }) => name === table.name)
  }

  /** The chains of a table. An absent table has none. */
  listChains(table: TableRef): ChainInfo[] {
    return this.#chains(table).map(readChain)
  }

  /** The sets and maps of a table, anonymous ones included. An absent table has none. */
  listSets(table: TableRef): SetInfo[] {
    return this.#sets(table).map(readSet)
  }

  /** The rules of a table, chain by chain and in order. An absent table has none. */
  listRules(table: TableRef): RuleInfo[] {
    return this.#rules(table).map(readRule)
  }

  /** The elements of a set, in no order (those of interval sets are sorted). Throws ENOENT when there is no such set. */
  listElements(table: TableRef, set: NamedSet): Element[] {
    return readElements(layoutOf(set), this.#elements(table, set.name).flatMap(parseElements))
  }

  /** Whether the set holds exactly this element. False as well when there is no such set. Reads nothing but the element. */
  hasElement(table: TableRef, set: NamedSet, element: Element): boolean {
    const layout = layoutOf(set)
    const batch = new Batch(512).add(`get element ${tableText(table)} ${set.name}`, MSG.getElement, NLM_F_ACK, w => {
      this.#elementHeader(w, table, set.name)
      w.nest(ELEMENTS.elements, list => writeElement(list, layout, element, false))
    })
    try {
      const found = this.#socket.request(batch).flatMap(({ payload }) => parseElements(payload))
      if (!layout.interval) return found.length > 0
      // The kernel answers with the interval around a key: it is the element asked for when the bounds are the same.
      const [asked] = readElements(layout, this.#own(layout, element))
      const [there] = readElements(layout, found)
      return JSON.stringify(asked?.key) === JSON.stringify(there?.key)
    } catch (error) {
      if (isNetlinkError(error, 'ENOENT')) return false
      throw error
    }
  }
}
