// A container's link: the host's end here, and the container's end, which is born in its sandbox or moved there by the engine.
import { closeSync, openSync } from 'node:fs'
import { Batch, inNamespace, isNamespace, NetlinkSocket } from 'nftables-js/netlink'
import { linkSettings } from '../dataplane/host.ts'
import type { EndItem, LinkItem } from '../dataplane/item.ts'
import { PluginError } from '../errors.ts'
import { addAddress } from './rtnetlink/address.ts'
import { createVeth, getLink, type Link, listLinks, setLink } from './rtnetlink/link.ts'
import { addNeighbour } from './rtnetlink/neighbour.ts'
import { addRoute } from './rtnetlink/route.ts'
import type { SysctlTree } from './sysctl.ts'

/** Our number among the route protocols (RTPROT_*, linux/rtnetlink.h): 64 for the /64. */
export const ROUTE_PROTOCOL = 64

const LOOPBACK = 1
/** Alias of a sandbox's loopback link, for as long as the sandbox lives: a link was born in it. */
const MARK = 'slash64: a link was born here'

/**
 * Makes the pair, both ends down, and returns the host's end. Throws SANDBOX_GONE when the path is no namespace, NetlinkError otherwise. The two
 * functions below finish it; nothing is up before its address mode is set, so neither end ever sends a packet of its own.
 */
export function makeLink(socket: NetlinkSocket, link: LinkItem, mtu: number): Link {
  const { name, mac, alias, peer } = link
  const host = { name, mac, mtu, alias }
  if (link.sandbox === undefined) return createVeth(socket, host, { ...peer, mtu })
  if (!isNamespace(link.sandbox)) throw new PluginError('SANDBOX_GONE', link.sandbox)
  const sandbox = openSync(link.sandbox, 'r')
  try {
    return createVeth(socket, host, { ...peer, mtu, netns: sandbox })
  } finally {
    closeSync(sandbox)
  }
}

/** The host's end: settings, up, and the address that is the container's gateway. `made` is what makeLink returned. */
export function finishHostEnd(socket: NetlinkSocket, sysctl: SysctlTree, link: LinkItem, made: Link): void {
  const { index, settings = [] } = made
  for (const { name, number } of linkSettings) {
    if (settings[number] !== 0) sysctl.writeIfPresent(['net', 'ipv6', 'conf', link.name, name], '0')
  }
  const batch = setLink(new Batch(512), { index }, { addrGenMode: 'none', up: true })
  socket.request(addAddress(batch, { index, address: link.gateway, prefixLength: 128, nodad: true }))
}

/**
 * The container's end, known by `hostIndex`, the index of the host's. The default route stays the engine's to choose; ours is one for this source
 * address only, and one to the group, so that the address is used for its own group and answers over its own link whatever other networks the
 * container has. Where the network is internal there is no default route, but the ones to `fleet`.
 */
export function finishEnd(sysctl: SysctlTree, end: EndItem, hostIndex: number, fleet: readonly string[]): void {
  inNamespace(end.sandbox, () => {
    using socket = NetlinkSocket.open('route')
    const link = listLinks(socket, { kind: 'veth' }).find(one => one.peerIndex === hostIndex && one.mac === end.mac)
    if (!link) throw new PluginError('SANDBOX_GONE', end.sandbox)
    const { index } = link
    const batch = new Batch(1024)
    if (end.born) {
      sysctl.write(['net', 'ipv6', 'conf', link.name, 'disable_ipv6'], '0')
      setLink(batch, { index: LOOPBACK }, { alias: MARK })
      setLink(batch, { index }, { addrGenMode: 'none', up: true })
      addAddress(batch, { index, address: end.address, prefixLength: 128, nodad: true })
      addRoute(batch, { index, protocol: ROUTE_PROTOCOL, destination: `${end.gateway.address}/128` })
    }
    addNeighbour(batch, { index, address: end.gateway.address, mac: end.gateway.mac })
    addRoutes(batch, end, index, fleet)
    socket.request(batch)
    for (const { path, value } of end.born?.sysctls ?? []) {
      sysctl.write(
        path.map(segment => (segment === 'IFNAME' ? link.name : segment)),
        value,
      )
    }
  })
}

function addRoutes(batch: Batch, end: EndItem, index: number, fleet: readonly string[]): void {
  const gateway = end.gateway.address
  const own = { index, gateway, protocol: ROUTE_PROTOCOL }
  const prefixes = end.internal ? new Set([...end.prefixes, ...fleet]) : end.prefixes
  for (const destination of prefixes) addRoute(batch, { ...own, destination })
  if (!end.internal) addRoute(batch, { ...own, destination: '::/0', source: `${end.address}/128` })
}

/** True when a link was born in this sandbox before, whether or not it is still there; false for what is no sandbox. */
export function isMarked(sandbox: string): boolean {
  if (!isNamespace(sandbox)) return false
  return inNamespace(sandbox, () => {
    using socket = NetlinkSocket.open('route')
    return getLink(socket, { index: LOOPBACK })?.alias === MARK
  })
}
