// A kernel that holds items in memory and is stricter than the real one: what is added must be absent, what is removed must be there. It forgives
// only what the real one has to (src/kernel/perform.ts, transaction.ts): settings are never taken back, a table may be replaced, an element may be
// added again. As in the real one, a new table is empty, elements need their table, neighbours and routes need their link and die with it.
import { inverse, type Operation } from '../../src/dataplane/diff.ts'
import { conditionOf, type Item, keyOf } from '../../src/dataplane/item.ts'

export class FakeKernel {
  readonly #items = new Map<string, Item>()
  /** Every operation that was performed, taken back ones included. */
  readonly performed: Operation[] = []
  #left = Number.POSITIVE_INFINITY

  constructor(items: readonly Item[] = []) {
    this.apply(items.map(item => ({ verb: 'add', item })))
  }

  /** The operation after the next `count` ones fails, once. */
  failAfter(count: number): void {
    this.#left = count
  }

  /** All or none, as the real one. */
  apply(operations: readonly Operation[]): void {
    const done: Operation[] = []
    try {
      for (const operation of operations) {
        if (this.#left-- === 0) throw new Error(`injected: ${operation.verb} ${keyOf(operation.item)}`)
        this.#perform(operation)
        done.push(operation)
      }
    } catch (error) {
      for (const operation of inverse(done)) this.#perform(operation)
      throw error
    }
  }

  /** The sandboxes in which a link was born; the test says which. */
  readonly marked = new Set<string>()

  isMarked(sandbox: string): boolean {
    return this.marked.has(sandbox)
  }

  /** What it can, as the real one. */
  repair(operations: readonly Operation[]): { operation: Operation; error: unknown }[] {
    const failures: { operation: Operation; error: unknown }[] = []
    for (const operation of operations) {
      try {
        this.apply([operation])
      } catch (error) {
        failures.push({ operation, error })
      }
    }
    return failures
  }

  /** What is there, condition by key. */
  dump(): Record<string, string> {
    return dumpOf(this.#items.values())
  }

  #perform(operation: Operation): void {
    const { verb, item } = operation
    this.performed.push(operation)
    if (verb === 'add') this.#add(item)
    else if (item.kind !== 'sysctl') this.#remove(item)
  }

  #add(item: Item): void {
    const key = keyOf(item)
    if (item.kind === 'end' || item.kind === 'neighbour' || item.kind === 'route')
      this.#demand(`link ${item.link}`, key)
    if (item.kind === 'element') this.#demand('table inet slash64', key)
    const again = item.kind === 'sysctl' || item.kind === 'table' || item.kind === 'element'
    if (this.#items.has(key) && !again) throw new Error(`${key} is there already`)
    if (key === 'table inet slash64') this.#drop(other => other.kind === 'element')
    this.#items.set(key, item)
  }

  #remove(item: Item): void {
    const key = keyOf(item)
    const there = this.#items.get(key)
    if (!there) throw new Error(`${key} is not there`)
    if (conditionOf(there) !== conditionOf(item)) throw new Error(`${key} is another one: ${conditionOf(there)}`)
    if (key === 'table inet slash64') this.#drop(other => other.kind === 'element')
    if (item.kind === 'link') this.#drop(other => 'link' in other && other.link === item.name)
    this.#items.delete(key)
  }

  #demand(needed: string, by: string): void {
    if (!this.#items.has(needed)) throw new Error(`${by} needs ${needed}`)
  }

  #drop(which: (item: Item) => boolean): void {
    for (const [key, item] of this.#items) if (which(item)) this.#items.delete(key)
  }
}

/** Items as a kernel that holds them would dump them. */
export function dumpOf(items: Iterable<Item>): Record<string, string> {
  const entries = [...items].map(item => [keyOf(item), conditionOf(item)] as const)
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
