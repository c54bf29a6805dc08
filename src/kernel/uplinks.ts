// Which links lead out of the host, and what else stands on it.

import { LINK_PREFIX } from '../address/plan.ts'
import type { ForeignLink } from '../address/prefix.ts'
import type { Kernel } from './kernel.ts'
import { listAddresses } from './rtnetlink/address.ts'
import { listLinks } from './rtnetlink/link.ts'
import { listRoutes, MAIN_TABLE } from './rtnetlink/route.ts'

/** Names of the links that carry an IPv6 default route of the main table. */
export function defaultUplinks(kernel: Kernel): string[] {
  const names = new Map(listLinks(kernel.route).map(({ index, name }) => [index, name]))
  const indexes = listRoutes(kernel.route, { table: MAIN_TABLE })
    .filter(({ destination, type }) => destination === '::/0' && type === 'unicast')
    .flatMap(({ index, nexthops }) => [index, ...(nexthops ?? []).map(hop => hop.index)])
  return [...new Set(indexes.flatMap(index => names.get(index ?? -1) ?? []))]
}

/** DEVCONF_ACCEPT_RA (linux/ipv6.h). */
const ACCEPT_RA = 3

/**
 * Names of the links that take router advertisements as long as the host does not forward (accept_ra=1): of the uplinks, or of all while none is known,
 * because then the default route may be yet to come by one. None where the host forwards already.
 */
export function listeningLinks(kernel: Kernel, uplinks: readonly string[]): string[] {
  if (kernel.sysctl.read(['net', 'ipv6', 'conf', 'all', 'forwarding']) !== '0') return []
  return listLinks(kernel.route)
    .filter(({ name, settings }) => name !== 'lo' && !name.startsWith(LINK_PREFIX) && settings?.[ACCEPT_RA] === 1)
    .map(({ name }) => name)
    .filter(name => uplinks.length === 0 || uplinks.includes(name))
}

/** The smallest MTU of these links in bytes; 1500 where there is none. At least 1280 (RFC 8200, section 5). */
export function uplinkMtu(kernel: Kernel, uplinks: readonly string[]): number {
  const sizes = listLinks(kernel.route)
    .filter(({ name }) => uplinks.includes(name))
    .map(({ mtu }) => mtu)
  return sizes.length === 0 ? 1500 : Math.max(1280, Math.min(...sizes, 65535))
}

/** Addresses and connected routes of every link that is not ours, to hold a host prefix against. */
export function foreignLinks(kernel: Kernel): ForeignLink[] {
  const links = listLinks(kernel.route).filter(({ name }) => !name.startsWith(LINK_PREFIX) && name !== 'lo')
  const addresses = listAddresses(kernel.route)
  const routes = listRoutes(kernel.route, { table: MAIN_TABLE }).filter(
    route => route.gateway === undefined && route.nexthops === undefined && route.type === 'unicast',
  )
  return links.map(({ index, name }) => ({
    name,
    addresses: addresses.filter(one => one.index === index),
    connectedRoutes: routes
      .filter(one => one.index === index && one.destination !== '::/0')
      .map(one => one.destination),
  }))
}
