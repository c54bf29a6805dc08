// A container's link: the host's end here, and the container's end, which is born in its sandbox or moved there by the engine.
import { closeSync, openSync } from 'node:fs'
import { Batch, inNamespace, isNamespace, NetlinkSocket } from 'nftables-js/netlink'
import { linkSettings } from '../dataplane/host.ts'
import type { EndItem, LinkItem } from '../dataplane/item.ts'
import { PluginError } from '../errors.ts'
import type { LinkSysctl } from '../state/model.ts'
import { addAddress } from './rtnetlink/address.ts'
import { createVeth, getLink, type Link, listLinks, setLink } from './rtnetlink/link.ts'
import { addNeighbour } from './rtnetlink/neighbour.ts'
import { addRoute } from './rtnetlink/route.ts'
import type { SysctlTree } from './sysctl.ts'

/** Our number among the route protocols (RTPROT_*, linux/rtnetlink.h): 64 for the /64. */
export const ROUTE_PROTOCOL = 64

const LOOPBACK = 1
/** DEVCONF_DISABLE_IPV6 (linux/ipv6.h). */
const DISABLE_IPV6 = 26
/** The source of a socket that is not bound, for which a route is looked up before it is chosen (ip6_dst_lookup_tail in net/ipv6/ip6_output.c). */
const UNDECIDED = '::/128'
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
 * The container's end, known by `hostIndex`, the index of the host's. The default route stays the engine's to choose. Ours are one for this source
 * address only, so that it answers over its own link, whoever asks, and one to the group for those who have no source address yet, so that they take
 * this one for its own group: whatever other networks the container has. Where the network is internal the first leads to the group and the prefixes of
 * `fleet` only; without a source it would carry what other networks may reach into the group that reaches nobody. May repeat. Throws SANDBOX_GONE when no such link is in the
 * sandbox, OPTION_SYSCTL when the kernel does not take a setting, and NetlinkError.
 */
export function finishEnd(sysctl: SysctlTree, end: EndItem, hostIndex: number, fleet: readonly string[]): void {
  inNamespace(end.sandbox, () => {
    using socket = NetlinkSocket.open('route')
    const link = listLinks(socket, { kind: 'veth' }).find(one => one.peerIndex === hostIndex && one.mac === end.mac)
    if (!link) throw new PluginError('SANDBOX_GONE', end.sandbox)
    const { index } = link
    const batch = new Batch(1024)
    if (end.born) {
      if (link.settings?.[DISABLE_IPV6] !== 0) sysctl.write(['net', 'ipv6', 'conf', link.name, 'disable_ipv6'], '0')
      // While it is down and before the mark, as the engine does: a sandbox whose settings were refused is as it was.
      for (const one of end.born.sysctls) setLinkSysctl(sysctl, link.name, one)
      setLink(batch, { index: LOOPBACK }, { alias: MARK })
      setLink(batch, { index }, { addrGenMode: 'none', up: true })
      addAddress(batch, { index, address: end.address, prefixLength: 128, nodad: true, verb: 'replace' })
      addRoute(batch, { index, protocol: ROUTE_PROTOCOL, destination: `${end.gateway.address}/128`, verb: 'replace' })
    }
    addNeighbour(batch, { index, address: end.gateway.address, mac: end.gateway.mac })
    addRoutes(batch, end, index, fleet)
    socket.request(batch)
  })
}

function setLinkSysctl(sysctl: SysctlTree, link: string, { path, value }: LinkSysctl): void {
  try {
    sysctl.write(
      path.map(segment => (segment === 'IFNAME' ? link : segment)),
      value,
    )
  } catch (error) {
    throw new PluginError('OPTION_SYSCTL', `${path.join('.')}=${value}`, (error as Error).message)
  }
}

function addRoutes(batch: Batch, end: EndItem, index: number, fleet: readonly string[]): void {
  const gateway = end.gateway.address
  const own = { index, gateway, protocol: ROUTE_PROTOCOL, verb: 'replace' } as const
  for (const destination of end.prefixes) addRoute(batch, { ...own, destination, source: UNDECIDED })
  for (const destination of end.internal ? [...end.prefixes, ...fleet] : ['::/0'])
    addRoute(batch, { ...own, destination, source: `${end.address}/128` })
}

/** True when a link was born in this sandbox before, whether or not it is still there; false for what is no sandbox. */
export function isMarked(sandbox: string): boolean {
  if (!isNamespace(sandbox)) return false
  return inNamespace(sandbox, () => {
    using socket = NetlinkSocket.open('route')
    return getLink(socket, { index: LOOPBACK })?.alias === MARK
  })
}
