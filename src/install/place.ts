// Files below a root folder: each comes whole or not at all, and with the last one go the folders that were made for them.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** A root folder, `/` or that of an image, and the folders that were made in it. Paths are given as they are below it. */
export class Place {
  readonly root: string
  readonly #record: string
  readonly #made: Set<string>

  /** `record` is the path of the file that remembers the folders, from one run to the next. */
  constructor(root: string, record: string) {
    this.root = root
    this.#record = record
    this.#made = new Set(this.read(record)?.split('\n').filter(Boolean))
  }

  /** Where a path is on this machine. */
  at(path: string): string {
    return join(this.root, path)
  }

  /** The text of a file, undefined where there is none. */
  read(path: string): string | undefined {
    return existsSync(this.at(path)) ? readFileSync(this.at(path), 'utf8') : undefined
  }

  /** Writes a file; one that is there is replaced at once, so that nobody reads half of it. */
  write(path: string, text: string, mode = 0o644): void {
    this.#put(path, aside => writeFileSync(aside, text), mode)
  }

  /** Copies a file of this machine, likewise. */
  copy(from: string, path: string, mode: number): void {
    this.#put(path, aside => cpSync(from, aside, { dereference: true }), mode)
  }

  /** Makes a folder beside the one at `path`, and answers what puts it in the other's place. `fill` gets it as a path of this machine, empty. */
  prepare(path: string, fill: (folder: string) => void): { swap(): void } {
    const [now, next, old] = [path, `${path}.new`, `${path}.old`].map(one => this.at(one)) as [string, string, string]
    this.#makeFolder(dirname(path))
    rmSync(next, { recursive: true, force: true })
    fill(next)
    const swap = (): void => {
      rmSync(old, { recursive: true, force: true })
      if (existsSync(now)) renameSync(now, old)
      renameSync(next, now)
      rmSync(old, { recursive: true, force: true })
    }
    return { swap }
  }

  /** Remembers the folders that were made. */
  remember(): void {
    this.#makeFolder(dirname(this.#record))
    this.write(this.#record, [...this.#made, ''].join('\n'))
  }

  /** Removes files, and whole folders. What is not there is fine. */
  remove(...targets: readonly string[]): void {
    for (const path of targets) rmSync(this.at(path), { recursive: true, force: true })
  }

  /** Removes the folders that were made, and `more`, the innermost first; those in which somebody else has put something stay. */
  removeFolders(...more: readonly string[]): void {
    for (const path of [...this.#made, ...more].toSorted((a, b) => b.length - a.length)) {
      try {
        rmdirSync(this.at(path))
      } catch {
        // Not empty, or gone.
      }
    }
  }

  #put(path: string, fill: (aside: string) => void, mode: number): void {
    this.#makeFolder(dirname(path))
    const aside = this.at(`${path}.new`)
    fill(aside)
    chmodSync(aside, mode)
    renameSync(aside, this.at(path))
  }

  #makeFolder(path: string): void {
    if (existsSync(this.at(path))) return
    this.#makeFolder(dirname(path))
    mkdirSync(this.at(path), { mode: 0o755 })
    this.#made.add(path)
  }
}
