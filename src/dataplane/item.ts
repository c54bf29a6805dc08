// Everything that the kernel holds for us, as items: each has a key (which object it is) and a value (how it is). The dataplane is a set of items,
// and the work to get from one to the other is their difference.
import type { Family, Ruleset } from 'nftables-js'
import type { LinkSysctl } from '../state/model.ts'
import type { ElementRow } from './sets.ts'

/** A host-wide setting. Never taken back: other software may have come to rely on it. */
export interface Sysctl {
  readonly kind: 'sysctl'
  readonly path: readonly string[]
  readonly setting: string
  /** Absent in some kernels: then there is nothing to set. */
  readonly optional?: true
}

/** One of our tables with all of its chains, rules and sets; its elements are items of their own. */
export interface TableItem {
  readonly kind: 'table'
  readonly family: Family
  readonly name: string
  /** SHA-256 of the wanted ruleset; of a table in the kernel that is not known to hold it, anything else. */
  readonly digest: string
  /** Absent on what was observed. */
  readonly ruleset?: Ruleset
}

export interface ElementItem extends ElementRow {
  readonly kind: 'element'
}

/** An address of the host itself, on its loopback link. */
export interface HostAddress {
  readonly kind: 'address'
  readonly address: string
}

/** Packets to addresses of our prefix that nobody has end here (RFC 7084: no loops, RFC 6583: no neighbour discovery by scans). */
export interface Unreachable {
  readonly kind: 'unreachable'
  readonly prefix: string
}

/** A veth pair. The container's end is born in the sandbox, or beside the host's end for the engine to move it. */
export interface LinkItem {
  readonly kind: 'link'
  readonly name: string
  readonly alias: string
  readonly mac: string
  readonly mtu: number | undefined
  /** Link-local address of the host's end, the container's gateway. */
  readonly gateway: string
  /** Absent: for the engine to move. */
  readonly sandbox?: string
  readonly peer: { readonly name: string; readonly mac: string }
}

/** The container's end, in its sandbox: what only we can do there. */
export interface EndItem {
  readonly kind: 'end'
  /** The host's end, which it goes with. */
  readonly link: string
  readonly sandbox: string
  readonly mac: string
  readonly address: string
  readonly gateway: { readonly address: string; readonly mac: string }
  /** Prefixes that are reached over this link whichever network has the default route. */
  readonly prefixes: readonly string[]
  /** On an internal network there is no way out. */
  readonly internal: boolean
  /** Present on a link that was born: it is brought up and numbered by us, the engine does not know it. */
  readonly born?: { readonly sysctls: readonly LinkSysctl[] }
}

/** A permanent entry, so that no neighbour discovery ever runs on our links. */
export interface NeighbourItem {
  readonly kind: 'neighbour'
  readonly link: string
  readonly address: string
  readonly mac: string
}

/** The /128 route of one container. */
export interface RouteItem {
  readonly kind: 'route'
  readonly address: string
  readonly link: string
}

export type Item =
  | Sysctl
  | TableItem
  | ElementItem
  | HostAddress
  | Unreachable
  | LinkItem
  | EndItem
  | NeighbourItem
  | RouteItem
export type ItemKind = Item['kind']

/**
 * The order in which items come into being; they go in the reverse order. The tables stand before anything that could carry a packet, and a
 * container's source address is bound to its link (`links`) only when everything else about it is in place: until then nothing passes.
 */
export const order: readonly ItemKind[] = [
  'table',
  'sysctl',
  'address',
  'unreachable',
  'link',
  'end',
  'neighbour',
  'route',
  'element',
]

/** Which object an item is. */
export function keyOf(item: Item): string {
  switch (item.kind) {
    case 'sysctl':
      return `sysctl ${item.path.join('/')}`
    case 'table':
      return `table ${item.family} ${item.name}`
    case 'element':
      return `element ${item.set} ${item.key.join(' . ')}`
    case 'address':
      return `address ${item.address}`
    case 'unreachable':
      return `unreachable ${item.prefix}`
    case 'link':
      return `link ${item.name}`
    case 'end':
      return `end ${item.link}`
    case 'neighbour':
      return `neighbour ${item.link} ${item.address}`
    case 'route':
      return `route ${item.address}`
    default:
      return item satisfies never
  }
}

/** How the object is, as far as the kernel shows it: two items with equal key and value need no work. */
export function conditionOf(item: Item): string {
  switch (item.kind) {
    case 'sysctl':
      return item.setting
    case 'table':
      return item.digest
    case 'link':
      return item.alias
    case 'neighbour':
      return item.mac
    case 'route':
      return item.link
    case 'end':
    case 'element':
    case 'address':
    case 'unreachable':
      return ''
    default:
      return item satisfies never
  }
}
