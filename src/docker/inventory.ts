// What Docker has, by its API. Read-only, and never on the request path: dockerd holds locks while it waits for our answers, and asking it then is a
// deadlock (projectcalico/libnetwork-plugin#49). A process of its own asks, and ends: dockerode, and the lists of a thousand containers, would stay in the
// memory of the daemon, and reading them would hold up the engine's calls (decision 10).
import { execFile } from 'node:child_process'
import { extname, join } from 'node:path'
import type { DockerNames } from '../state/status.ts'
import type { Listing } from './listing.ts'

export interface Inventory {
  /** Which engine this is (`docker info`), so that nobody takes another engine's lists for those of ours. */
  readonly engine: string
  /** Ids of all networks. */
  readonly networks: ReadonlySet<string>
  /** Ids of all endpoints of running containers. */
  readonly endpoints: ReadonlySet<string>
}

/** Milliseconds for everything. */
const PATIENCE = 10_000

/** Asks the engine behind the socket what it has. Rejects with an Error that says why it did not tell. */
export async function readInventory(socketPath: string): Promise<Inventory> {
  const { engine, networks, endpoints } = await ask(socketPath, PATIENCE)
  const ids = (pairs: Listing['networks']) => new Set(pairs.map(([id]) => id))
  return { engine, networks: ids(networks), endpoints: ids(endpoints) }
}

/** Milliseconds until names are given up: they only make ids readable, and somebody waits for them. */
const NAMES_PATIENCE = 2_000

/** Asks the engine behind the socket how it calls networks and the containers of endpoints. Rejects like readInventory, after `patience` milliseconds too. */
export async function readNames(socketPath: string, patience = NAMES_PATIENCE): Promise<DockerNames> {
  const { version, networks, endpoints } = await ask(socketPath, patience)
  return { version, networks: new Map(networks), containers: new Map(endpoints.filter(([, name]) => name !== '')) }
}

/** Beside this file, with the same ending: it runs as it is here, from types or without. */
const program = join(import.meta.dirname, `listing${extname(import.meta.filename)}`)
/** Bytes; ten thousand containers say less. */
const MOST = 1 << 26

function ask(socketPath: string, patience: number): Promise<Listing> {
  const { promise, resolve, reject } = Promise.withResolvers<Listing>()
  const options = { timeout: patience, killSignal: 'SIGKILL', maxBuffer: MOST, env: { NODE_NO_WARNINGS: '1' } } as const
  execFile(process.execPath, [program, socketPath, String(patience)], options, (error, stdout, stderr) => {
    if (!error) resolve(JSON.parse(stdout) as Listing)
    else if (error.killed) reject(new Error(`Docker did not answer within ${patience} ms`))
    else reject(new Error(stderr || error.message))
  })
  return promise
}
