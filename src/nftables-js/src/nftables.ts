// The door to the kernel: one netlink socket that commits transactions and reads the ruleset back.
import { createHash } from 'node:crypto'
import { constants } from 'node:os'
import { describeTable } from './describe.ts'
import {
  type ChainInfo,
  type RuleInfo,
  readChain,
  readRule,
  readSet,
  readTable,
  type SetInfo,
  type TableInfo,
  tableOfChain,
} from './dumps.ts'
import { parseElements, type RawElement, readElements, writeBoundary } from './elements.ts'
import { Overlay } from './emulation.ts'
import { increment } from './intervals.ts'
import { encodeKey, layoutOf } from './layout.ts'
import * as messages from './messages.ts'
import { type Element, type Family, type NamedSet, type Table, type TableRef, tableText } from './model.ts'
import { ChangeReader, type Monitor } from './monitor.ts'
import {
  Batch,
  isNetlinkError,
  type Message,
  NetlinkError,
  NetlinkSocket,
  NLM_F_ACK,
  type SocketOptions,
  type Writer,
} from './netlink/index.ts'
import { type Emulation, type Sink, Transaction } from './transaction.ts'
import {
  ELEMENTS,
  familyHeader,
  MSG,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFNLGRP_NFTABLES,
  RULE,
  SET,
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
    const found = this.#socket.dump('list tables', MSG.getTable, w =>
      family ? messages.header(w, family) : familyHeader(w, 0),
    )
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

  /** Whether the set holds exactly this element; false as well when there is no such set. Reads no other element. */
  hasElement(table: TableRef, set: NamedSet, element: Element): boolean {
    const layout = layoutOf(set)
    encodeKey(layout, element.key)
    const low = Buffer.from(layout.low)
    const high = layout.interval ? Buffer.from(layout.high) : undefined
    if (!high || layout.concatenated) {
      const found = this.#getElement(table, set.name, low, high, false)
      return found !== undefined && found.key.equals(low) && (!high || (found.keyEnd ?? found.key).equals(high))
    }
    // Of a tree the kernel tells the boundaries around a key: the element is there if its own ones are the nearest.
    if (!this.#getElement(table, set.name, low, undefined, false)?.key.equals(low)) return false
    const end = this.#getElement(table, set.name, high, undefined, true)
    return increment(high) ? end?.key.equals(high) === true : end === undefined
  }

  /**
   * One line for each chain, set and rule of a table in a canonical form: the same as long as nobody changes them, and for
   * two tables that were written alike. Elements of named sets, counters, handles and comments do not count. Throws ENOENT
   * without the table.
   */
  describe(ref: TableRef): string[] {
    const table = this.getTable(ref)
    if (!table) throw new NetlinkError(`describe table ${tableText(ref)}`, constants.errno.ENOENT)
    const sets = this.#sets(ref).map(payload => {
      const info = readSet(payload)
      return { info, payload, elements: info.anonymous ? this.#elements(ref, info.name) : [] }
    })
    return describeTable({ table, chains: this.#chains(ref), sets, rules: this.#rules(ref) })
  }

  /** SHA-256 of what `describe` says, in hexadecimal. */
  fingerprint(ref: TableRef): string {
    return createHash('sha256').update(this.describe(ref).join('\n')).digest('hex')
  }

  /** Calls `change` after every transaction in the namespace, one's own included, until `close`. */
  monitor(monitor: Monitor): void {
    const socket = this.#open()
    const reader = new ChangeReader()
    this.#monitors.add(socket)
    socket.subscribe([NFNLGRP_NFTABLES], {
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

  /** What the kernel can do; found out by transactions that it refuses, on the first call. */
  features(): Features {
    this.#features ??= this.#probe()
    return this.#features
  }

  /** Closes the sockets. Tables that this object owns go, or with `persist` become orphans. */
  close(): void {
    for (const socket of this.#monitors) socket.close()
    this.#monitors.clear()
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #batch(transaction: Transaction): Batch | undefined {
    const emulate = transaction.destroys && (this.#emulate ?? !this.features().destroyElement)
    const overlay = emulate ? new Overlay((table, set, element) => this.hasElement(table, set, element)) : undefined
    const sink = new BatchSink(overlay)
    transaction.write(sink)
    return sink.finish()
  }

  /** Both probes name a table that is not there, so ENOENT is the answer of a kernel that understood. */
  #probe(): Features {
    const table: Table = { family: 'inet', name: PROBE, flags: ['owner', 'persist'] }
    const missing: NamedSet = { name: PROBE, type: 'mark' }
    const other: TableRef = { family: 'inet', name: `${PROBE}-absent` }
    const destroy = new Transaction().destroyElements(other, missing, [{ key: 0 }])
    const understood = (transaction: Transaction): boolean => {
      const sink = new BatchSink(undefined)
      transaction.write(sink)
      destroy.write(sink)
      const batch = sink.finish()
      try {
        if (batch) this.#socket.request(batch)
      } catch (error) {
        if (isNetlinkError(error, 'ENOENT')) return true
        if (!isNetlinkError(error, 'EINVAL', 'EOPNOTSUPP')) throw error
      }
      return false
    }
    const ownerPersist = understood(new Transaction().addTable(table))
    return { ownerPersist, destroyElement: ownerPersist || understood(new Transaction()) }
  }

  #chains(table: TableRef): Buffer[] {
    const found = this.#socket.dump('list chains', MSG.getChain, w => messages.header(w, table.family))
    return payloads(found).filter(payload => tableOfChain(payload) === table.name)
  }

  #sets(table: TableRef): Buffer[] {
    return this.#dump('sets', MSG.getSet, table, SET.table)
  }

  #rules(table: TableRef): Buffer[] {
    return this.#dump('rules', MSG.getRule, table, RULE.table)
  }

  #dump(what: string, type: number, table: TableRef, attribute: number): Buffer[] {
    try {
      const found = this.#socket.dump(`list ${what} of table ${tableText(table)}`, type, w => {
        messages.header(w, table.family)
        messages.name(w, attribute, table.name)
      })
      return payloads(found)
    } catch (error) {
      if (isNetlinkError(error, 'ENOENT')) return []
      throw error
    }
  }

  #getElement(
    table: TableRef,
    set: string,
    key: Buffer,
    keyEnd: Buffer | undefined,
    end: boolean,
  ): RawElement | undefined {
    const text = `get element ${tableText(table)} ${set}`
    const batch = new Batch(512).add(text, MSG.getElement, NLM_F_ACK, w => {
      elementHeader(w, table, set)
      w.nest(ELEMENTS.elements, list => writeBoundary(list, { key, end }, keyEnd))
    })
    try {
      return this.#socket.request(batch).flatMap(({ payload }) => parseElements(payload))[0]
    } catch (error) {
      if (isNetlinkError(error, 'ENOENT')) return undefined
      throw error
    }
  }

  #elements(table: TableRef, set: string): Buffer[] {
    const text = `list elements of set ${tableText(table)} ${set}`
    return payloads(this.#socket.dump(text, MSG.getElement, w => elementHeader(w, table, set)))
  }
}

const payloads = (found: readonly Message[]): Buffer[] => found.map(({ payload }) => payload)

function elementHeader(writer: Writer, table: TableRef, set: string): void {
  messages.header(writer, table.family)
  messages.name(writer, ELEMENTS.table, table.name)
  messages.name(writer, ELEMENTS.set, set)
}
