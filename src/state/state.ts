// The state in memory: the promises, and the indexes that let decide() answer in constant time.
import type { GroupBits } from '../address/group.ts'
import type { AllowEntry } from '../policy/allow.ts'
import type { Change, Creation, Endpoint, EndpointId, Lease, Network, NetworkId, Pool, PoolId } from './model.ts'

/** Highest endpoint number of a pool; 0 is the subnet-router anycast address, 65535 stays free. */
export const LAST_NUMBER = 65534

/** A group as its networks on this host make it. */
export interface GroupUse {
  readonly name: string | undefined
  readonly allow: readonly AllowEntry[]
  readonly internal: boolean
  readonly networks: ReadonlySet<NetworkId>
}

/** A pool with its numbers: who holds which, which was never used, and which are free again, oldest first. */
export interface PoolUse {
  readonly pool: Pool
  readonly networks: ReadonlySet<NetworkId>
  readonly endpoints: ReadonlyMap<number, EndpointId>
  readonly leases: ReadonlyMap<number, Lease>
  /** The lowest number never used: those below are used or in `freed`; `asked` holds the ones above that somebody asked for by address. */
  readonly next: number
  readonly asked: ReadonlySet<number>
  readonly freed: ReadonlySet<number>
}

export interface State {
  readonly networks: ReadonlyMap<NetworkId, Network>
  readonly endpoints: ReadonlyMap<EndpointId, Endpoint>
  readonly pools: ReadonlyMap<PoolId, PoolUse>
  readonly groups: ReadonlyMap<GroupBits, GroupUse>
  /** The endpoints that joined a sandbox, by the sandbox's path. */
  readonly sandboxes: ReadonlyMap<string, ReadonlySet<EndpointId>>
  readonly creation: Creation | undefined
}

type Mutable<T> = {
  -readonly [K in keyof T]: T[K] extends ReadonlyMap<infer A, infer B>
    ? Map<A, B extends PoolUse | GroupUse ? Mutable<B> : B extends ReadonlySet<infer C> ? Set<C> : B>
    : T[K] extends ReadonlySet<infer A>
      ? Set<A>
      : T[K]
}

/** A state without networks. */
export function emptyState(): State {
  return {
    networks: new Map(),
    endpoints: new Map(),
    pools: new Map(),
    groups: new Map(),
    sandboxes: new Map(),
    creation: undefined,
  }
}

/** The state that was stored. Numbers up to `reserved` that no endpoint holds count as freed. */
export function loadedState(stored: {
  networks: readonly Network[]
  endpoints: readonly Endpoint[]
  pools: readonly Pool[]
}): State {
  const state = emptyState()
  const step = (change: Change): void => commit(state, [change])
  const used = new Set(stored.networks.map(network => network.pool))
  for (const pool of stored.pools) {
    if (used.has(pool.id)) step({ kind: 'pool', id: pool.id, before: undefined, after: pool })
  }
  for (const network of stored.networks) step({ kind: 'network', id: network.id, before: undefined, after: network })
  for (const endpoint of stored.endpoints) {
    if (state.networks.has(endpoint.network))
      step({ kind: 'endpoint', id: endpoint.id, before: undefined, after: endpoint })
  }
  for (const use of state.pools.values()) {
    for (let number = use.next; number <= use.pool.reserved; number++) settle(use as Mutable<PoolUse>, number)
  }
  return state
}

/** Takes the changes into the state. The only place that writes to it. */
export function commit(state: State, changes: readonly Change[]): void {
  const mutable = state as Mutable<State>
  for (const change of changes) {
    switch (change.kind) {
      case 'network':
        put(mutable.networks, change.id, change.after)
        countNetwork(mutable, change.before, change.after)
        break
      case 'endpoint':
        put(mutable.endpoints, change.id, change.after)
        countEndpoint(mutable, change.before, change.after)
        break
      case 'pool':
        commitPool(mutable, change.id, change.after)
        break
      case 'lease': {
        const use = mutable.pools.get(change.id)
        if (use) {
          put(use.leases, change.number, change.after)
          settle(use, change.number)
        }
        break
      }
      case 'creation':
        mutable.creation = change.after
        break
      default:
        change satisfies never
    }
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}

function commitPool(state: Mutable<State>, id: PoolId, pool: Pool | undefined): void {
  const use = state.pools.get(id)
  if (!pool) state.pools.delete(id)
  else if (use) use.pool = pool
  else {
    state.pools.set(id, {
      pool,
      networks: new Set(),
      endpoints: new Map(),
      leases: new Map(),
      next: 1,
      asked: new Set(),
      freed: new Set(),
    })
  }
}

function countNetwork(state: Mutable<State>, before: Network | undefined, after: Network | undefined): void {
  if (before) {
    state.pools.get(before.pool)?.networks.delete(before.id)
    const group = state.groups.get(before.group)
    group?.networks.delete(before.id)
    if (group?.networks.size === 0) state.groups.delete(before.group)
    else if (group) group.name = nameOf(state, group.networks)
  }
  if (after) {
    state.pools.get(after.pool)?.networks.add(after.id)
    const group = state.groups.get(after.group)
    const networks = (group?.networks ?? new Set<NetworkId>()).add(after.id)
    state.groups.set(after.group, {
      name: group?.name ?? after.groupName,
      allow: after.allow,
      internal: after.internal === true,
      networks,
    })
  }
}

/** A network that was chosen by number gives its group no name; another one of the group may. */
function nameOf(state: State, networks: ReadonlySet<NetworkId>): string | undefined {
  for (const id of networks) {
    const name = state.networks.get(id)?.groupName
    if (name !== undefined) return name
  }
  return undefined
}

function countEndpoint(state: Mutable<State>, before: Endpoint | undefined, after: Endpoint | undefined): void {
  if (before?.sandbox !== undefined) leaveSandbox(state, before.sandbox, before.id)
  if (after?.sandbox !== undefined) {
    const joined = state.sandboxes.get(after.sandbox) ?? new Set<EndpointId>()
    state.sandboxes.set(after.sandbox, joined.add(after.id))
  }
  const one = after ?? before
  const use = one && state.pools.get(one.pool)
  if (!use) return
  put(use.endpoints, one.number, after?.id)
  settle(use, one.number)
}

function leaveSandbox(state: Mutable<State>, sandbox: string, id: EndpointId): void {
  const joined = state.sandboxes.get(sandbox)
  joined?.delete(id)
  if (joined?.size === 0) state.sandboxes.delete(sandbox)
}

/** Sorts a number whose holder changed into used, freed or asked for. */
function settle(use: Mutable<PoolUse>, number: number): void {
  const held = use.endpoints.has(number) || use.leases.has(number)
  if (number >= use.next) use.asked.add(number)
  else if (held) use.freed.delete(number)
  else use.freed.add(number)
  while (use.asked.delete(use.next)) {
    if (!use.endpoints.has(use.next) && !use.leases.has(use.next)) use.freed.add(use.next)
    use.next++
  }
}
