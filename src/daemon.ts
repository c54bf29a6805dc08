// The single writer. A request is decide -> project -> diff -> apply -> store -> commit -> reply, in one synchronous run: JavaScript's
// run-to-completion is the lock.
import type { Logger } from 'pino'
import type { Operation } from './dataplane/diff.ts'
import { diff, inverse } from './dataplane/diff.ts'
import { projectChanges } from './dataplane/project.ts'
import { PluginError } from './errors.ts'
import type { CommandOf, CommandType, Context, Replies } from './state/command.ts'
import { decide } from './state/decide.ts'
import type { Change } from './state/model.ts'
import { commit, type State } from './state/state.ts'
import { Turns } from './turns.ts'

/** After this long a network creation that dockerd began and did not finish stands in nobody's way, in milliseconds. */
export const CREATION_MS = 5000

/** Milliseconds that a creation waits for its turn: less than the deadline of a request, so that nobody enters whom dockerd has given up. */
const WAIT_MS = 8000

export interface DaemonParts {
  readonly state: State
  readonly kernel: {
    apply(operations: readonly Operation[]): void
    isMarked(sandbox: string): boolean
    repair(operations: readonly Operation[]): { error: unknown }[]
  }
  readonly store: { write(changes: readonly Change[]): void }
  readonly context: () => Context
  readonly log: Logger
}

export class Daemon {
  readonly #parts: DaemonParts
  readonly #creations: Turns

  constructor(parts: DaemonParts) {
    this.#parts = parts
    this.#creations = new Turns({
      patience: CREATION_MS,
      expired: () => this.#abandonCreation(),
      limit: WAIT_MS,
      refused: () => new PluginError('CREATION_BUSY', String(WAIT_MS)),
    })
  }

  /**
   * Executes one command. Network creations take turns from GwAllocCheck to CreateNetwork: the pool is asked for by a call that does not say
   * for which network, so there may be only one that it can be for. Rejects with what decide, kernel or store threw; then nothing changed.
   */
  async submit<T extends CommandType>(command: CommandOf<T>): Promise<Replies[T]> {
    if (command.type === 'checkGatewayAllocation') await this.#creations.enter()
    const opening = command.type === 'checkGatewayAllocation' || this.#parts.state.creation !== undefined
    try {
      return this.#execute(command)
    } catch (error) {
      if (this.#endsCreation(command)) this.#closeCreation()
      throw error
    } finally {
      // Only who held the turn may end it: the next holder may be on its way in.
      if (opening && this.#parts.state.creation === undefined) this.#creations.leave()
    }
  }

  #execute<T extends CommandType>(command: CommandOf<T>): Replies[T] {
    const { state, kernel, store, log } = this.#parts
    const { changes, reply, notes = [] } = decide<T>(state, command, this.#context(command))
    const { before, after } = projectChanges(state, changes)
    const operations = diff(before, after)
    kernel.apply(operations)
    try {
      store.write(changes)
    } catch (error) {
      // What was open must not stay open because something else cannot be put back.
      for (const failure of kernel.repair(inverse(operations))) log.error({ err: failure.error }, 'could not be undone')
      throw error
    }
    commit(state, changes)
    for (const note of notes) log.warn({ rpc: command.type }, note)
    return reply
  }

  #context(command: CommandOf<CommandType>): Context {
    const { kernel, context } = this.#parts
    return command.type === 'join' ? { ...context(), sandboxUsed: kernel.isMarked(command.sandbox) } : context()
  }

  /** dockerd gives a creation up when one of these fails, and tells nobody. */
  #endsCreation(command: CommandOf<CommandType>): boolean {
    const { creation } = this.#parts.state
    if (!creation) return false
    // GwAllocCheck let no network with IPv4 in: a request for IPv4 is another driver's.
    if (command.type === 'requestPool') return command.ipv6
    if (command.type !== 'createNetwork') return false
    return creation.pool === undefined || command.ipv6.some(({ pool }) => pool === creation.pool)
  }

  #abandonCreation(): void {
    this.#parts.log.warn({ creation: this.#parts.state.creation }, 'dockerd did not finish a network creation')
    this.#closeCreation()
  }

  /** Always closes it: a pool that cannot be released now (a full disk) stays without a network, and the next start forgets it. */
  #closeCreation(): void {
    const { state, log } = this.#parts
    const pool = state.creation?.pool
    try {
      if (pool !== undefined) this.#execute({ type: 'releasePool', pool })
    } catch (error) {
      log.error({ err: error, pool }, 'the pool of a failed creation could not be released')
    }
    if (state.creation) commit(state, [{ kind: 'creation', id: 'creation', before: state.creation, after: undefined }])
  }
}
