// The only door to the host: performs the operations that the dataplane asks for. What is there is read back by observe.ts.
import { readFileSync } from 'node:fs'
import { Nftables, Transaction } from 'nftables-js'
import { Batch, isNetlinkError, NetlinkSocket } from 'nftables-js/netlink'
import { inverse, type Operation } from '../dataplane/diff.ts'
import type { Item } from '../dataplane/item.ts'
import { PluginError } from '../errors.ts'
import { type Hands, type PlainItem, performers } from './perform.ts'
import { deleteLinkGroup, getLink } from './rtnetlink/link.ts'
import { Reaper } from './rtnetlink/reaper.ts'
import { SysctlError, SysctlTree } from './sysctl.ts'
import { isNft, steps, transact } from './transaction.ts'
import { isMarked } from './veth.ts'

/** Link group of what is to be deleted: "s64" in ASCII. */
export const DYING_GROUP = 0x733634

/** A step that could not be performed in a repair; the others were. */
export interface Failure {
  readonly operation: Operation
  readonly error: unknown
}

export interface KernelOptions {
  /** Hears of links that could not be deleted; they are tried again. */
  readonly onError: (error: unknown) => void
  readonly sysctlRoot?: string
}

/** One kernel, in the network namespace in which it was opened. All work is synchronous but the deletion of links. */
export class Kernel implements Hands, Disposable {
  readonly nft: Nftables
  readonly route: NetlinkSocket
  readonly sysctl: SysctlTree
  defaultMtu = 1500
  fleet: readonly string[] = []
  /** Whether this kernel knows table owners (6.9 and later). */
  readonly ownsTables: boolean
  readonly #graves: NetlinkSocket
  readonly #reaper: Reaper
  readonly #indexes = new Map<string, number>()

  constructor({ onError, sysctlRoot }: KernelOptions) {
    this.nft = Nftables.open()
    // Asked now, because the answer costs a refused transaction of some 20 ms.
    this.ownsTables = this.nft.features().ownerPersist
    this.route = NetlinkSocket.open('route')
    this.#graves = NetlinkSocket.open('route')
    this.sysctl = new SysctlTree(sysctlRoot)
    this.#reaper = new Reaper(this.#graves, DYING_GROUP, onError)
  }

  /**
   * Performs all operations, or none: when one fails, the ones before it are taken back and its error is thrown (with those of a failed undo, as an
   * AggregateError).
   */
  apply(operations: readonly Operation[]): void {
    const done: Operation[] = []
    try {
      for (const step of steps(operations)) {
        this.#perform(step)
        done.push(...step)
      }
    } catch (error) {
      const failures = this.repair(inverse(done)).map(failure => failure.error)
      throw failures.length === 0 ? error : new AggregateError([error, ...failures], String(error))
    }
  }

  /** Performs what can be performed: a failed step stops only what stands on the same link. Returns what failed. */
  repair(operations: readonly Operation[]): Failure[] {
    const failures: Failure[] = []
    const broken = new Set<string>()
    for (const step of steps(operations)) {
      const [operation] = step
      if (operation === undefined || step.some(({ item }) => broken.has(linkOf(item) ?? ''))) continue
      try {
        this.#perform(step)
      } catch (error) {
        failures.push({ operation, error })
        const link = linkOf(operation.item)
        if (link !== undefined && operation.verb === 'add') broken.add(link)
      }
    }
    return failures
  }

  /** Becomes the owner of tables that an earlier process left. Throws NetlinkError EPERM where another one owns them. */
  adopt(items: readonly Item[]): void {
    const transaction = new Transaction()
    for (const item of items) if (item.kind === 'table' && item.ruleset) transaction.addTable(item.ruleset.table)
    this.nft.commit(transaction)
  }

  /** Resolves when no link is left to be deleted, also none that an earlier process left. */
  flush(): Promise<void> {
    return this.#reaper.flush()
  }

  /** True when a link was born in this sandbox before. */
  isMarked(sandbox: string): boolean {
    return isMarked(sandbox)
  }

  indexOf(link: string): number | undefined {
    const known = this.#indexes.get(link) ?? getLink(this.route, { name: link })?.index
    this.remember(link, known)
    return known
  }

  remember(link: string, index: number | undefined): void {
    if (index === undefined) this.#indexes.delete(link)
    else this.#indexes.set(link, index)
  }

  bury(link: string | number): void {
    this.#reaper.bury([link])
  }

  reap(): void {
    try {
      this.route.request(deleteLinkGroup(new Batch(256), DYING_GROUP))
    } catch (error) {
      if (!isNetlinkError(error, 'ENODEV')) throw error
    }
  }

  close(): void {
    this.nft.close()
    this.route.close()
    this.#graves.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #perform(step: readonly Operation[]): void {
    const [operation] = step
    if (!operation) return
    const { verb, item } = operation
    if (isNft(item)) transact(this.nft, step)
    else this.#performPlain(verb, item)
  }

  #performPlain(verb: Operation['verb'], item: PlainItem): void {
    try {
      ;(performers[item.kind][verb] as (hands: Hands, item: PlainItem) => void)(this, item)
    } catch (error) {
      // Its sentence says what to mend, so whoever starts a container is to read it.
      throw error instanceof SysctlError ? new PluginError('SETTING_REFUSED', error.message) : error
    }
  }
}

function linkOf(item: Item): string | undefined {
  if (item.kind === 'link') return item.name
  if (item.kind === 'end' || item.kind === 'neighbour' || item.kind === 'route') return item.link
  return undefined
}

/** The boot that this kernel runs since (random UUID, Documentation/admin-guide/sysctl/kernel.rst). */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
