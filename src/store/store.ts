// The state files: the only copy of what we promised Docker. One small file for each network, endpoint and pool, so
// that an operation costs the same whatever else runs. Synchronous: there is one writer, and a reply may not go out
// before its promise is written.
//
//   version   host.json   lock   networks/ID.json   endpoints/ID.json   pools/ID.json (":" as "-", "/" as "_")
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import { PluginError } from '../errors.ts'
import type { Change, Endpoint, Network, Pool } from '../state/model.ts'
import { applySteps, type FileStep, removeFile, sweep } from './files.ts'
import { takeLock } from './lock.ts'
import { endpointFile, type HostRecord, hostFile, networkFile, poolFile } from './schema.ts'

const VERSION = '1'

/**
 * Only networks are synced: after a power cut the endpoints of that boot are gone anyway, and a pool follows from its
 * networks.
 */
const KINDS = {
  network: { folder: 'networks', schema: networkFile, durable: true },
  endpoint: { folder: 'endpoints', schema: endpointFile, durable: false },
  pool: { folder: 'pools', schema: poolFile, durable: true },
} as const

type Kind = keyof typeof KINDS
type StoredChange = Extract<Change, { kind: Kind }>

/** Everything that was stored. */
export interface Stored {
  readonly networks: readonly Network[]
  readonly endpoints: readonly Endpoint[]
  readonly pools: readonly Pool[]
  readonly host: HostRecord
  /** Files that a power cut left empty; they are gone now. For the log. */
  readonly lost: readonly string[]
}

export class Store {
  readonly #folder: string
  readonly #lock: { release(): void }

  private constructor(folder: string, lock: { release(): void }) {
    this.#folder = folder
    this.#lock = lock
  }

  /**
   * Opens a folder of state files (made where it is missing) for this process alone, until `close`. Throws
   * STATE_LOCKED, STATE_VERSION_UNKNOWN, STATE_UNREADABLE or STATE_UNWRITABLE.
   */
  static open(folder: string): Store {
    attempt('STATE_UNWRITABLE', folder, () => mkdirSync(folder, { recursive: true, mode: 0o700 }))
    const lock = takeLock(folder)
    try {
      checkVersion(folder)
      const folders = Object.values(KINDS).map(kind => join(folder, kind.folder))
      attempt('STATE_UNWRITABLE', folder, () => {
        for (const path of folders) mkdirSync(path, { recursive: true, mode: 0o700 })
        for (const path of [folder, ...folders]) sweep(path)
      })
    } catch (error) {
      lock.release()
      throw error
    }
    return new Store(folder, lock)
  }

  /** Lets the next process in. */
  close(): void {
    this.#lock.release()
  }

  /**
   * Reads everything. Throws STATE_DAMAGED for a file that does not hold what it should, STATE_UNREADABLE where the
   * system refuses.
   */
  load(): Stored {
    const lost: string[] = []
    const networks = this.#loadAll('network', networkFile, lost)
    const endpoints = this.#loadAll('endpoint', endpointFile, lost)
    const pools = this.#loadAll('pool', poolFile, lost)
    const host = join(this.#folder, 'host.json')
    return {
      networks,
      endpoints,
      pools,
      host: existsSync(host) ? parse(host, hostFile, read(host)) : {},
      lost,
    }
  }

  /**
   * Writes changes of networks, endpoints and pools; the others live in memory. All or nothing: throws STATE_UNWRITABLE
   * with the file's name. Removing what is not there is fine.
   */
  write(changes: readonly Change[]): void {
    const stored = changes.filter((change): change is StoredChange => change.kind in KINDS)
    applySteps(
      stored.map(({ kind, id, before, after }) => ({
        path: join(this.#folder, KINDS[kind].folder, fileName(kind, id)),
        before: before && toText(before),
        after: after && toText(after),
        durable: KINDS[kind].durable,
      })),
    )
  }

  /** Writes what the host is, in place of what was written before. Synced. Throws STATE_UNWRITABLE. */
  writeHost(record: HostRecord): void {
    const path = join(this.#folder, 'host.json')
    applySteps([{ path, before: existsSync(path) ? read(path) : undefined, after: toText(record), durable: true }])
  }

  #loadAll<T extends { id: string }>(kind: Kind, schema: z.ZodType<T>, lost: string[]): T[] {
    const { folder, durable } = KINDS[kind]
    const path = join(this.#folder, folder)
    const names = attempt('STATE_UNREADABLE', path, () => readdirSync(path))
    return names
      .filter(name => name.endsWith('.json'))
      .toSorted()
      .flatMap(name => {
        const file = join(path, name)
        const text = read(file)
        // What was not synced may be empty after a power cut (delayed allocation); it is from a boot that is over.
        if (text === '' && !durable) {
          attempt('STATE_UNWRITABLE', file, () => removeFile(file))
          lost.push(file)
          return []
        }
        const value = parse(file, schema, text)
        if (fileName(kind, value.id) === name) return [value]
        throw new PluginError('STATE_DAMAGED', file, `it holds ${JSON.stringify(value.id)}, which is another file's`)
      })
  }
}

function checkVersion(folder: string): void {
  const path = join(folder, 'version')
  const found = existsSync(path) ? read(path).trim() : undefined
  if (found === VERSION) return
  if (found !== undefined || existsSync(join(folder, KINDS.network.folder))) {
    const says = found ? `version ${JSON.stringify(found.slice(0, 40))}` : 'no version'
    throw new PluginError('STATE_VERSION_UNKNOWN', path, says, VERSION)
  }
  applySteps([{ path, before: undefined, after: `${VERSION}\n`, durable: true } satisfies FileStep])
}

/** The name of an object's file. An id that is none (a path, say) is refused here once more. */
function fileName(kind: Kind, id: string): string {
  const name = `${id.replaceAll(':', '-').replace('/', '_')}.json`
  if (/^[a-z0-9][a-z0-9_-]{0,100}\.json$/.test(name)) return name
  throw new PluginError('INTERNAL', `${JSON.stringify(id.slice(0, 80))} is no id of a ${kind}`)
}

function toText(value: object): string {
  return `${JSON.stringify(value)}\n`
}

function parse<T>(file: string, schema: z.ZodType<T>, text: string): T {
  const json = attempt('STATE_DAMAGED', file, () => JSON.parse(text) as unknown)
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new PluginError('STATE_DAMAGED', file, `${issue?.path.map(String).join(' / ') || 'it'}: ${issue?.message}`)
}

function read(file: string): string {
  return attempt('STATE_UNREADABLE', file, () => readFileSync(file, 'utf8'))
}

function attempt<T>(code: 'STATE_DAMAGED' | 'STATE_UNREADABLE' | 'STATE_UNWRITABLE', file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new PluginError(code, file, (error as Error).message)
  }
}
