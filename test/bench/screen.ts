// A terminal with one line of progress at its end. Where it is no terminal, a line now and then.

/** How often a file or a pipe gets a line of progress, in milliseconds. */
const SELDOM = 15_000

/** What a Screen needs of process.stdout. */
export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export class Screen {
  readonly #output: Output
  readonly #now: () => number
  readonly #began: number
  #last = Number.NEGATIVE_INFINITY

  constructor(output: Output, now: () => number = () => performance.now()) {
    this.#output = output
    this.#now = now
    this.#began = now()
  }

  /** Puts the text, with the time since the beginning, in place of the last progress. */
  progress(text: string): void {
    const now = this.#now()
    const line = `${clock(now - this.#began)}  ${text}`
    if (this.#output.isTTY) {
      this.#output.write(`\r\x1b[K${line.slice(0, (this.#output.columns ?? 80) - 1)}`)
    } else if (now - this.#last >= SELDOM) {
      this.#last = now
      this.#output.write(`${line}\n`)
    }
  }

  /** Writes lines that stay. */
  print(text: string): void {
    this.clear()
    this.#output.write(`${text}\n`)
  }

  /** Takes the progress away. */
  clear(): void {
    if (this.#output.isTTY) this.#output.write('\r\x1b[K')
  }
}

/** `3:07`. */
function clock(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
