// Running programs: one that ends (run, succeed) and one that goes on (Running).

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

export type Output = { code: number; stdout: string; stderr: string }

export type RunOptions = {
  /** Text for the program's standard input; none: it is empty. */
  input?: string
  /** Milliseconds after which the program is killed and CommandError thrown; none: no limit. */
  timeout?: number
  /** The whole environment; none: that of this process. */
  env?: NodeJS.ProcessEnv
}

/** A program that failed, could not be started or took too long. The message quotes the command and what it wrote. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly output: Output

  constructor(argv: readonly string[], what: string, output: Output) {
    super(`${argv.join(' ')}: ${what}\n${(output.stderr || output.stdout).trimEnd()}`.trimEnd())
    this.output = output
  }
}

/**
 * Runs a program to its end and resolves to its exit code (128 + n after signal n) and what it wrote, whatever the code is.
 * Throws CommandError when it cannot be started or exceeds `timeout`.
 */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
  const [file = '', ...args] = argv
  const { promise, resolve, reject } = Promise.withResolvers<Output>()
  const child = spawn(file, args, { env: options.env ?? process.env })
  const output = { code: -1, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', text => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    output.stderr += text
  })
  child.stdin.on('error', () => {}) // a program may end without reading all of its input
  child.stdin.end(options.input ?? '')
  let late = false
  const timer = options.timeout === undefined ? undefined : setTimeout(() => (late = killTree(child)), options.timeout)
  child.on('error', error => reject(new CommandError(argv, `cannot be started: ${error.message}`, output)))
  child.on('close', (code, signal) => {
    clearTimeout(timer)
    output.code = exitCode(code, signal)
    if (late) reject(new CommandError(argv, `still running after ${options.timeout} ms`, output))
    else resolve(output)
  })
  return promise
}

/** Runs a program to its end and resolves to its standard output. Throws CommandError when its exit code is not 0. */
export async function succeed(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const output = await run(argv, options)
  if (output.code !== 0) throw new CommandError(argv, `exit code ${output.code}`, output)
  return output.stdout
}

function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + constants.signals[signal ?? 'SIGKILL']
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return [] // ended meanwhile
  }
}

/** A process and all that came of it, as this process counts. */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)]
}

function killTree(child: ChildProcess): true {
  for (const pid of processTree(child.pid ?? -1)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {} // ended meanwhile
  }
  return true
}

/** A program that goes on beside the test. It is in a session of its own, so that Ctrl-C does not reach it before its owner. */
export class Running implements AsyncDisposable {
  readonly argv: readonly string[]
  /** Resolves to the exit code (128 + n after signal n). */
  readonly exited: Promise<number>
  readonly #child: ChildProcess
  readonly #logFile: string
  #ended = false

  private constructor(argv: readonly string[], child: ChildProcess, logFile: string) {
    this.argv = argv
    this.#child = child
    this.#logFile = logFile
    this.exited = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        this.#ended = true
        resolve(exitCode(code, signal))
      })
    })
    this.exited.catch(() => {})
  }

  /** Starts `argv`; what it writes is appended to `logFile`. Its standard input is empty. */
  static start(argv: readonly string[], logFile: string, env: NodeJS.ProcessEnv = process.env): Running {
    const [file = '', ...args] = argv
    const log = openSync(logFile, 'a')
    try {
      return new Running(argv, spawn(file, args, { env, detached: true, stdio: ['ignore', log, log] }), logFile)
    } finally {
      closeSync(log)
    }
  }

  get running(): boolean {
    return !this.#ended && this.#child.pid !== undefined
  }

  /** All that it wrote so far, and what earlier programs wrote to the same file. */
  log(): string {
    return readFileSync(this.#logFile, 'utf8')
  }

  /** The pid of the program itself, as this process counts. nsenter(1) forks to enter a pid namespace: then it is the child's. */
  get pid(): number {
    const pid = this.#child.pid ?? -1
    return this.argv[0] === 'nsenter' ? (childrenOf(pid)[0] ?? pid) : pid
  }

  /** Sends a signal; does nothing when the program has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) process.kill(this.pid, signal)
  }

  /** Sends a signal and resolves to the exit code. Throws when the program is still there after `timeout` milliseconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeout = 30_000): Promise<number> {
    this.signal(signal)
    const code = await Promise.race([this.exited, sleep(timeout, undefined, { ref: false })])
    if (code === undefined) {
      throw new Error(`${this.argv.join(' ')}: still running ${timeout} ms after ${signal}\n${tail(this.log())}`)
    }
    return code
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
  }
}

/** The last `lines` lines of a log. */
export function tail(log: string, lines = 15): string {
  return log.trimEnd().split('\n').slice(-lines).join('\n')
}

/** Calls `probe` every 20 ms until it answers anything but undefined or false. Throws after `timeout` ms, with what `why` says. */
export async function until<T>(
  probe: () => T | Promise<T>,
  timeout: number,
  why: () => string,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + timeout
  for (;;) {
    const answer = await probe()
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>
    if (performance.now() > deadline) throw new Error(`${why()} (waited ${timeout} ms)`)
    await sleep(20)
  }
}
