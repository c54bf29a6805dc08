// A host with Docker Engine and slash64 behind a router, for the tests of one file to share.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { type Output, type Running, until } from '../lab/process.ts'
import { repository } from '../lab/setup.ts'
import { Topology } from '../lab/topology.ts'
import { inContainer } from './container.ts'
import type { Finding, Probe } from './probe.ts'
import type { Conversation } from './talk.ts'

export const PREFIX = '2001:db8:100:a::/64'
export const UPLINK = '2001:db8:100::a'
export const ENVIRONMENT = { SLASH64_PREFIX: PREFIX, SLASH64_ALLOW_DOC_PREFIX: '1' }
/** What every slash64 network is created with. */
export const OURS = oursOf('slash64')

function oursOf(driver: string): string[] {
  return ['-d', driver, '--ipam-driver', driver, '--ipv4=false', '--ipv6']
}

const NODE = [process.execPath, '--disable-warning=ExperimentalWarning']
const script = (name: string): string => join(repository, 'test/support', name)

export interface StageOptions {
  readonly name: string
  /** Configuration of slash64; without one it gets PREFIX. */
  readonly env?: Record<string, string>
  readonly dockerd?: readonly string[]
}

/** A host with Docker Engine behind a router, and no slash64 yet. */
export interface BareHost extends AsyncDisposable {
  readonly host: Host
  readonly topology: Topology
}

/** Starts one; disposing of it ends both. */
export async function bareHost(name: string): Promise<BareHost> {
  const host = await Host.start({ name, forward: true })
  const topology = await Topology.up({ hosts: [{ host, prefix: PREFIX, uplinkAddress: UPLINK }] })
  await host.startDockerd()
  return {
    host,
    topology,
    async [Symbol.asyncDispose]() {
      await topology.dispose()
      await host.dispose()
    },
  }
}

/** Everything runs when this resolves (about 1 s). */
export class Stage implements AsyncDisposable {
  readonly host: Host
  readonly topology: Topology
  readonly #env: Record<string, string>
  readonly #dockerd: readonly string[]

  private constructor(host: Host, topology: Topology, { env = ENVIRONMENT, dockerd = [] }: StageOptions) {
    this.host = host
    this.topology = topology
    this.#env = env
    this.#dockerd = dockerd
  }

  static async up(options: StageOptions): Promise<Stage> {
    const host = await Host.start({ name: options.name, forward: true })
    const topology = await Topology.up({ hosts: [{ host, prefix: PREFIX, uplinkAddress: UPLINK }] })
    const stage = new Stage(host, topology, options)
    await stage.startDockerd()
    await stage.startSlash64()
    return stage
  }

  startDockerd(): Promise<void> {
    return this.host.startDockerd(...this.#dockerd)
  }

  startSlash64(): Promise<void> {
    return this.host.startSlash64(this.#env)
  }

  /** Ends slash64 and starts it again. */
  async restartSlash64(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.host.stopSlash64(signal)
    await this.startSlash64()
  }

  /** Starts what a test that failed did not start again. */
  async resume(): Promise<void> {
    if (!runs(() => this.host.slash64)) await this.startSlash64()
    if (!runs(() => this.host.dockerd)) await this.startDockerd()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.topology.dispose()
    await this.host.dispose()
  }
}

/** Whether a daemon of a host is running, such as `runs(() => host.slash64)`: the getter throws when it is not. */
export function runs(daemon: () => unknown): boolean {
  try {
    daemon()
    return true
  } catch {
    return false
  }
}

/** Creates a slash64 network; `options` are further arguments. Throws CommandError. */
export async function createNetwork(host: Host, name: string, ...options: string[]): Promise<string> {
  return host.docker('network', 'create', ...oursOf(host.driver), ...options, name)
}

/** The same, good or bad. */
export function tryNetwork(host: Host, name: string, ...options: string[]): Promise<Output> {
  return host.tryDocker('network', 'create', ...oursOf(host.driver), ...options, name)
}

/** Starts a container that does nothing; `options` are further arguments of `docker run`. It ends at the first signal. */
export function idle(host: Host, name: string, network: string, ...options: string[]): Promise<string> {
  return host.docker('run', '-d', '--name', name, '--network', network, ...options, ...IDLE)
}

/** Image and command of a container that does nothing and ends at the first signal. */
export const IDLE = ['--stop-signal', 'KILL', 'busybox', 'sleep', '1000']

/** Starts a container with a server of peer.ts on these ports, and waits until it listens. */
export async function serve(
  host: Host,
  name: string,
  network: string,
  ports: readonly number[],
  ...options: string[]
): Promise<void> {
  const folders = ['/usr', '/lib', '/lib64', dirname(process.execPath), repository].filter(path => existsSync(path))
  const mounts = folders.flatMap(path => ['--mount', `type=bind,src=${path},dst=${path},ro,bind-recursive=disabled`])
  const command = ['busybox', ...NODE, script('peer.ts'), ...ports.map(String)]
  await host.docker('run', '-d', '--name', name, '--network', network, ...mounts, ...options, ...command)
  await until(
    async () => (await host.docker('logs', name)).includes('ready'),
    10_000,
    () => `the server of ${name} does not listen`,
  )
}

/** Waits until the server in a container that was started again listens. */
export async function listening(host: Host, name: string): Promise<void> {
  // 0A is TCP_LISTEN (linux include/net/tcp_states.h).
  const probe = ['grep', '-q', ' 0A ', '/proc/net/tcp6']
  await until(
    () =>
      inContainer(host, name, probe).then(
        () => true,
        () => false,
      ),
    10_000,
    () => `the server of ${name} does not listen`,
  )
}

/** Asks from a container, all at once. */
export async function probe(host: Host, container: string, probes: readonly Probe[]): Promise<Finding[]> {
  return JSON.parse(await inContainer(host, container, [...NODE, script('probe.ts'), JSON.stringify(probes)]))
}

/** Asks from a machine, all at once. */
export async function probeFrom(machine: Machine, probes: readonly Probe[]): Promise<Finding[]> {
  return JSON.parse(await machine.check([...NODE, script('probe.ts'), JSON.stringify(probes)]))
}

/** A conversation of talk.ts that goes on beside the test. */
export class Talk implements AsyncDisposable {
  readonly #running: Running

  private constructor(running: Running) {
    this.#running = running
  }

  /** Begins one, from the machine itself or from a container on it, and waits until it flows. */
  static async begin(machine: Machine, address: string, port: number, pid?: string): Promise<Talk> {
    const enter = pid === undefined ? [] : ['nsenter', '-t', pid, '-n', '--']
    const label = `talk-${++talks}`
    const running = machine.spawn([...enter, ...NODE, script('talk.ts'), address, String(port)], { label })
    const talk = new Talk(running)
    await until(
      () => running.log().includes('ready'),
      5000,
      () => `no conversation with ${address} from ${machine.name}: ${running.log()}`,
    )
    return talk
  }

  /** Ends it; what became of it. */
  async end(): Promise<Conversation> {
    await this.#running.stop('SIGTERM')
    const last = this.#running.log().trimEnd().split('\n').at(-1) ?? ''
    return JSON.parse(last)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.stop('SIGKILL')
  }
}

let talks = 0

/** Starts a server of peer.ts on a machine itself, and waits until it listens. */
export async function serveOn(machine: Machine, ports: readonly number[]): Promise<Running> {
  const label = `peer-${++servers}`
  const running = machine.spawn([...NODE, script('peer.ts'), ...ports.map(String)], { label })
  await until(
    () => running.log().includes('ready'),
    5000,
    () => `the server on ${machine.name} does not listen: ${running.log()}`,
  )
  return running
}

let servers = 0
