import { Batch, isNetlinkError, type NetlinkSocket } from 'nftables-js/netlink'
import { deleteLinkGroup, type LinkRef, setLink } from './link.ts'

/**
 * Deletes links without waiting for them. Deleting one waits some 20 ms for RCU inside send(2), a whole link group takes
 * 0.4 ms a link; so links that are to die are put into one group (46 us each), which is deleted on a thread: at most one
 * delete at a time, and one more for what was buried meanwhile. The group is the only memory: what an earlier process
 * left in it goes with the next delete.
 */
export class Reaper {
  readonly #socket: Pick<NetlinkSocket, 'request' | 'requestAsync'>
  readonly #group: number
  readonly #onError: (error: unknown) => void
  #buried = false
  #reaping: Promise<Error | undefined> | undefined

  /**
   * `socket` is a route socket of its own in the namespace of the links, `group` a link group that nobody else uses (not
   * 0: RangeError). `onError` hears of every refusal; the links in question stay and are tried again with the next ones.
   */
  constructor(
    socket: Pick<NetlinkSocket, 'request' | 'requestAsync'>,
    group: number,
    onError: (error: unknown) => void,
  ) {
    deleteLinkGroup(new Batch(), group)
    this.#socket = socket
    this.#group = group
    this.#onError = onError
  }

  /** Puts the links (names or indexes) into the dying group and sees to it that it is deleted. A link that is gone is fine. */
  bury(links: readonly (string | number)[]): void {
    for (const link of links) this.#condemn(typeof link === 'number' ? { index: link } : { name: link })
    if (links.length > 0) void this.#reap()
  }

  /** Resolves when nothing dying is left, whoever buried it. Rejects with the NetlinkError of the last delete when that failed. */
  async flush(): Promise<void> {
    const failure = await this.#reap()
    if (failure) throw failure
  }

  #condemn(link: LinkRef): void {
    try {
      this.#socket.request(setLink(new Batch(256), link, { group: this.#group }))
    } catch (error) {
      if (!isNetlinkError(error, 'ENODEV')) this.#onError(error)
    }
  }

  #reap(): Promise<Error | undefined> {
    this.#buried = true
    this.#reaping ??= this.#deleteGroups()
    return this.#reaping
  }

  /** Deletes until nothing was buried meanwhile; what the last delete failed with. */
  async #deleteGroups(): Promise<Error | undefined> {
    let failure: Error | undefined
    try {
      while (this.#buried) {
        this.#buried = false
        failure = await this.#deleteGroup()
      }
    } finally {
      this.#reaping = undefined
    }
    return failure
  }

  async #deleteGroup(): Promise<Error | undefined> {
    try {
      await this.#socket.requestAsync(deleteLinkGroup(new Batch(256), this.#group))
    } catch (error) {
      if (isNetlinkError(error, 'ENODEV')) return undefined
      this.#onError(error)
      return error instanceof Error ? error : new Error(String(error))
    }
    return undefined
  }
}
