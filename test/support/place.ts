// A daemon with a strict kernel and a strict store, and the life of one container.
import { pino } from 'pino'
import { Daemon } from '../../src/daemon.ts'
import type { Item } from '../../src/dataplane/item.ts'
import { prefixItems } from '../../src/dataplane/project.ts'
import type { Command, CommandOf, CommandType, Replies } from '../../src/state/command.ts'
import { emptyState, loadedState, type State } from '../../src/state/state.ts'
import {
  addressIn,
  check,
  contextOf,
  createEndpoint,
  createNetwork,
  deleteEndpoint,
  deleteNetwork,
  join,
  leave,
  optionsOf,
  PREFIX,
  poolOf,
  published,
  releaseAddress,
  releasePool,
  requestAddress,
  requestPool,
} from './commands.ts'
import { FakeKernel } from './fake-kernel.ts'
import { FakeStore } from './fake-store.ts'

export const HOST: readonly Item[] = [
  { kind: 'table', family: 'inet', name: 'slash64', digest: 'd' },
  ...prefixItems(PREFIX),
]
export const WEB = poolOf('web')
export const ONE = addressIn(WEB, 1)
export const SANDBOX = '/var/run/docker/netns/14489458cf8c'
export const options = { group: 'web', allow: 'db:80,api:1-300' }

/** A whole life: a network, a container in it, and the end of both. */
export const LIFE: readonly Command[] = [
  check(options),
  requestPool(),
  createNetwork(1, WEB, { options: optionsOf(options) }),
  requestAddress(WEB),
  createEndpoint(1, 1, `${ONE}/128`),
  join(1, 1, SANDBOX, [published(80), published(443)]),
  leave(1, 1),
  deleteEndpoint(1, 1),
  releaseAddress(WEB, ONE),
  createEndpoint(1, 2, `${ONE}/128`),
  join(1, 2, '/var/run/docker/netns/2', [published(80)]),
  releasePool(WEB),
  deleteNetwork(1),
]

/** One host: whatever a daemon changes can be dumped, and the daemon may die. */
export class Place {
  readonly kernel = new FakeKernel(HOST)
  readonly store = new FakeStore()
  readonly lines: { level: number; msg: string }[] = []
  state: State = emptyState()
  daemon: Daemon
  #random = 0

  constructor() {
    this.daemon = this.#start()
  }

  #start(): Daemon {
    const { state, kernel, store } = this
    const log = pino({ base: null }, { write: (line: string) => this.lines.push(JSON.parse(line)) })
    const context = () => contextOf({ random: this.#random++ })
    return new Daemon({ state, kernel, store, context, log })
  }

  /** The daemon dies; another one loads what is stored. */
  crash(): void {
    this.state = loadedState(this.store.load())
    this.daemon = this.#start()
  }

  submit<T extends CommandType>(command: CommandOf<T>): Promise<Replies[T]> {
    return this.daemon.submit(command)
  }

  /** A copy of everything that there is. */
  dump() {
    return structuredClone({ kernel: this.kernel.dump(), store: this.store.load(), state: this.state })
  }

  async live(commands: readonly Command[]): Promise<void> {
    for (const command of commands) await this.submit(command as never)
  }
}

/** Lets everything go on that waits for promises only. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

/** Whether a promise is still waiting. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  promise.then(
    () => (pending = false),
    () => (pending = false),
  )
  await settle()
  return pending
}
