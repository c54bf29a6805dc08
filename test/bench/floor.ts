// A C program of floor/ that waits for orders, in the network namespace of a machine.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Machine } from '../lab/machine.ts'
import { compiled } from './compile.ts'

export class Floor implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  #complaint = ''

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    child.stderr.on('data', text => {
      this.#complaint += text
    })
    child.stdin.on('error', () => {}) // it has ended, and ask() says why
  }

  static async start(machine: Pick<Machine, 'netns'>, name: string, ...args: readonly string[]): Promise<Floor> {
    const child = spawn('nsenter', [`--net=${machine.netns}`, await compiled(name), ...args])
    return new Floor(child)
  }

  /** Gives one order and resolves to the figures of the answer. Throws with what the program complained of when it ends instead. */
  async ask(order: string): Promise<number[]> {
    this.#child.stdin.write(`${order}\n`)
    const { value, done } = await this.#lines.next()
    if (done || !value) throw new Error(`${this.#child.spawnargs.join(' ')}: "${order}" failed\n${this.#complaint}`)
    return String(value).split(' ').map(Number)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    await ended
  }
}
