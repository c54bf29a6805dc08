// What we promised Docker. dockerd never repeats CreateNetwork, CreateEndpoint or Join, so this is the only copy.
import type { GroupBits } from '../address/group.ts'
import type { AllowEntry } from '../policy/allow.ts'
import type { PublishedPort } from '../policy/published.ts'

/** 64 hex digits (25 characters of base 36 for swarm's networks), as dockerd chose them. */
export type NetworkId = string & { readonly kind: 'network' }
export type EndpointId = string & { readonly kind: 'endpoint' }
/** The canonical text of the pool itself, `2001:db8:1:a:0:5c1f:8e02:0/112`: the same on every request, as dockerd needs it. */
export type PoolId = string & { readonly kind: 'pool' }

/** Who brings a container's end into its sandbox: we, by making it there, or the engine, by moving it. */
export type Birth = 'sandbox' | 'engine'

/** One Docker network: a member of a group inside one host prefix. Immutable once created. */
export interface Network {
  readonly id: NetworkId
  readonly pool: PoolId
  /** Host prefix at creation; a later SLASH64_PREFIX does not move the network. */
  readonly prefix: string
  readonly group: GroupBits
  /** Absent: a group of this host only. */
  readonly groupName?: string
  /** `--internal`: the group reaches itself and nothing else. A property of the whole group. */
  readonly internal?: true
  /** Where the user chose it. */
  readonly birth?: Birth
  /** What the names of the links in containers begin with, where the user chose it. */
  readonly linkPrefix?: string
  /** The group's access list. A network that gave none carries the list that its group has. */
  readonly allow: readonly AllowEntry[]
  /** Bytes, where the user chose one. */
  readonly mtu?: number
}

/** One entry of `com.docker.network.endpoint.sysctls`. */
export interface LinkSysctl {
  readonly path: readonly string[]
  readonly value: string
}

export interface Endpoint {
  readonly id: EndpointId
  readonly network: NetworkId
  readonly pool: PoolId
  /** 1..65534 within the pool. */
  readonly number: number
  readonly address: string
  readonly mac: string
  /** From Join; what `-p` opens. */
  readonly published: readonly PublishedPort[]
  /** Settings of the container's end, by their path below /proc/sys; `IFNAME` stands for the link. */
  readonly sysctls?: readonly LinkSysctl[]
  /** Path of the sandbox's network namespace, from Join on. */
  readonly sandbox?: string
  /** The engine moved the link into the sandbox: another one had been born there before, or the network wants it. */
  readonly moved?: true
  /** What the name of a moved link in the sandbox begins with; the engine adds a number. */
  readonly namePrefix?: string
  /** The engine has done its part of a moved link. */
  readonly settled?: true
  /** `created` has no link yet, `joined` has traffic, `left` only waits for DeleteEndpoint. */
  readonly phase: 'created' | 'joined' | 'left'
  /** Boot of the host in which it was created: sandboxes of another one are gone. */
  readonly boot: string
}

/** Allocation of endpoint numbers in one pool; `reserved` is on disk, so that no number is used again after a crash. */
export interface Pool {
  readonly id: PoolId
  readonly prefix: string
  readonly group: GroupBits
  /** Every number up to this one may have been handed out. */
  readonly reserved: number
}

/** A number that IPAM handed out and no endpoint carries (yet, or any more). In memory only. */
export interface Lease {
  /** Milliseconds since the epoch. */
  readonly since: number
}

/** A network creation under way, from GwAllocCheck to CreateNetwork. In memory only. */
export interface Creation {
  readonly groupName?: string
  readonly allow?: readonly AllowEntry[]
  readonly mtu?: number
  readonly internal?: true
  readonly birth?: Birth
  readonly linkPrefix?: string
  /** Granted by RequestPool. */
  readonly pool?: PoolId
}

/** One object's step from what it was to what it is; absent means that it does not exist. */
type Step<Kind extends string, Id, Value> = {
  readonly kind: Kind
  readonly id: Id
  readonly before: Value | undefined
  readonly after: Value | undefined
}

/** What a command changes. The next state, the kernel's work and the files to write all follow from it. */
export type Change =
  | Step<'network', NetworkId, Network>
  | Step<'endpoint', EndpointId, Endpoint>
  | Step<'pool', PoolId, Pool>
  | (Step<'lease', PoolId, Lease> & { readonly number: number })
  | Step<'creation', 'creation', Creation>
