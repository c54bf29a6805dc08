// What Docker has, by its API. Read-only, and never on the request path: dockerd holds locks while it waits for our answers, and asking it then is a
// deadlock (projectcalico/libnetwork-plugin#49).
import Docker from 'dockerode'

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
  const docker = new Docker({ socketPath, timeout: PATIENCE })
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
