// Runs a page of the documentation as its reader would, and says what does not go as written.
import { dirname, join } from 'node:path'
import { type Command, matches, type Page, type Step } from './docs.ts'
import { cloneOn, type Ground } from './docs-ground.ts'
import { Shell } from './docs-shell.ts'

/**
 * Runs the steps of a page in reading order, each machine with one shell, which begins in a fresh clone: in its root, for the README of an example
 * in the example's folder. Resolves to what was not as written, or was left behind, each beginning with `path:line`; a step that
 * cannot go on ends the page.
 */
export async function runPage(page: Page, ground: Ground): Promise<string[]> {
  const run = new PageRun(page, ground)
  try {
    for (const step of page.steps) await run.take(step)
  } catch (error) {
    run.problems.push((error as Error).message)
  } finally {
    run.end()
  }
  const left = await ground.leftovers()
  return [...run.problems, ...left.map(one => `${page.path}: ${one}`)]
}

class PageRun {
  readonly problems: string[] = []
  readonly #page: Page
  readonly #ground: Ground
  readonly #shells = new Map<string, Shell>()

  constructor(page: Page, ground: Ground) {
    this.#page = page
    this.#ground = ground
  }

  /** Throws an Error that begins with `path:line` when the page cannot go on. */
  async take(step: Step): Promise<void> {
    const [first = ''] = Object.keys(this.#ground.machines)
    try {
      await this.#take(step, step.machine ?? first)
    } catch (error) {
      throw new Error(`${this.#page.path}:${step.line}: ${(error as Error).message}`)
    }
  }

  async #take(step: Step, machine: string): Promise<void> {
    if (step.kind === 'lab' && step.machine === undefined) return this.#ground.happen(machine, step.words)
    const shell = await this.#shell(machine)
    if (step.kind === 'lab') await shell.runStrictly(step.words.join(' '))
    else if (step.kind === 'script') await shell.runStrictly(step.text)
    else if (step.kind === 'file')
      await shell.runStrictly(`cat > '${step.name}' <<'=== file ==='\n${step.text}=== file ===`)
    else for (const command of step.commands) await this.#type(shell, command)
  }

  async #type(shell: Shell, { line, text, output, code }: Command): Promise<void> {
    const found = await shell.run(text)
    if (found.code === code && matches(output, found.stdout)) return
    const indent = (lines: string): string => lines.trim().replace(/^/gm, '    ')
    this.problems.push(
      `${this.#page.path}:${line}: $ ${text}\n  should print, with exit code ${code}:\n${indent(output.join('\n'))}\n` +
        `  printed, with exit code ${found.code}:\n${indent(found.stdout)}`,
    )
  }

  async #shell(name: string): Promise<Shell> {
    const known = this.#shells.get(name)
    if (known) return known
    const machine = this.#ground.machines[name]
    if (!machine) throw new Error(`there is no machine "${name}": ${Object.keys(this.#ground.machines).join(', ')}`)
    const { path } = this.#page
    const clone = await cloneOn(machine, path.replace(/\W/g, '-'))
    const shell = await Shell.open(machine, path.startsWith('examples/') ? join(clone, dirname(path)) : clone)
    this.#shells.set(name, shell)
    return shell
  }

  end(): void {
    for (const shell of this.#shells.values()) shell[Symbol.dispose]()
  }
}
