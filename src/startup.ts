// What a start does before the socket opens: which prefix, which rules, and everything that an earlier run, a crash or a reboot left brought into line.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isNamespace, isNetlinkError } from 'nftables-js/netlink'
import type { Logger } from 'pino'
import {
  checkNotOnLink,
  contains,
  derivedPrefix,
  except,
  type HostPrefix,
  parseHostPrefix,
  parsePrefix,
  prefixOf,
} from './address/prefix.ts'
import type { Config } from './config.ts'
import { diff } from './dataplane/diff.ts'
import { hostItems } from './dataplane/host.ts'
import type { Item } from './dataplane/item.ts'
import type { RulesetOptions } from './dataplane/options.ts'
import { project } from './dataplane/project.ts'
import { PluginError } from './errors.ts'
import { bootId, type Kernel } from './kernel/kernel.ts'
import { observe, recordTables } from './kernel/observe.ts'
import { defaultUplinks, foreignLinks, listeningLinks, uplinkMtu } from './kernel/uplinks.ts'
import { forgetEndpoint } from './state/endpoints.ts'
import type { Pool } from './state/model.ts'
import { commit, loadedState, type State } from './state/state.ts'
import type { HostRecord } from './store/schema.ts'
import type { Store } from './store/store.ts'

/** nf_conntrack_max of a kernel that has not loaded connection tracking yet; its usual value from 1 GB of memory on. */
const CONNECTIONS = 262_144

/** Uplinks are read once, at the start: fail closed, but not in silence. */
const NO_UPLINK =
  'no default route, and so no uplink: containers of other hosts are kept out until slash64 starts again with one, or with links named in SLASH64_UPLINKS'

export interface StartParts {
  readonly config: Config
  readonly store: Store
  readonly kernel: Kernel
  readonly log: Logger
}

export interface Started {
  readonly state: State
  readonly prefix: HostPrefix
  /** Of the running kernel (`bootId`). */
  readonly boot: string
  readonly options: RulesetOptions
  /** As it was stored. */
  readonly record: HostRecord
}

/**
 * Loads what was promised and makes the kernel hold it. Throws a PluginError, with nothing changed, for a prefix that cannot be used and a state that
 * cannot be read, and TABLES_REFUSED where the rules cannot be: without them nothing may run.
 */
export function start({ config, store, kernel, log }: StartParts): Started {
  const boot = bootId()
  const stored = store.load()
  for (const file of stored.lost) log.warn({ file }, 'a power cut left this state file empty; its endpoint is gone')
  const { prefix, record } = hostPrefix(config, stored.host)
  const state = loadedState(stored)
  checkNotOnLink(prefix, foreignLinks(kernel))
  forgetPools(state, store, stored.pools)
  forgetLost(state, store, boot, log)
  const uplinks = config.uplinks.length > 0 ? config.uplinks : defaultUplinks(kernel)
  if (uplinks.length === 0 && config.fleet.length > 0) log.warn(NO_UPLINK)
  kernel.defaultMtu = uplinkMtu(kernel, uplinks)
  const options = rulesetOptions(config, kernel, prefix, uplinks, state)
  kernel.fleet = wayOfInternal(options)
  const wanted = project(state, hostItems(prefix, options, listeningLinks(kernel, uplinks)))
  const kept = bringIntoLine(kernel, wanted, record, boot, log)
  store.writeHost(kept)
  return { state, prefix, boot, options, record: kept }
}

/** SLASH64_PREFIX, or the private prefix of this machine; its seed is kept, so that it stays when the machine id cannot be read. */
function hostPrefix(config: Config, record: HostRecord): { prefix: HostPrefix; record: HostRecord } {
  if (config.prefix !== undefined) {
    return { prefix: parseHostPrefix(config.prefix, { allowDocumentation: config.allowDocPrefix }), record }
  }
  const prefixSeed = record.prefixSeed ?? machineId() ?? randomUUID()
  return { prefix: derivedPrefix(prefixSeed), record: { ...record, prefixSeed } }
}

function machineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

/** Pools of network creations that a crash cut short. */
function forgetPools(state: State, store: Store, pools: readonly Pool[]): void {
  const unused = pools.filter(({ id }) => !state.pools.has(id))
  store.write(unused.map(pool => ({ kind: 'pool', id: pool.id, before: pool, after: undefined })))
}

/** Endpoints whose sandbox is gone (a reboot, or containers that ended while no daemon ran): dockerd may still delete them, and that succeeds. */
function forgetLost(state: State, store: Store, boot: string, log: Logger): void {
  const lost = [...state.endpoints.values()].filter(
    endpoint => endpoint.boot !== boot || (endpoint.sandbox !== undefined && !isNamespace(endpoint.sandbox)),
  )
  const changes = lost.map(forgetEndpoint)
  store.write(changes)
  commit(state, changes)
  if (lost.length > 0)
    log.info({ endpoints: lost.map(({ id }) => id.slice(0, 12)) }, 'forgot endpoints without sandbox')
}

function rulesetOptions(
  config: Config,
  kernel: Kernel,
  prefix: HostPrefix,
  uplinks: readonly string[],
  state: State,
): RulesetOptions {
  const prefixes = [...new Set([prefix.text, ...[...state.networks.values()].map(network => network.prefix)])]
  const connections = connectionTableSize(kernel)
  return {
    prefixes: withoutContained(prefixes),
    fleet: withoutContained([...prefixes, ...config.fleet]),
    uplinks,
    owned: kernel.ownsTables,
    flowsFrom: config.flowsFrom || Math.ceil(connections / 32),
    flowsTo: config.flowsTo || Math.ceil(connections / 8),
  }
}

function connectionTableSize(kernel: Kernel): number {
  try {
    return Number(kernel.sysctl.read(['net', 'netfilter', 'nf_conntrack_max'])) || CONNECTIONS
  } catch {
    return CONNECTIONS
  }
}

/** Interval sets take no element inside another one. */
function withoutContained(texts: readonly string[]): string[] {
  const prefixes = [...new Set(texts)].map(parsePrefix)
  return prefixes
    .filter(one => !prefixes.some(other => other !== one && contains(other, one)))
    .map(({ text }) => text)
    .sort()
}

/**
 * Where containers of internal networks have a route to, besides their group here: this host, and the other hosts of the fleet. No route may cover another
 * address of ours: the engine moves no link whose address meets a route that is there (moby daemon/libnetwork/osl/interface_linux.go, checkRouteConflict).
 */
function wayOfInternal({ prefixes, fleet }: RulesetOptions): string[] {
  const own = prefixes.map(parsePrefix)
  const others = own.reduce((left, hole) => left.flatMap(prefix => except(prefix, hole)), fleet.map(parsePrefix))
  return [...own.map(({ first }) => prefixOf(first | 1n, 128)), ...others].map(({ text }) => text)
}

/** Makes the kernel hold what it should, by difference. Throws when the tables cannot be: without them nothing may run. */
function bringIntoLine(
  kernel: Kernel,
  wanted: readonly Item[],
  record: HostRecord,
  boot: string,
  log: Logger,
): HostRecord {
  const known = record.ruleset?.boot === boot ? record.ruleset : undefined
  const operations = diff(observe(kernel, wanted, known), wanted)
  for (const { operation, error } of kernel.repair(operations)) {
    const { verb, item } = operation
    if (item.kind === 'table' || item.kind === 'element') throw refusal(error)
    log.error({ err: error, verb, item }, 'could not be repaired')
  }
  try {
    kernel.adopt(wanted)
  } catch (error) {
    throw refusal(error)
  }
  if (operations.length > 0) log.info(summary(operations), 'brought the kernel into line')
  const loaded = operations.some(({ item }) => item.kind === 'table')
  return loaded || !known ? { ...record, ruleset: { boot, ...recordTables(kernel, wanted) } } : record
}

function refusal(error: unknown): unknown {
  return isNetlinkError(error, 'EPERM') ? new PluginError('TABLES_REFUSED') : error
}

function summary(operations: readonly { verb: string; item: Item }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { verb, item } of operations) {
    const key = `${verb} ${item.kind}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
