// Requests of an engine as short as tests want them, and a strict world for them to happen in.
import assert from 'node:assert/strict'
import { namedGroup } from '../../src/address/group.ts'
import { groupPool } from '../../src/address/plan.ts'
import { parseHostPrefix } from '../../src/address/prefix.ts'
import { type ErrorCode, PluginError } from '../../src/errors.ts'
import type { PortMapping } from '../../src/policy/published.ts'
import type {
  Command,
  CommandOf,
  CommandType,
  Context,
  Decision,
  NetworkOptions,
  Replies,
} from '../../src/state/command.ts'
import { decide } from '../../src/state/decide.ts'
import type { Change, EndpointId, NetworkId, PoolId } from '../../src/state/model.ts'
import { commit, loadedState, type State } from '../../src/state/state.ts'
import { FakeStore } from './fake-store.ts'

export const PREFIX = parseHostPrefix('2001:db8:1:a::/64', { allowDocumentation: true })

/** Two names whose groups have the same 31 bits. */
export const COLLIDING = ['g1548', 'g46712'] as const

/** Ids differ in their first 12 digits, as those of an engine do. */
export function networkId(number: number): NetworkId {
  return `${number.toString(16).padStart(12, '0')}${'a'.repeat(52)}` as NetworkId
}

export function endpointId(number: number): EndpointId {
  return `${number.toString(16).padStart(12, '0')}${'e'.repeat(52)}` as EndpointId
}

export function poolOf(group: string, prefix = PREFIX): PoolId {
  return groupPool(prefix, namedGroup(group).bits) as PoolId
}

/** Address of an endpoint number in a named group's pool, without a length. */
export function addressIn(pool: string, number: number): string {
  return pool.replace(/:0\/112$/, `:${number.toString(16)}`)
}

export function contextOf(parts: Partial<Context> = {}): Context {
  return { now: 1_000_000, random: 7, boot: 'boot-1', prefix: PREFIX, ...parts }
}

/** What `--ipv4=false --ipv6` and these `-o` options give. */
export function optionsOf(driver: Readonly<Record<string, string>> = {}, over: Partial<NetworkOptions> = {}) {
  return { driver, ipv4: false, ipv6: true, internal: false, ...over }
}

export const published = (port: number, over: Partial<PortMapping> = {}): PortMapping => {
  return { protocol: 6, port, hostIp: '', hostPort: port, hostPortEnd: port, ...over }
}

export const check = (driver?: Record<string, string>, over?: Partial<NetworkOptions>) =>
  ({ type: 'checkGatewayAllocation', options: optionsOf(driver, over) }) as const satisfies Command

export const requestPool = (parts: Partial<CommandOf<'requestPool'>> = {}): CommandOf<'requestPool'> => {
  return { type: 'requestPool', pool: '', subPool: '', ipv6: true, options: {}, ...parts }
}

export const createNetwork = (network: number, pool: string, parts: Partial<CommandOf<'createNetwork'>> = {}) => {
  const data = [{ pool, gateway: '', auxiliary: [] }]
  const options = optionsOf()
  return { type: 'createNetwork', network: networkId(network), options, ipv4: [], ipv6: data, ...parts } as const
}

export const deleteNetwork = (network: number) =>
  ({ type: 'deleteNetwork', network: networkId(network) }) as const satisfies Command

export const releasePool = (pool: PoolId) => ({ type: 'releasePool', pool }) as const satisfies Command

export const requestAddress = (pool: PoolId, address = '', gateway = false) =>
  ({ type: 'requestAddress', pool, address, gateway }) as const satisfies Command

export const releaseAddress = (pool: PoolId, address: string) =>
  ({ type: 'releaseAddress', pool, address }) as const satisfies Command

export const createEndpoint = (
  network: number,
  endpoint: number,
  addressIPv6: string,
  parts: Partial<CommandOf<'createEndpoint'>> = {},
): CommandOf<'createEndpoint'> => ({
  type: 'createEndpoint',
  ...{ network: networkId(network), endpoint: endpointId(endpoint) },
  ...{ address: '', addressIPv6, mac: '', ports: [], options: {} },
  ...parts,
})

const of = (network: number, endpoint: number) => ({ network: networkId(network), endpoint: endpointId(endpoint) })

export const join = (network: number, endpoint: number, sandbox: string, ports: readonly PortMapping[] = []) =>
  ({ type: 'join', ...of(network, endpoint), sandbox, ports }) as const satisfies Command

export const settle = (network: number, endpoint: number) =>
  ({ type: 'settle', ...of(network, endpoint) }) as const satisfies Command

export const leave = (network: number, endpoint: number) =>
  ({ type: 'leave', ...of(network, endpoint) }) as const satisfies Command

export const deleteEndpoint = (network: number, endpoint: number) =>
  ({ type: 'deleteEndpoint', ...of(network, endpoint) }) as const satisfies Command

/** Decides, stores and commits, and holds every change against what is there: a step from what is not so is an error. */
export class World {
  readonly store = new FakeStore()
  state: State = loadedState(this.store.load())
  context: Context

  constructor(context: Partial<Context> = {}) {
    this.context = contextOf(context)
  }

  /** What the command would do. Deciding twice gives the same, and changes nothing. */
  decide<T extends CommandType>(command: CommandOf<T>): Decision<T> {
    const before = structuredClone(this.state)
    const outcomes = [1, 2].map(() => outcomeOf(() => decide<T>(this.state, command, this.context)))
    assert.deepEqual(this.state, before, 'deciding changes nothing')
    assert.deepEqual(outcomes[0], outcomes[1], 'the same state and command decide the same')
    return decide<T>(this.state, command, this.context)
  }

  run<T extends CommandType>(command: CommandOf<T>): Replies[T] {
    const { changes, reply } = this.decide(command)
    this.store.write(changes)
    for (const change of changes) {
      assert.deepEqual(presentOf(this.state, change), change.before, `${change.kind} ${change.id}: what was before`)
      commit(this.state, [change])
    }
    return reply
  }

  runAll(...commands: readonly Command[]): void {
    for (const command of commands) this.run(command)
  }

  /** The daemon dies and another one loads what was stored. */
  crash(): void {
    this.state = loadedState(this.store.load())
  }

  /** A network of a named group, the way an engine makes it; its pool. */
  network(network: number, group: string, options: Record<string, string> = {}): PoolId {
    this.run(check({ group, ...options }))
    const { id } = this.run(requestPool())
    this.run(createNetwork(network, id, { options: optionsOf({ group, ...options }) }))
    return id
  }

  /** An endpoint up to CreateEndpoint; its address with its length. */
  endpoint(network: number, endpoint: number, pool: PoolId): string {
    const { address } = this.run(requestAddress(pool))
    this.run(createEndpoint(network, endpoint, address))
    return address
  }

  /** Asserts that the command fails with this code and a sentence that holds all of these words; nothing changes. */
  fails(command: Command, code: ErrorCode, ...words: readonly string[]): void {
    const error = outcomeOf(() => this.decide(command as never)) as PluginError
    assert.ok(error instanceof PluginError, `${command.type} should fail with ${code}, but: ${JSON.stringify(error)}`)
    assert.equal(error.code, code, error.message)
    for (const word of words) {
      assert.ok(error.message.includes(word), `${JSON.stringify(error.message)} should have ${JSON.stringify(word)}`)
    }
  }
}

function outcomeOf<T>(work: () => T): T | PluginError {
  try {
    return work()
  } catch (error) {
    if (error instanceof PluginError) return error
    throw error
  }
}

function presentOf(state: State, change: Change): unknown {
  switch (change.kind) {
    case 'network':
      return state.networks.get(change.id)
    case 'endpoint':
      return state.endpoints.get(change.id)
    case 'pool':
      return state.pools.get(change.id)?.pool
    case 'lease':
      return state.pools.get(change.id)?.leases.get(change.number)
    case 'creation':
      return state.creation
    default:
      return change satisfies never
  }
}
