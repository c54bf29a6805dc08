// Looks after other programs' forward chains for as long as the daemon runs: at once when nftables changes, and again and again for iptables-legacy,
// which tells nobody of changes.
import { type Change, Nftables } from 'nftables-js'
import type { Logger } from 'pino'
import { LINK_PREFIX } from '../address/plan.ts'
import { acceptInIptables, adviceFor, closedChains, namesOurLinks } from './forward-policy.ts'
import { changeFilterTable } from './ip6tables.ts'
import { withAccepts } from './ip6tables-entries.ts'

/** Milliseconds between two looks when nothing was heard. */
const INTERVAL_MS = 5000
/** Milliseconds from a change to the look at it: programs write their chains in many small transactions. */
const SOON_MS = 200

/** Works in the network namespace in which it was made. */
export class ForwardPolicyWatch implements Disposable {
  readonly #log: Logger
  readonly #lock: string | undefined
  readonly #nft: Nftables
  /** Chains that were closed at the last look; each is spoken of once. */
  #closed = new Set<string>()
  /** What failed at the last look, by part. */
  readonly #failed = new Map<string, string>()
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined

  /** `lock`: the file on which iptables-legacy waits, where it is not in its own place. Throws NetlinkError where nftables cannot be opened. */
  constructor(log: Logger, lock?: string) {
    this.#log = log
    this.#lock = lock
    this.#nft = Nftables.open()
  }

  /** Looks now, and from now on until it is closed. */
  start(): void {
    this.#nft.monitor({ change: change => this.#hear(change), overflow: () => this.#lookSoon() })
    this.#timer = setInterval(() => this.look(), INTERVAL_MS).unref()
    this.look()
  }

  /** One look. Never throws: what fails is logged once, and tried again with the next one. */
  look(): void {
    this.#try('iptables-nft', () => {
      if (acceptInIptables(this.#nft)) this.#say('iptables-nft')
    })
    this.#try('iptables-legacy', () => {
      const outcome = changeFilterTable(table => withAccepts(table, LINK_PREFIX), this.#lock)
      if (outcome === 'replaced') this.#say('iptables-legacy')
      if (outcome === 'busy') this.#lookSoon()
    })
    this.#try('nftables', () => this.#warn())
  }

  close(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    this.#nft.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #hear({ portId, tables }: Change): void {
    const foreign = tables.some(({ family, name }) => family === 'ip6' || (family === 'inet' && name !== 'slash64'))
    if (foreign && portId !== this.#nft.portId) this.#lookSoon()
  }

  #lookSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.look()
    }, SOON_MS)
  }

  #say(kind: string): void {
    this.#log.info(
      `FORWARD of ${kind} drops by policy; it now accepts packets from and to links called ${LINK_PREFIX}*`,
    )
  }

  #warn(): void {
    const now = new Map(
      closedChains(this.#nft).map(closed => [`${closed.table.family} ${closed.table.name} ${closed.chain}`, closed]),
    )
    for (const [name, closed] of now) {
      if (!this.#closed.has(name) && !namesOurLinks(this.#nft, closed)) this.#log.warn(adviceFor(closed))
    }
    this.#closed = new Set(now.keys())
  }

  #try(part: string, act: () => void): void {
    try {
      act()
      this.#failed.delete(part)
    } catch (error) {
      const text = String(error)
      if (this.#failed.get(part) !== text) this.#log.error({ err: error }, `cannot look after FORWARD of ${part}`)
      this.#failed.set(part, text)
    }
  }
}
