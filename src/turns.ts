export interface TurnsOptions {
  /** Milliseconds after which a holder that did not leave is told, and the next one comes in. */
  readonly patience: number
  readonly expired: () => void
  /** Milliseconds after which somebody who waits is turned away, with the error that `refused` makes. */
  readonly limit: number
  readonly refused: () => Error
}

interface Waiting {
  readonly admit: () => void
  readonly timer: NodeJS.Timeout
}

/** Lets one holder in at a time, in the order of asking. */
export class Turns {
  readonly #waiting = new Set<Waiting>()
  readonly #options: TurnsOptions
  #timer: NodeJS.Timeout | undefined

  constructor(options: TurnsOptions) {
    this.#options = options
  }

  /** Resolves when it is the caller's turn; rejects with `refused()` when that takes longer than the limit. */
  enter(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const turnAway = (): void => {
      this.#waiting.delete(waiting)
      reject(this.#options.refused())
    }
    const waiting = { admit: resolve, timer: setTimeout(turnAway, this.#options.limit).unref() }
    this.#waiting.add(waiting)
    if (this.#timer === undefined) this.#next()
    return promise
  }

  /** Ends the present turn; nothing where there is none. */
  leave(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#next()
  }

  #next(): void {
    const [first] = this.#waiting
    if (!first) return
    this.#waiting.delete(first)
    clearTimeout(first.timer)
    this.#timer = setTimeout(() => {
      this.#options.expired()
      this.leave()
    }, this.#options.patience).unref()
    first.admit()
  }
}
