// What a host holds whatever runs on it: the tables, the settings of its kernel and its own prefix.
import { createHash } from 'node:crypto'
import type { Ruleset } from 'nftables-js'
import type { HostPrefix } from '../address/prefix.ts'
import type { Item, Sysctl } from './item.ts'
import type { RulesetOptions } from './options.ts'
import { prefixItems } from './project.ts'
import { hostTables } from './ruleset.ts'

/**
 * The items of the host itself, in the order in which they should come. `listening`: links that take a router's advertisements now, and would stop
 * when the host begins to forward.
 */
export function hostItems(prefix: HostPrefix, options: RulesetOptions, listening: readonly string[] = []): Item[] {
  return [...hostTables(options).map(tableItem), ...hostSysctls(listening), ...prefixItems(prefix)]
}

function tableItem(ruleset: Ruleset): Item {
  const digest = createHash('sha256').update(JSON.stringify(ruleset)).digest('hex')
  return { kind: 'table', family: ruleset.table.family, name: ruleset.table.name, digest, ruleset }
}

/**
 * Forwarding, with accept_ra=2 before it where it is 1: a host that forwards otherwise stops listening to its router and loses its default route
 * (Documentation/networking/ip-sysctl.rst). Where it is 0 it stays so. Half-received fragments leave after 5 s, so that a flood of them holds nobody up for a minute.
 */
function hostSysctls(listening: readonly string[]): Sysctl[] {
  const conf = (link: string, name: string, setting: string): Sysctl => ({
    kind: 'sysctl',
    path: ['net', 'ipv6', 'conf', link, name],
    setting,
  })
  return [
    ...listening.map(link => conf(link, 'accept_ra', '2')),
    conf('all', 'forwarding', '1'),
    { kind: 'sysctl', path: ['net', 'netfilter', 'nf_conntrack_frag6_timeout'], setting: '5', optional: true },
  ]
}

/**
 * Settings of the host's end of each link: it routes, and takes no advice from the container. `number` is the setting's DEVCONF_* in linux/ipv6.h: a
 * new link says by it how it is already, so that only the others have to be written. Kernels without one (ioam6, rpl) need nothing.
 */
export const linkSettings: readonly { readonly name: string; readonly number: number }[] = [
  { name: 'disable_ipv6', number: 26 },
  { name: 'accept_ra', number: 3 },
  { name: 'autoconf', number: 5 },
  { name: 'accept_redirects', number: 4 },
  { name: 'proxy_ndp', number: 22 },
  { name: 'seg6_enabled', number: 44 },
  { name: 'rpl_seg_enabled', number: 51 },
  { name: 'ioam6_enabled', number: 53 },
]
