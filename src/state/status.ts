// What people see of the state: groups with their networks and endpoints, joined with the names that Docker has for them.
import { type GroupBits, groupText, isLocal } from '../address/group.ts'
import { groupPool, linkName } from '../address/plan.ts'
import type { HostPrefix } from '../address/prefix.ts'
import { formatEntry } from '../policy/allow.ts'
import { formatPort } from '../policy/published.ts'
import type { Endpoint, EndpointId, Network, NetworkId } from './model.ts'
import type { GroupUse, State } from './state.ts'

/** What a daemon is, beside its state. Prefixes and CIDRs in canonical text. */
export interface Facts {
  readonly version: string
  /** Of new networks. */
  readonly prefix: HostPrefix
  readonly fleet: readonly string[]
  /** Names of links. */
  readonly uplinks: readonly string[]
}

/** The names that Docker has, by id; a container's by those of its endpoints. */
export interface DockerNames {
  /** Of the engine, such as `28.5.2`. */
  readonly version: string
  readonly networks: ReadonlyMap<string, string>
  readonly containers: ReadonlyMap<string, string>
}

/** Whether Docker told its names: where it did not, networks and endpoints have none. */
export type DockerState = 'answering' | 'not answering' | 'not asked'

/** An id as Docker has it, and the name where it is known. */
export interface NetworkName {
  readonly id: string
  readonly name?: string
}

export interface EndpointStatus {
  readonly id: string
  /** Name of the container. */
  readonly container?: string
  readonly address: string
  readonly mac: string
  /** Name of the link on the host, once there is one. */
  readonly link?: string
  /** `created` has no link yet, `joined` has traffic, `left` is closed and about to go. */
  readonly phase: Endpoint['phase']
  /** How the container's end came into it, once it did. */
  readonly birth?: 'in place' | 'moved'
  /** What `-p` opens, as `443/tcp`. */
  readonly published: readonly string[]
}

export interface NetworkStatus extends NetworkName {
  /** The /112 of its addresses. */
  readonly pool: string
  /** In the order of their numbers. */
  readonly endpoints: readonly EndpointStatus[]
}

export interface GroupStatus {
  /** Absent: a group of this host only, or one chosen by number (`--subnet`). */
  readonly name?: string
  /** The 32 bits as they stand in addresses, `5c1f:8e02`. */
  readonly number: string
  /** The group exists on this host only. */
  readonly local: boolean
  /** Its /112 in the prefix of this host: what `--subnet` takes to select the group by number. */
  readonly pool: string
  /** Who may open connections to it, as the option `allow` is written: `web:80/tcp`. */
  readonly allow: readonly string[]
  readonly internal: boolean
  /** In the order of their names, then of their ids. */
  readonly networks: readonly NetworkStatus[]
}

/** A host prefix in use. Networks stay in the prefix in which they were created. */
export interface PrefixStatus {
  readonly prefix: string
  /** It is the one of new networks; networks in any other have to be re-created to come into this one. */
  readonly current: boolean
  readonly networks: readonly NetworkName[]
}

export interface Status {
  readonly version: string
  readonly prefix: string
  /** The current one first. */
  readonly prefixes: readonly PrefixStatus[]
  readonly fleet: readonly string[]
  readonly uplinks: readonly string[]
  readonly docker: { readonly state: DockerState; readonly version?: string }
  /** Those with a name first, in its order; then the others by number. */
  readonly groups: readonly GroupStatus[]
}

/** The status of a host. `docker` is what Docker told, or why it did not. The same arguments always give the same order. */
export function statusOf(state: State, facts: Facts, docker: DockerNames | Exclude<DockerState, 'answering'>): Status {
  const { version, prefix, fleet, uplinks } = facts
  const answered = typeof docker === 'string' ? undefined : docker
  const names = (network: Network): NetworkName => named(network.id, answered?.networks.get(network.id))
  const endpoints = endpointsByNetwork(state, answered)
  const networks = (group: GroupUse): NetworkStatus[] =>
    present(group.networks, state.networks)
      .map(network => ({ ...names(network), pool: network.pool, endpoints: endpoints.get(network.id) ?? [] }))
      .sort(byName)
  return {
    version,
    prefix: prefix.text,
    prefixes: prefixesOf(state, prefix.text, names),
    fleet,
    uplinks,
    docker: typeof docker === 'string' ? { state: docker } : { state: 'answering', version: docker.version },
    groups: [...state.groups]
      .map(([bits, group]) => ({ ...groupStatus(bits, group, prefix), networks: networks(group) }))
      .sort(byNameThenNumber),
  }
}

function groupStatus(bits: GroupBits, { name, allow, internal }: GroupUse, prefix: HostPrefix) {
  return {
    ...(name === undefined ? {} : { name }),
    number: groupText(bits),
    local: isLocal(bits),
    pool: groupPool(prefix, bits),
    allow: allow.map(formatEntry),
    internal,
  }
}

function prefixesOf(state: State, current: string, names: (network: Network) => NetworkName): PrefixStatus[] {
  const networks = [...state.networks.values()]
  const old = new Set(networks.map(({ prefix }) => prefix).filter(prefix => prefix !== current))
  return [current, ...[...old].sort()].map(prefix => ({
    prefix,
    current: prefix === current,
    networks: networks
      .filter(network => network.prefix === prefix)
      .map(names)
      .sort(byName),
  }))
}

function endpointsByNetwork(state: State, docker: DockerNames | undefined): Map<NetworkId, EndpointStatus[]> {
  const found = new Map<NetworkId, EndpointStatus[]>()
  const sorted = [...state.endpoints.values()].sort((a, b) => a.number - b.number)
  for (const endpoint of sorted) {
    const others = found.get(endpoint.network) ?? []
    others.push(endpointStatus(endpoint, docker?.containers.get(endpoint.id)))
    found.set(endpoint.network, others)
  }
  return found
}

function endpointStatus(endpoint: Endpoint, container: string | undefined): EndpointStatus {
  const { id, address, mac, phase, published, moved } = endpoint
  return {
    id,
    ...(container === undefined ? {} : { container }),
    address,
    mac,
    ...(phase === 'created' ? {} : { link: linkName(id), birth: moved ? 'moved' : 'in place' }),
    phase,
    published: published.map(formatPort),
  }
}

function named(id: NetworkId | EndpointId, name: string | undefined): NetworkName {
  return { id, ...(name === undefined ? {} : { name }) }
}

function present<K, V>(keys: Iterable<K>, map: ReadonlyMap<K, V>): V[] {
  return [...keys].flatMap(key => map.get(key) ?? [])
}

function byName(a: NetworkName, b: NetworkName): number {
  return compare(a.name ?? '', b.name ?? '') || compare(a.id, b.id)
}

function byNameThenNumber(a: GroupStatus, b: GroupStatus): number {
  const unnamed = Number(a.name === undefined) - Number(b.name === undefined)
  return unnamed || compare(a.name ?? '', b.name ?? '') || compare(a.number, b.number)
}

/** By code units: the same on every machine. */
function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
