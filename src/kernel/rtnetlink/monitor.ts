// What changes in a namespace, as the kernel tells it to the multicast groups of linux/rtnetlink.h.
import type { Message, NetlinkSocket } from 'nftables-js/netlink'
import { type Address, parseAddress, RTM_DELADDR, RTM_NEWADDR } from './address.ts'
import { type Link, parseLink, RTM_DELLINK, RTM_NEWLINK } from './link.ts'
import { type Neighbour, parseNeighbour, RTM_DELNEIGH, RTM_NEWNEIGH } from './neighbour.ts'
import { parseRoute, type Route, RTM_DELROUTE, RTM_NEWROUTE } from './route.ts'
import { parseRule, RTM_DELRULE, RTM_NEWRULE, type Rule } from './rule.ts'

const AF_UNSPEC = 0
const AF_INET6 = 10

/** RTNLGRP_* */
const groups = { link: 1, neighbour: 3, address: 9, route: 11, rule: 19 } as const

/** `new` also stands for a change of what was there before. */
export type Change = 'new' | 'deleted'

/** Who wants to know. Only the groups that have a listener are joined. */
export interface Listeners {
  link?(link: Link, change: Change): void
  address?(address: Address, change: Change): void
  route?(route: Route, change: Change): void
  neighbour?(neighbour: Neighbour, change: Change): void
  rule?(rule: Rule, change: Change): void
  /** The kernel had to drop notifications: list everything again. */
  overflow(): void
}

function pass(message: Message, on: Listeners): void {
  // A bridge tells of a port that leaves it as a deleted link of family AF_BRIDGE, and of its table as neighbours.
  const family = message.payload[0]
  if (message.type === RTM_NEWLINK || message.type === RTM_DELLINK) {
    if (family === AF_UNSPEC) on.link?.(parseLink(message), message.type === RTM_NEWLINK ? 'new' : 'deleted')
    return
  }
  if (family !== AF_INET6) return
  if (message.type === RTM_NEWADDR) on.address?.(parseAddress(message), 'new')
  else if (message.type === RTM_DELADDR) on.address?.(parseAddress(message), 'deleted')
  else if (message.type === RTM_NEWROUTE) on.route?.(parseRoute(message), 'new')
  else if (message.type === RTM_DELROUTE) on.route?.(parseRoute(message), 'deleted')
  else if (message.type === RTM_NEWNEIGH) on.neighbour?.(parseNeighbour(message), 'new')
  else if (message.type === RTM_DELNEIGH) on.neighbour?.(parseNeighbour(message), 'deleted')
  else if (message.type === RTM_NEWRULE) on.rule?.(parseRule(message), 'new')
  else if (message.type === RTM_DELRULE) on.rule?.(parseRule(message), 'deleted')
}

/**
 * Calls the listeners for every change of IPv6 and of links in the socket's namespace until the socket is closed. The
 * socket must be used for nothing else: on one that makes changes, its own notifications would count as answers.
 * Throws NetlinkError when a group cannot be joined.
 */
export function watch(socket: NetlinkSocket, on: Listeners): void {
  const wanted = Object.entries(groups).filter(([name]) => name in on)
  socket.subscribe(
    wanted.map(([, group]) => group),
    { message: message => pass(message, on), overflow: () => on.overflow() },
  )
}
