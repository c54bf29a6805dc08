// What dockerd can ask, in our own words: the http room parses its JSON into these, so nothing here is unchecked input.
import type { HostPrefix } from '../address/prefix.ts'
import type { PortMapping } from '../policy/published.ts'
import type { Birth, Change, EndpointId, NetworkId, PoolId } from './model.ts'

/** Options of GwAllocCheck and CreateNetwork. `ipv4` is absent on engines before 28.0. */
export interface NetworkOptions {
  /** `-o key=value`. */
  readonly driver: Readonly<Record<string, string>>
  readonly ipv4?: boolean
  readonly ipv6?: boolean
  readonly internal: boolean
}

/** One element of IPv4Data or IPv6Data (moby driverapi/ipamdata.go); addresses in CIDR form. */
export interface PoolData {
  readonly pool: string
  readonly gateway: string
  readonly auxiliary: readonly string[]
}

type Commands = {
  checkGatewayAllocation: { options: NetworkOptions }
  createNetwork: {
    network: NetworkId
    options: NetworkOptions
    ipv4: readonly PoolData[]
    ipv6: readonly PoolData[]
  }
  deleteNetwork: { network: NetworkId }
  createEndpoint: {
    network: NetworkId
    endpoint: EndpointId
    /** CIDR form, '' when unset. */
    address: string
    addressIPv6: string
    mac: string
    ports: readonly PortMapping[]
    /** `--network name=…,driver-opt=…` and `com.docker.network.endpoint.*` strings, Docker's own structured keys left out. */
    options: Readonly<Record<string, string>>
  }
  deleteEndpoint: { network: NetworkId; endpoint: EndpointId }
  join: { network: NetworkId; endpoint: EndpointId; sandbox: string; ports: readonly PortMapping[] }
  /** EndpointOperInfo: the first call after the engine did its part of a Join. */
  settle: { network: NetworkId; endpoint: EndpointId }
  leave: { network: NetworkId; endpoint: EndpointId }
  requestPool: { pool: string; subPool: string; ipv6: boolean; options: Readonly<Record<string, string>> }
  releasePool: { pool: PoolId }
  /** `address` is a plain IP or ''; `name` the container's, from engine 29 on. */
  requestAddress: { pool: PoolId; address: string; gateway: boolean; name?: string }
  releaseAddress: { pool: PoolId; address: string }
}

/** One request, tagged. */
export type Command = { [Name in keyof Commands]: { readonly type: Name } & Readonly<Commands[Name]> }[keyof Commands]
export type CommandType = Command['type']

/** What each command answers; `void` ones answer an empty object. */
export type Replies = {
  checkGatewayAllocation: undefined
  createNetwork: undefined
  deleteNetwork: undefined
  /** The MAC that we chose, absent when Docker gave one. */
  createEndpoint: { mac?: string }
  deleteEndpoint: undefined
  /**
   * `gateway`: the engine sets the default route through it when it chooses this network for that; absent on internal networks. `moved`: the link that the
   * engine moves into the sandbox, what its new name begins with, and the connected route to the gateway; absent when the link was born there.
   */
  join: { gateway?: string; moved?: { link: string; namePrefix: string; connected: string } }
  settle: undefined
  leave: undefined
  requestPool: { id: PoolId; pool: string }
  releasePool: undefined
  /** CIDR form, always /128. */
  requestAddress: { address: string }
  releaseAddress: undefined
}

export type CommandOf<T extends CommandType> = Extract<Command, { type: T }>

/** Chance and time, which decide() may not reach for itself. */
export interface Context {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** 31 random bits. */
  readonly random: number
  /** /proc/sys/kernel/random/boot_id. */
  readonly boot: string
  /** Of networks that do not say. */
  readonly birth?: Birth
  /** For Join: a link was born in the sandbox before. */
  readonly sandboxUsed?: boolean
  /** The host prefix of new networks. */
  readonly prefix: HostPrefix
}

/** What a command does, as values. `notes` are for the log. */
export interface Decision<T extends CommandType> {
  readonly changes: readonly Change[]
  readonly reply: Replies[T]
  readonly notes?: readonly string[]
}
