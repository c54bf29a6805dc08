// How each kind of object comes and goes. Adding what is there and removing what is gone succeed: requests and repairs may repeat.
import { Batch, isNetlinkError, type NetlinkSocket } from 'nftables-js/netlink'
import type { ElementItem, Item, LinkItem, TableItem } from '../dataplane/item.ts'
import { addAddress, deleteAddress } from './rtnetlink/address.ts'
import type { Link } from './rtnetlink/link.ts'
import { addNeighbour, deleteNeighbour } from './rtnetlink/neighbour.ts'
import { addRoute, deleteRoute } from './rtnetlink/route.ts'
import type { SysctlTree } from './sysctl.ts'
import { finishEnd, finishHostEnd, makeLink, ROUTE_PROTOCOL } from './veth.ts'

/** Items that are not nftables'. */
export type PlainItem = Exclude<Item, TableItem | ElementItem>

/** What the performers need of the kernel. */
export interface Hands {
  readonly route: NetlinkSocket
  readonly sysctl: SysctlTree
  /** Bytes; of links whose network chose none. */
  readonly defaultMtu: number
  /** Prefixes of all hosts, for containers without a default route. */
  readonly fleet: readonly string[]
  /** Index of a link of ours by name; undefined when it is gone. */
  indexOf(link: string): number | undefined
  remember(link: string, index: number | undefined): void
  /** Has a link deleted without waiting for it. */
  bury(link: string | number): void
  /** Deletes now what is buried, some 20 ms. */
  reap(): void
}

type Performer<T extends Item> = { add(hands: Hands, item: T): void; remove(hands: Hands, item: T): void }

const LOOPBACK = 1

/** One row a kind. */
export const performers: { readonly [K in PlainItem['kind']]: Performer<Extract<PlainItem, { kind: K }>> } = {
  sysctl: {
    add: ({ sysctl }, { path, setting, optional }) => {
      if (optional) sysctl.writeIfPresent(path, setting)
      else sysctl.write(path, setting)
    },
    // Never taken back: other software may have come to rely on it.
    remove: () => {},
  },
  address: {
    add: ({ route }, { address }) =>
      tolerate(['EEXIST'], () => {
        route.request(addAddress(new Batch(256), { index: LOOPBACK, address, prefixLength: 128, nodad: true }))
      }),
    remove: ({ route }, { address }) =>
      tolerate(['EADDRNOTAVAIL'], () => {
        route.request(deleteAddress(new Batch(256), { index: LOOPBACK, address, prefixLength: 128 }))
      }),
  },
  unreachable: {
    add: ({ route }, { prefix }) => {
      route.request(addRoute(new Batch(256), { ...unreachable(prefix), type: 'unreachable', verb: 'replace' }))
    },
    remove: ({ route }, { prefix }) =>
      tolerate(['ESRCH'], () => {
        route.request(deleteRoute(new Batch(256), unreachable(prefix)))
      }),
  },
  link: {
    // A link that cannot be finished does not stay: nothing half-made is left in the kernel.
    add: (hands, link) => {
      // One that is dying in the sandbox may have the name that the engine is going to give.
      if (link.sandbox === undefined) hands.reap()
      const made = makeDespiteDying(hands, link)
      try {
        finishHostEnd(hands.route, hands.sysctl, link, made)
        hands.remember(link.name, made.index)
      } catch (error) {
        hands.bury(made.index)
        throw error
      }
    },
    remove: (hands, { name }) => {
      hands.remember(name, undefined)
      hands.bury(name)
    },
  },
  end: {
    add: (hands, end) => finishEnd(hands.sysctl, end, present(hands, end.link), hands.fleet),
    // It goes with its link.
    remove: () => {},
  },
  neighbour: {
    add: (hands, { link, address, mac }) => {
      hands.route.request(addNeighbour(new Batch(256), { index: present(hands, link), address, mac }))
    },
    remove: (hands, { link, address }) => {
      const index = hands.indexOf(link)
      if (index === undefined) return
      tolerate(['ENOENT', 'ENODEV'], () => {
        hands.route.request(deleteNeighbour(new Batch(256), { index, address }))
      })
    },
  },
  route: {
    add: (hands, { address, link }) => {
      const route = { ...container(address), index: present(hands, link) }
      hands.route.request(addRoute(new Batch(256), { ...route, verb: 'replace' }))
    },
    remove: (hands, { address, link }) => {
      const index = hands.indexOf(link)
      if (index === undefined) return
      tolerate(['ESRCH', 'ENODEV'], () => {
        hands.route.request(deleteRoute(new Batch(256), { ...container(address), index }))
      })
    },
  },
}

/** A link that was removed a moment ago still holds its two names: the deletion is taken back, or the container comes to the network again. */
function makeDespiteDying(hands: Hands, link: LinkItem): Link {
  const make = (): Link => makeLink(hands.route, link, link.mtu ?? hands.defaultMtu)
  try {
    return make()
  } catch (error) {
    if (!isNetlinkError(error, 'EEXIST')) throw error
    hands.reap()
    return make()
  }
}

function unreachable(prefix: string) {
  return { destination: prefix, protocol: ROUTE_PROTOCOL }
}

function container(address: string) {
  return { destination: `${address}/128`, protocol: ROUTE_PROTOCOL }
}

function present(hands: Hands, link: string): number {
  const index = hands.indexOf(link)
  if (index === undefined) throw new Error(`link ${link} is gone`)
  return index
}

function tolerate(codes: readonly string[], act: () => void): void {
  try {
    act()
  } catch (error) {
    if (!isNetlinkError(error, ...codes)) throw error
  }
}
