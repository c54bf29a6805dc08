// A container's link: the host's end here, the container's end born in its sandbox with everything on it, so that dockerd has nothing to move.
import { closeSync, openSync } from 'node:fs'
import { Batch, inNamespace, isNamespace, NetlinkSocket } from 'nftables-js/netlink'
import { linkSettings } from '../dataplane/host.ts'
import type { LinkItem } from '../dataplane/item.ts'
import { PluginError } from '../errors.ts'
import { addAddress } from './rtnetlink/address.ts'
import { createVeth, type Link, setLink } from './rtnetlink/link.ts'
import { addNeighbour } from './rtnetlink/neighbour.ts'
import { addRoute } from './rtnetlink/route.ts'
import type { SysctlTree } from './sysctl.ts'

/** Our number among the route protocols (RTPROT_*, linux/rtnetlink.h): 64 for the /64. */
export const ROUTE_PROTOCOL = 64

/**
 * Makes the pair, both ends down, and returns the host's end. Throws SANDBOX_GONE when the path is no namespace, NetlinkError otherwise. The two
 * functions below finish it; nothing is up before its address mode is set, so neither end ever sends a packet of its own.
 */
export function makeLink(socket: NetlinkSocket, link: LinkItem, mtu: number): Link {
  if (!isNamespace(link.sandbox)) throw new PluginError('SANDBOX_GONE', link.sandbox)
  const sandbox = openSync(link.sandbox, 'r')
  try {
    const { name, mac, alias, peer } = link
    return createVeth(socket, { name, mac, mtu, alias }, { name: peer.name, mac: peer.mac, mtu, netns: sandbox })
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
 * The container's end. The default route stays the engine's to choose; ours is one for this source address only, and one to the group, so that the
 * address is used for its own group and answers over its own link whatever other networks the container has.
 */
export function finishContainerEnd(sysctl: SysctlTree, link: LinkItem, index: number): void {
  const { peer, gateway } = link
  inNamespace(link.sandbox, () => {
    using socket = NetlinkSocket.open('route')
    sysctl.write(['net', 'ipv6', 'conf', peer.name, 'disable_ipv6'], '0')
    const own = { index, protocol: ROUTE_PROTOCOL }
    const batch = setLink(new Batch(1024), { index }, { addrGenMode: 'none', up: true })
    addAddress(batch, { index, address: peer.address, prefixLength: 128, nodad: true })
    addRoute(batch, { ...own, destination: `${gateway}/128` })
    addNeighbour(batch, { index, address: gateway, mac: link.mac })
    addRoute(batch, { ...own, destination: peer.groupPrefix, gateway })
    addRoute(batch, { ...own, destination: '::/0', source: `${peer.address}/128`, gateway })
    socket.request(batch)
  })
}
