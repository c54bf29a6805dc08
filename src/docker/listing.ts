// What the process of its own finds out for inventory.ts: it writes a Listing as JSON, or a sentence on standard error.
import Docker from 'dockerode'

export interface Listing {
  /** Which engine this is (`docker info`). */
  readonly engine: string
  readonly version: string
  /** All networks: id and name. */
  readonly networks: readonly (readonly [id: string, name: string])[]
  /** All endpoints of running containers: id, and the container's name, '' while it is going. */
  readonly endpoints: readonly (readonly [id: string, container: string])[]
}

/** Asks the engine behind the socket. Rejects with dockerode's error when it does not answer within `patience` milliseconds. */
async function list(socketPath: string, patience: number): Promise<Listing> {
  const docker = new Docker({ socketPath, timeout: patience })
  const [info, networks, containers] = await Promise.all([
    docker.info() as Promise<{ ID: string; ServerVersion: string }>,
    docker.listNetworks(),
    docker.listContainers({ all: true }),
  ])
  const endpoints = containers.flatMap(({ Names, NetworkSettings }) =>
    Object.values(NetworkSettings?.Networks ?? {}).map(({ EndpointID }) => [EndpointID, nameOf(Names)] as const),
  )
  return {
    engine: info.ID,
    version: info.ServerVersion,
    networks: networks.map(({ Id, Name }) => [Id, Name]),
    endpoints: endpoints.filter(([id]) => id !== ''),
  }
}

/** Docker writes a slash before a container's name; the rest are names that others have for it. A container that is going has none. */
function nameOf(names: readonly string[] | null): string {
  return names?.[0]?.replace(/^\//, '') ?? ''
}

if (import.meta.main) {
  const [socketPath = '', patience] = process.argv.slice(2)
  try {
    process.stdout.write(JSON.stringify(await list(socketPath, Number(patience))))
  } catch (error) {
    process.stderr.write((error as Error).message)
    process.exitCode = 1
  }
}
