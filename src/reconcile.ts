// Forgets what Docker no longer has: dockerd sends each delete once, and not at all when it gave a call up or this daemon was away. Only what has
// been missing from Docker's lists for a while goes, by the same commands that dockerd would have sent.
import type { Logger } from 'pino'
import type { Inventory } from './docker/inventory.ts'
import type { CommandOf, CommandType, Replies } from './state/command.ts'
import type { State } from './state/state.ts'

/** How long something must be missing, in milliseconds: longer than dockerd takes from our answer to its own list. */
export const GRACE_MS = 30_000
/** Time between two looks, in milliseconds. */
export const INTERVAL_MS = 60_000
const FIRST_MS = 5_000

export interface ReconcileParts {
  readonly state: State
  readonly submit: <T extends CommandType>(command: CommandOf<T>) => Promise<Replies[T]>
  readonly inventory: () => Promise<Inventory>
  /** The engine whose networks these are, as remembered; undefined before the first look. */
  readonly engine: string | undefined
  readonly rememberEngine: (engine: string) => void
  readonly log: Logger
  readonly now?: () => number
}

export class Reconciler {
  readonly #parts: ReconcileParts
  /** Since when something of ours has been missing, by id. */
  readonly #missing = new Map<string, number>()
  #engine: string | undefined
  #timer: NodeJS.Timeout | undefined
  #silent = false

  constructor(parts: ReconcileParts) {
    this.#parts = parts
    this.#engine = parts.engine
  }

  /** Looks soon, and then again and again until `stop`. */
  start(): void {
    this.#schedule(FIRST_MS)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** One look. Never rejects: what fails is logged, and tried again with the next one. */
  async look(): Promise<void> {
    const { state, log, inventory } = this.#parts
    if (state.networks.size === 0) return
    try {
      const docker = await inventory()
      this.#silent = false
      if (this.#isOurs(docker)) await this.#forget(docker)
    } catch (error) {
      // Docker may well be down for a while; once is enough to say it.
      if (!this.#silent) log.info({ err: error }, 'Docker does not tell what it has; nothing is forgotten meanwhile')
      this.#silent = true
    }
  }

  #schedule(delay: number): void {
    this.#timer = setTimeout(async () => {
      await this.look()
      if (this.#timer !== undefined) this.#schedule(INTERVAL_MS * (0.9 + Math.random() / 5))
    }, delay)
    this.#timer.unref()
  }

  /** An engine that is not the one of our networks has none of them: believing it would delete everything. */
  #isOurs({ engine, networks }: Inventory): boolean {
    const { state, rememberEngine, log } = this.#parts
    if (engine === this.#engine) return true
    if ([...state.networks.keys()].some(id => networks.has(id))) {
      rememberEngine(engine)
      this.#engine = engine
      return true
    }
    log.warn({ engine, ours: this.#engine }, 'this Docker Engine has none of our networks; nothing is forgotten')
    return false
  }

  async #forget(docker: Inventory): Promise<void> {
    const { state, submit, log } = this.#parts
    for (const { id, network, pool, address } of this.#lost(state.endpoints, docker.endpoints)) {
      log.info({ endpoint: id.slice(0, 12), network: network.slice(0, 12) }, 'Docker has no such endpoint any more')
      await submit({ type: 'leave', network, endpoint: id })
      await submit({ type: 'deleteEndpoint', network, endpoint: id })
      await submit({ type: 'releaseAddress', pool, address })
    }
    for (const { id } of this.#lost(state.networks, docker.networks)) {
      log.info({ network: id.slice(0, 12) }, 'Docker has no such network any more')
      await submit({ type: 'deleteNetwork', network: id })
    }
  }

  /** What has been missing for the grace period; notes what is missing since now, forgets what is back. */
  #lost<T extends { id: string }>(ours: ReadonlyMap<string, T>, theirs: ReadonlySet<string>): T[] {
    const now = (this.#parts.now ?? Date.now)()
    const gone = [...ours.values()].filter(({ id }) => !theirs.has(id))
    for (const { id } of gone) if (!this.#missing.has(id)) this.#missing.set(id, now)
    for (const id of theirs) this.#missing.delete(id)
    const lost = gone.filter(({ id }) => now - (this.#missing.get(id) ?? now) >= GRACE_MS)
    for (const { id } of lost) this.#missing.delete(id)
    return lost
  }
}
