import { existsSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { Machine, type MachineOptions } from './machine.ts'
import { type Output, type Running, tail, until } from './process.ts'
import { lab, repository } from './setup.ts'

/** A machine with a Docker Engine of its own and, when asked, slash64. */
export class Host extends Machine {
  /** What `docker network create -d` calls slash64 here: a managed plugin's name ends with its tag. */
  driver = 'slash64'
  /** Where slash64 keeps its state here, as the host sees it. */
  state = '/var/lib/slash64'
  #dockerd: Running | undefined
  #slash64: Running | undefined

  /** Boots a host; Docker and slash64 are started by startDockerd() and startSlash64(). */
  static override async start(options: MachineOptions): Promise<Host> {
    await Machine.prepare()
    return await new Host(options).boot()
  }

  /** The host's /run/docker/plugins, as a folder that is visible from outside. */
  get pluginDir(): string {
    return join(this.dir, 'plugins')
  }

  /** The path of the engine's socket from outside, for dockerode and the like. */
  get dockerSocket(): string {
    return this.outside('/run/docker.sock')
  }

  /** dockerd while it runs. */
  get dockerd(): Running {
    return this.#running(this.#dockerd, 'dockerd', 'startDockerd()')
  }

  /** The slash64 daemon while it runs. */
  get slash64(): Running {
    return this.#running(this.#slash64, 'slash64', 'startSlash64()')
  }

  #running(daemon: Running | undefined, name: string, how: string): Running {
    if (!daemon?.running) throw new Error(`${name} is not running on ${this.name}: ${how} first`)
    return daemon
  }

  /**
   * Starts dockerd, with `args` added, and waits until it answers (0.5 s). The first time it gets the image `busybox`. Throws with
   * the end of its log when it ends instead.
   */
  async startDockerd(...args: string[]): Promise<void> {
    if (this.#dockerd?.running) throw new Error(`dockerd is running on ${this.name} already`)
    rmSync(this.outside('/run/docker.pid'), { force: true }) // of one that was killed; its pid may be somebody else's by now
    const dockerd = this.spawn([
      'dockerd',
      ...[
        '-H',
        'unix:///run/docker.sock',
        '--exec-opt',
        'native.cgroupdriver=cgroupfs',
        '--cgroup-parent',
        `/${this.controlGroup}`,
      ],
      ...args,
    ])
    this.#dockerd = dockerd
    await answer(dockerd, this.dockerSocket, 'GET', '/_ping')
    if ((await this.tryDocker('image', 'inspect', 'busybox')).code !== 0) {
      await this.docker('import', '--change', 'CMD ["sh"]', lab.image, 'busybox')
    }
  }

  /** Ends dockerd, politely or by a crash. Containers end too, unless it runs with --live-restore. */
  async stopDockerd(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.dockerd.stop(signal, 60_000)
  }

  /**
   * Starts the slash64 daemon of this repository, with `env` as its configuration, and waits until its plugin socket answers.
   * Throws with the end of its log when it ends instead.
   */
  async startSlash64(env: Record<string, string> = {}): Promise<void> {
    if (this.#slash64?.running) throw new Error(`slash64 is running on ${this.name} already`)
    const flags = ['--conditions=nftables-js-source', '--disable-warning=ExperimentalWarning']
    const slash64 = this.spawn([process.execPath, ...flags, join(repository, 'src/main.ts')], { label: 'slash64', env })
    this.#slash64 = slash64
    await answer(slash64, join(this.pluginDir, 'slash64.sock'), 'POST', '/Plugin.Activate')
  }

  /** Ends the slash64 daemon and resolves to its exit code. */
  async stopSlash64(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number> {
    return await this.slash64.stop(signal)
  }

  /** Runs the docker CLI on the host and resolves to what it printed, trimmed. Throws CommandError, with its words, on failure. */
  async docker(...args: string[]): Promise<string> {
    return (await this.check(['docker', ...args])).trim()
  }

  /** Runs the docker CLI on the host and resolves to the outcome, good or bad. */
  async tryDocker(...args: string[]): Promise<Output> {
    return await this.exec(['docker', ...args])
  }

  /** Runs Docker Compose on the host with `dir/compose.yaml`. Throws CommandError on failure. */
  async compose(dir: string, ...args: string[]): Promise<string> {
    return await this.docker('compose', '-f', join(dir, 'compose.yaml'), '--progress', 'quiet', ...args)
  }

  /** The last lines that dockerd and slash64 logged, for the message of a test that failed. */
  logTail(lines = 15): string {
    const logs = ['dockerd', 'slash64'].map(name => join(this.dir, 'log', `${name}.log`)).filter(existsSync)
    return logs.map(file => `${file}\n${tail(readFileSync(file, 'utf8'), lines)}`).join('\n')
  }
}

/** Waits until a daemon answers HTTP on its unix socket. Throws with the end of its log when it ends first, or after 30 s. */
async function answer(daemon: Running, socketPath: string, method: string, path: string): Promise<void> {
  const failure = () => `${daemon.argv.join(' ')} does not answer on ${socketPath}\n${tail(daemon.log())}`
  const probe = async () => {
    if (!daemon.running) throw new Error(failure())
    return (await status(socketPath, method, path)) === 200
  }
  await until(probe, 30_000, failure)
}

function status(socketPath: string, method: string, path: string): Promise<number | undefined> {
  return new Promise(resolve => {
    const question = request({ socketPath, method, path }, answer => {
      answer.resume()
      resolve(answer.statusCode)
    })
    question.on('error', () => resolve(undefined))
    question.end()
  })
}
