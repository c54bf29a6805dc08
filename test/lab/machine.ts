import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { atExit, makeFolder, pause, removeFolder, sweep } from './leftovers.ts'
import { type Output, processTree, Running, type RunOptions, run, succeed } from './process.ts'
import { ensureLab, lab } from './setup.ts'

export type MachineOptions = {
  /** Its host name, and how tests tell machines apart: `[a-z0-9-]+`. */
  name: string
  /** Whether IP forwarding is on when it boots. Default: off, as on a fresh server. */
  forward?: boolean
  /** Folders of its own besides /run, /var/lib/docker and /var/lib/slash64, below /etc, /opt, /usr, /var/lib or existing ones. */
  private?: readonly string[]
}

/**
 * A machine of the lab: mount, network, pid, UTS and IPC namespaces of its own, with the lab's packages in its /usr. It shares the
 * real machine's files; what it writes to /usr, /etc, /opt, /var/lib and /run stays its own. It ends with this process.
 */
export class Machine implements AsyncDisposable {
  readonly name: string
  /** Its folder on the real machine. */
  readonly dir: string
  readonly #forward: boolean
  readonly #private: readonly string[]
  readonly #forget: () => void
  readonly #started = new Set<Running>()
  #init: { holder: ChildProcess; pid: number } | undefined

  protected constructor(options: MachineOptions) {
    if (!/^[a-z0-9-]+$/.test(options.name))
      throw new Error(`machine name "${options.name}": use lower-case letters, digits and -`)
    this.name = options.name
    this.dir = makeFolder(options.name)
    this.#forward = options.forward ?? false
    this.#private = ['/var/lib/docker', '/var/lib/slash64', ...(options.private ?? [])]
    this.#forget = atExit(() => this.#remove())
    for (const part of ['plugins', 'log', 'home']) mkdirSync(join(this.dir, part))
  }

  /** Sets the lab up when it is not, and boots a machine in about 0.1 s. Throws with what the boot script said when it failed. */
  static async start(options: MachineOptions): Promise<Machine> {
    await Machine.prepare()
    return await new Machine(options).boot()
  }

  protected static async prepare(): Promise<void> {
    await ensureLab()
    sweep()
  }

  /** The pid of its pid 1, as the real machine counts. Throws when the machine is down. */
  get pid(): number {
    if (!this.#init) throw new Error(`${this.name} is down: boot() it first`)
    return this.#init.pid
  }

  /** The path of its network namespace, for setns(2) and `nsenter --net=`. */
  get netns(): string {
    return `/proc/${this.pid}/ns/net`
  }

  /** What is mounted at `path` of this machine, seen from outside. */
  outside(path: string): string {
    return `/proc/${this.pid}/root${path}`
  }

  /** Boots it, again after a powerCut(): its disk is as it was, its network namespace is new. */
  async boot(): Promise<this> {
    if (this.#init) throw new Error(`${this.name} is up already`)
    const unshare = [
      '-m',
      '-n',
      '-p',
      '-u',
      '-i',
      '--fork',
      '--kill-child=KILL',
      '--mount-proc',
      '--propagation',
      'private',
    ]
    const holder = spawn('unshare', [...unshare, 'sh', join(import.meta.dirname, 'machine.sh')], {
      detached: true,
      env: {
        ...this.#environment(),
        NAME: this.name,
        ID: createHash('md5').update(this.name).digest('hex'),
        DIR: this.dir,
        ENGINE: lab.engine,
        FORWARD: this.#forward ? '1' : '0',
        PRIVATE: this.#private.join(' '),
      },
    })
    const said = await firstWords(holder)
    if (said !== 'ready\n') {
      await this.dispose()
      throw new Error(`lab machine ${this.name} did not boot: ${said}`)
    }
    const [, pid = -1] = processTree(holder.pid ?? -1)
    this.#init = { holder, pid }
    return this
  }

  /** A fixed environment: nothing of the caller's (proxies, tracing) reaches the machine. The Node that runs this is in its PATH. */
  #environment(): Record<string, string> {
    const path = `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`
    return { PATH: path, HOME: join(this.dir, 'home'), LANG: 'C.UTF-8' }
  }

  #enter(argv: readonly string[]): string[] {
    return ['nsenter', '-t', String(this.pid), '-m', '-n', '-p', '-u', '-i', '--', ...argv]
  }

  /** Runs a program on this machine to its end; `env` is added to the machine's fixed one. Never throws for an exit code. */
  async exec(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    return await run(this.#enter(argv), { ...options, env: { ...this.#environment(), ...options.env } })
  }

  /** Runs a program on this machine and resolves to its standard output. Throws CommandError when its exit code is not 0. */
  async check(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    return await succeed(this.#enter(argv), { ...options, env: { ...this.#environment(), ...options.env } })
  }

  /** Starts a program that goes on. It writes to `log/<label>.log` of the machine's folder, and ends with the machine. */
  spawn(argv: readonly string[], options: { label?: string; env?: Record<string, string> } = {}): Running {
    const log = join(this.dir, 'log', `${options.label ?? argv[0]?.split('/').at(-1)}.log`)
    const running = Running.start(this.#enter(argv), log, { ...this.#environment(), ...options.env })
    this.#started.add(running)
    return running
  }

  /** Ends everything at once and unasked, as when the power goes. The disk stays for boot(). */
  async powerCut(): Promise<void> {
    const init = this.#init
    if (!init) return
    const ended = new Promise(resolve => init.holder.on('exit', resolve))
    this.#kill()
    await Promise.all([ended, ...Array.from(this.#started, running => running.exited.catch(() => {}))])
    this.#started.clear()
  }

  /** Ends the machine and removes all that it left. May be called twice. */
  async dispose(): Promise<void> {
    await this.powerCut()
    this.#remove()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  /** Kills pid 1, with which the kernel kills all that runs in the pid namespace, and waits until it is gone. */
  #kill(): void {
    const init = this.#init
    if (!init) return
    this.#init = undefined
    if (existsSync(`/proc/${init.pid}`)) process.kill(init.pid, 'SIGKILL')
    for (let waited = 0; existsSync(`/proc/${init.pid}`) && waited < 5000; waited += 5) pause(5)
    init.holder.kill('SIGKILL')
  }

  /** The name of the control group that holds all of its containers. */
  get controlGroup(): string {
    return basename(this.dir)
  }

  #remove(): void {
    this.#kill()
    removeFolder(this.dir)
    this.#forget()
  }
}

/** The first text on the standard output of a program that has just started, or what it complained of when it ends first. */
function firstWords(child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    let complaint = ''
    child.stderr?.on('data', data => {
      complaint += data
    })
    child.stdin?.on('error', () => {})
    child.stdout?.once('data', data => resolve(String(data)))
    child.on('error', error => resolve(error.message))
    child.on('close', code => resolve(complaint || `exit code ${code}`))
  })
}
