/**
 * Lets one holder in at a time, in the order of asking. A holder that does not leave within `patience` milliseconds is told (`expired`) and
 * the next one comes in.
 */
export class Turns {
  readonly #waiting: (() => void)[] = []
  readonly #patience: number
  readonly #expired: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(patience: number, expired: () => void) {
    this.#patience = patience
    this.#expired = expired
  }

  /** Resolves when it is the caller's turn. */
  enter(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
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
    const admit = this.#waiting.shift()
    if (!admit) return
    this.#timer = setTimeout(() => {
      this.#expired()
      this.leave()
    }, this.#patience).unref()
    admit()
  }
}
