// What Docker has, by its API. Read-only, and never on the request path: dockerd holds locks while it waits for our answers, and asking it then is a
// deadlock (projectcalico/libnetwork-plugin#49).
import type Docker from 'dockerode'
import type { DockerNames } from '../state/status.ts'

export interface Inventory {
  /** Which engine this is (`docker info`), so that nobody takes another engine's lists for those of ours. */
  readonly engine: string
  /** Ids of all networks. */
  readonly networks: ReadonlySet<string>
  /** Ids of all endpoints of running containers. */
  readonly endpoints: ReadonlySet<string>
}

/** Milliseconds for one call. */
const PATIENCE = 10_000

/** Asks the engine behind the socket. Rejects with dockerode's error when it does not answer. */
export async function readInventory(socketPath: string): Promise<Inventory> {
  const docker = await engine(socketPath, PATIENCE)
  const [info, networks, containers] = await Promise.all([
    docker.info() as Promise<{ ID: string }>,
    docker.listNetworks(),
    docker.listContainers({ all: true }),
  ])
  const endpoints = containers.flatMap(({ NetworkSettings }) => Object.values(NetworkSettings?.Networks ?? {}))
  return {
    engine: info.ID,
    networks: new Set(networks.map(({ Id }) => Id)),
    endpoints: new Set(endpoints.map(({ EndpointID }) => EndpointID).filter(id => id !== '')),
  }
}

/** Milliseconds until names are given up: they only make ids readable, and somebody waits for them. */
const NAMES_PATIENCE = 1_500

/**
 * Asks the engine behind the socket how it calls networks and the containers of endpoints. Rejects with dockerode's error, or with one of its own after
 * `patience` milliseconds.
 */
export async function readNames(socketPath: string, patience = NAMES_PATIENCE): Promise<DockerNames> {
  const docker = await engine(socketPath, patience)
  const answers = Promise.all([docker.version(), docker.listNetworks(), docker.listContainers({ all: true })])
  const [{ Version }, networks, containers] = await within(patience, answers)
  const endpoints = containers.flatMap(({ Names, NetworkSettings }) =>
    Object.values(NetworkSettings?.Networks ?? {}).map(({ EndpointID }) => [EndpointID, nameOf(Names)] as const),
  )
  return {
    version: Version,
    networks: new Map(networks.map(({ Id, Name }) => [Id, Name])),
    containers: new Map(endpoints.filter(([id, name]) => id !== '' && name !== '')),
  }
}

/** Docker writes a slash before a container's name; the rest are names that others have for it. A container that is going has none. */
function nameOf(names: readonly string[] | null): string {
  return names?.[0]?.replace(/^\//, '') ?? ''
}

/** Loaded when the engine is first asked: loading takes as long as the rest of a start, and while dockerd waits for that it has no network. */
async function engine(socketPath: string, timeout: number): Promise<Docker> {
  const { default: Client } = await import('dockerode')
  return new Client({ socketPath, timeout })
}

/** dockerode's own time-out begins anew with every byte. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`Docker did not answer within ${ms} ms`)), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
