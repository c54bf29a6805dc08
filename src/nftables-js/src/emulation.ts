// Destroying elements on kernels before 6.3: which elements are there is read before the transaction is sent, and what the
// transaction itself adds and deletes on the way is counted in. So the batch holds only deletes that can succeed.
import { encodeKey, layoutOf } from './layout.ts'
import { type Element, type NamedSet, type TableRef, tableText } from './model.ts'
import type { Emulation } from './transaction.ts'

/** What a transaction does to elements, over what the kernel says (`ask`). */
export class Overlay implements Emulation {
  readonly #ask: (table: TableRef, set: NamedSet, element: Element) => boolean
  readonly #known = new Map<string, boolean>()
  readonly #cleared = new Set<string>()

  constructor(ask: (table: TableRef, set: NamedSet, element: Element) => boolean) {
    this.#ask = ask
  }

  present(table: TableRef, set: NamedSet, element: Element): boolean {
    const where = tableText(table)
    const known = this.#known.get(this.#id(table, set, element))
    if (known !== undefined) return known
    if (this.#cleared.has(where) || this.#cleared.has(`${where}\0${set.name}`)) return false
    return this.#ask(table, set, element)
  }

  note(table: TableRef, set: NamedSet, element: Element, present: boolean): void {
    this.#known.set(this.#id(table, set, element), present)
  }

  clear(table: TableRef, set?: string): void {
    const where = set === undefined ? tableText(table) : `${tableText(table)}\0${set}`
    this.#cleared.add(where)
    for (const id of this.#known.keys()) if (id.startsWith(`${where}\0`)) this.#known.delete(id)
  }

  #id(table: TableRef, set: NamedSet, { key }: Element): string {
    const layout = layoutOf(set)
    encodeKey(layout, key)
    const end = layout.interval ? layout.high.toString('hex') : ''
    return `${tableText(table)}\0${set.name}\0${layout.low.toString('hex')}-${end}`
  }
}
