// What the kernel holds of ours, as items. Nothing is remembered: our tables by their name, our links by prefix and alias, our routes by their
// protocol number, neighbours by their link, elements by their table.
import { createHash } from 'node:crypto'
import { addressText } from '../address/address.ts'
import { LINK_PREFIX } from '../address/plan.ts'
import { parsePrefix } from '../address/prefix.ts'
import type { Item } from '../dataplane/item.ts'
import { elementSets, type SetName } from '../dataplane/sets.ts'
import { DYING_GROUP, type Kernel } from './kernel.ts'
import { listAddresses } from './rtnetlink/address.ts'
import { listLinks } from './rtnetlink/link.ts'
import { listNeighbours } from './rtnetlink/neighbour.ts'
import { listRoutes } from './rtnetlink/route.ts'
import { ROUTE_PROTOCOL } from './veth.ts'

/** What the tables held right after they were loaded: which rulesets they were (`wanted`), and how the kernel listed them (`loaded`). */
export interface TableRecord {
  readonly wanted: string
  readonly loaded: string
}

type TableItem = Extract<Item, { kind: 'table' }>

/**
 * Reads what is there. `wanted` says which host addresses and settings to look for (they have no owner of their own); `record` how our tables looked
 * when they were loaded: when they still do, they count as the wanted ones, else as unknown.
 */
export function observe(kernel: Kernel, wanted: readonly Item[], record: TableRecord | undefined): Item[] {
  const tables = wanted.filter(item => item.kind === 'table')
  const routes = observeRoutes(kernel)
  return [
    ...observeTables(kernel, tables, record),
    ...observeElements(kernel),
    ...observeLinks(kernel, wanted),
    ...routes,
    ...observeAddresses(kernel, wanted, routes),
    ...observeSysctls(kernel, wanted),
  ]
}

/** How the tables are now, to be remembered. Call it right after they were loaded. */
export function recordTables(kernel: Kernel, wanted: readonly Item[]): TableRecord {
  const tables = wanted.filter(item => item.kind === 'table')
  return { wanted: wantedDigest(tables), loaded: tables.map(table => fingerprint(kernel, table)).join(' ') }
}

function wantedDigest(tables: readonly TableItem[]): string {
  return createHash('sha256')
    .update(tables.map(table => table.digest).join(' '))
    .digest('hex')
}

function fingerprint(kernel: Kernel, { family, name }: TableItem): string {
  return kernel.nft.fingerprint({ family, name })
}

function observeTables(kernel: Kernel, tables: readonly TableItem[], record: TableRecord | undefined): Item[] {
  const there = tables.filter(table => kernel.nft.getTable(table) !== undefined)
  const known =
    record !== undefined &&
    there.length === tables.length &&
    record.wanted === wantedDigest(tables) &&
    record.loaded === tables.map(table => fingerprint(kernel, table)).join(' ')
  return there.map(({ family, name, digest }) => ({ kind: 'table', family, name, digest: known ? digest : 'unknown' }))
}

function observeElements(kernel: Kernel): Item[] {
  const table = { family: 'inet', name: 'slash64' } as const
  if (!kernel.nft.getTable(table)) return []
  const present = new Set(kernel.nft.listSets(table).map(({ name }) => name))
  return (Object.keys(elementSets) as SetName[])
    .filter(set => present.has(set))
    .flatMap(set =>
      kernel.nft.listElements(table, elementSets[set]).map(({ key }): Item => {
        return { kind: 'element', set, key: typeof key === 'object' ? [...key] : [key] }
      }),
    )
}

/** Links and the neighbours on them. A link without our alias is somebody else's, whatever its name. */
function observeLinks(kernel: Kernel, wanted: readonly Item[]): Item[] {
  const ours = listLinks(kernel.route, { kind: 'veth' }).filter(
    ({ name, alias, group }) => name.startsWith(LINK_PREFIX) && alias?.startsWith('slash64/') && group !== DYING_GROUP,
  )
  const names = new Map(ours.map(({ index, name }) => [index, name]))
  for (const [index, name] of names) kernel.remember(name, index)
  const neighbours = ours.length === 0 ? [] : listNeighbours(kernel.route)
  return [
    ...ours.map(({ name, alias = '' }) => observedLink(name, alias)),
    // Nobody enters the sandboxes to look: a container's end was made with its link and goes with it.
    ...wanted.filter(item => item.kind === 'end' && ours.some(({ name }) => name === item.link)),
    ...neighbours.flatMap(({ index, address, mac, state }): Item[] => {
      const link = names.get(index)
      return link !== undefined && state === 'permanent' && mac !== undefined
        ? [{ kind: 'neighbour', link, address, mac }]
        : []
    }),
  ]
}

/** A link as it can be seen from the host: its other end is in a sandbox that nobody enters to look. */
function observedLink(name: string, alias: string): Item {
  return { kind: 'link', name, alias, mac: '', mtu: undefined, gateway: '', peer: { name: '', mac: '' } }
}

function observeRoutes(kernel: Kernel): Item[] {
  const names = new Map(listLinks(kernel.route).map(({ index, name }) => [index, name]))
  return listRoutes(kernel.route, { protocol: ROUTE_PROTOCOL }).flatMap((route): Item[] => {
    const { destination, type, index } = route
    if (type === 'unreachable') return [{ kind: 'unreachable', prefix: destination }]
    const link = index === undefined ? undefined : names.get(index)
    return type === 'unicast' && link !== undefined && destination.endsWith('/128')
      ? [{ kind: 'route', address: destination.slice(0, -'/128'.length), link }]
      : []
  })
}

/** The host's own address in every prefix that is wanted, and in every one whose route is here: an address has no mark of its own. */
function observeAddresses(kernel: Kernel, wanted: readonly Item[], routes: readonly Item[]): Item[] {
  const there = new Set(listAddresses(kernel.route, { index: 1 }).map(({ address }) => address))
  const ours = [...wanted, ...routes].flatMap(item => {
    if (item.kind === 'address') return [item.address]
    return item.kind === 'unreachable' ? [addressText(parsePrefix(item.prefix).first | 1n)] : []
  })
  return [...new Set(ours)].filter(address => there.has(address)).map(address => ({ kind: 'address', address }))
}

function observeSysctls(kernel: Kernel, wanted: readonly Item[]): Item[] {
  return wanted.flatMap((item): Item[] => {
    if (item.kind !== 'sysctl') return []
    try {
      return [{ ...item, setting: kernel.sysctl.read(item.path) }]
    } catch {
      // Absent, or unreadable: then setting it says so, unless it is optional.
      return item.optional ? [item] : []
    }
  })
}
