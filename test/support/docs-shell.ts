// A shell on a lab machine that stays between commands, as a reader's does: variables, the folder, what was put into the background.
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../lab/machine.ts'
import { type Output, processTree, tail } from '../lab/process.ts'

/** Milliseconds that one command may take. */
const PATIENCE = 120_000
/** Lines of its output that an error quotes. */
const TAIL = 40

export class Shell implements Disposable {
  readonly #child: ChildProcess
  #text = ''
  #ended = false
  #count = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', text => {
      this.#text += text
    })
    child.stdin?.on('error', () => {}) // it may have ended
    child.on('close', () => {
      this.#ended = true
    })
  }

  /** A bash on the machine, in one of its folders. */
  static async open(machine: Machine, folder: string): Promise<Shell> {
    const environment = Object.fromEntries(
      (await machine.check(['env', '-0']))
        .split('\0')
        .filter(Boolean)
        .map(entry => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    )
    const enter = ['-t', String(machine.pid), '-m', '-n', '-p', '-u', '-i', '--', 'bash', '--norc']
    const child = spawn('nsenter', enter, { env: environment, stdio: ['pipe', 'pipe', 'ignore'], detached: true })
    const shell = new Shell(child)
    await shell.run(`exec 2>&1; cd '${folder}'`)
    return shell
  }

  /**
   * Runs what may be several lines, with nothing on standard input, and resolves to the last exit code and all that was printed. Throws when
   * the shell ends with it, as after `exit`, or when it takes longer than two minutes; both messages have the end of what was printed.
   */
  async run(text: string): Promise<Output> {
    const mark = `=== ${++this.#count} ===`
    this.#text = ''
    // bash reads the whole of such a file before it runs any of it, so what it runs finds nothing left to read.
    this.#child.stdin?.write(`. /dev/stdin <<'${mark}'\n${text}\n${mark}\nprintf '\\n%s %d\\n' '${mark}' "$?"\n`)
    const began = performance.now()
    for (;;) {
      const [all, code] = new RegExp(`\\n${mark} (\\d+)\\n$`).exec(this.#text) ?? []
      if (all !== undefined) return { code: Number(code), stdout: this.#text.slice(0, -all.length), stderr: '' }
      if (this.#ended) throw new Error(`the shell ended\n${tail(this.#text, TAIL)}`)
      if (performance.now() - began > PATIENCE)
        throw new Error(`not finished after ${PATIENCE} ms\n${tail(this.#text, TAIL)}`)
      await sleep(5)
    }
  }

  /** The same for a script nothing of which may fail: throws at the first command that does, and names it. */
  async runStrictly(text: string): Promise<void> {
    const tell = `trap 'echo "[exit code $?, line $LINENO: $BASH_COMMAND]"' ERR`
    await this.run(`set -eE; ${tell}`)
    await this.run(text)
    await this.run('trap - ERR; set +eE')
  }

  [Symbol.dispose](): void {
    for (const pid of processTree(this.#child.pid ?? -1)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {} // ended meanwhile
    }
  }
}
