// Notifications of changes to the ruleset (multicast group NFNLGRP_NFTABLES): one event for each transaction, whoever sent it.
import { readFamily } from './dumps.ts'
import type { TableRef } from './model.ts'
import { attributeMap, type Message, readString } from './netlink/index.ts'
import { GENERATION, MSG } from './wire.ts'

/** A transaction took effect. `portId` is the netlink port id of the socket that sent it (see `Nftables.portId`). */
export interface Change {
  /** Number of the ruleset's generation, 32 bits. */
  readonly generation: number
  readonly portId: number
  readonly processId: number
  readonly processName: string
  /** The tables in which something changed. */
  readonly tables: readonly TableRef[]
  /** Those of them that were deleted (and maybe made again). */
  readonly deletedTables: readonly TableRef[]
}

/** What `Nftables.monitor` calls. `overflow`: the kernel dropped notifications, read everything again. */
export interface Monitor {
  change(event: Change): void
  overflow(): void
}

/** In every notification about an object attribute 1 is the name of its table. */
const TABLE_NAME = 1
const HEADER = 4

/** Gathers the notifications of a transaction until the one that ends it (NEWGEN). */
export class ChangeReader {
  #tables = new Map<string, TableRef>()
  #deleted = new Map<string, TableRef>()

  /** Takes the next notification; the change when it completes one. */
  read({ type, port, payload }: Message): Change | undefined {
    if (type === MSG.newGeneration) return this.#finish(port, payload)
    const family = readFamily(payload)
    const name = attributeMap(payload, HEADER).get(TABLE_NAME)
    if (!family || !name) return undefined
    const table = { family, name: readString(name) }
    const key = `${family} ${table.name}`
    this.#tables.set(key, table)
    if (type === MSG.deleteTable) this.#deleted.set(key, table)
    return undefined
  }

  /** Forgets a transaction of which notifications were lost. */
  reset(): void {
    this.#tables = new Map()
    this.#deleted = new Map()
  }

  #finish(portId: number, payload: Buffer): Change {
    const attributes = attributeMap(payload, HEADER)
    const name = attributes.get(GENERATION.processName)
    const change = {
      generation: attributes.get(GENERATION.id)?.readUInt32BE(0) ?? 0,
      portId,
      processId: attributes.get(GENERATION.processId)?.readUInt32BE(0) ?? 0,
      processName: name ? readString(name) : '',
      tables: [...this.#tables.values()],
      deletedTables: [...this.#deleted.values()],
    }
    this.reset()
    return change
  }
}
