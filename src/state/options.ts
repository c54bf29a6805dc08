// Network and endpoint options, strict: what this version does not know or not do yet is refused by name, never ignored.
import { namedGroup } from '../address/group.ts'
import { PluginError } from '../errors.ts'
import { type AllowEntry, parseAllow } from '../policy/allow.ts'
import { nearest } from '../words.ts'
import type { NetworkOptions } from './command.ts'
import type { Birth, LinkSysctl } from './model.ts'

export interface ParsedOptions {
  readonly groupName?: string
  readonly allow?: readonly AllowEntry[]
  readonly mtu?: number
  readonly birth?: Birth
  readonly linkPrefix?: string
}

/** RFC 8200, section 5: every link carries packets of 1280 bytes. 65535 is the largest packet without jumbograms. */
const MTU_RANGE = [1280, 65535] as const

const networkOptions: Readonly<Record<string, (value: string) => ParsedOptions>> = {
  group: value => ({ groupName: namedGroup(value).name }),
  allow: value => ({ allow: parseAllow(value) }),
  'com.docker.network.driver.mtu': value => ({ mtu: parseMtu(value) }),
  birth: value => parseBirth(value),
  'com.docker.network.container_iface_prefix': value => ({ linkPrefix: parseLinkPrefix(value) }),
  // The engine's own: it reads them itself and passes them on.
  'com.docker.network.advertise_addr_nmsgs': () => ({}),
  'com.docker.network.advertise_addr_ms': () => ({}),
  'com.docker.network.enable_ipv4': () => ({}),
  'com.docker.network.enable_ipv6': () => ({}),
}
const laterNetworkOptions = ['icc', 'egress']
const laterEndpointOptions = ['allow']
const SYSCTLS = 'com.docker.network.endpoint.sysctls'

/** The `-o` options of a network. Throws OPTION_UNKNOWN, OPTION_LATER, OPTION_MTU, and what group and allow throw. */
export function parseNetworkOptions(options: NetworkOptions['driver']): ParsedOptions {
  let parsed: ParsedOptions = {}
  for (const [name, value] of Object.entries(options)) {
    const parse = Object.hasOwn(networkOptions, name) ? networkOptions[name] : undefined
    if (parse) parsed = { ...parsed, ...parse(value) }
    else refuse(name, Object.keys(networkOptions), laterNetworkOptions)
  }
  return parsed
}

/** `--ipam-opt`: only `group`, with the same meaning as the network option. */
export function parseIpamOptions(options: Readonly<Record<string, string>>): { groupName?: string } {
  let parsed: { groupName?: string } = {}
  for (const [name, value] of Object.entries(options)) {
    if (name === 'group') parsed = { groupName: namedGroup(value).name }
    else refuse(name, ['group'], [])
  }
  return parsed
}

/** Endpoint options: sysctls of the link. Throws OPTION_UNKNOWN, OPTION_LATER or OPTION_SYSCTL. */
export function parseEndpointOptions(options: Readonly<Record<string, string>>): LinkSysctl[] {
  let sysctls: LinkSysctl[] = []
  for (const [name, value] of Object.entries(options)) {
    if (name === SYSCTLS) sysctls = value.split(',').map(one => parseSysctl(one.trim()))
    else if (name === 'com.docker.network.endpoint.ifname') throw new PluginError('OPTION_IFNAME', value)
    else refuse(name, [SYSCTLS], laterEndpointOptions)
  }
  return sysctls
}

/**
 * `net.FAMILY.KIND.IFNAME.NAME=VALUE`, as the engine takes it for its own links (moby daemon/libnetwork/netlabel). The CLI lower-cases it all, so the
 * link's placeholder may come in small letters.
 */
function parseSysctl(text: string): LinkSysctl {
  const [, family = '', kind = '', name = '', value = ''] =
    /^net\.(ipv4|ipv6|mpls)\.([a-z]+)\.ifname\.([a-z0-9_]+)=([\w .:-]*)$/i.exec(text) ?? []
  if (name === '')
    throw new PluginError('OPTION_SYSCTL', text, 'write net.ipv6.conf.IFNAME.NAME=VALUE, comma separated')
  if (family === 'ipv6' && name === 'disable_ipv6' && value.trim() !== '0') {
    throw new PluginError('OPTION_SYSCTL', text, 'a link without IPv6 has nothing here; leave it out')
  }
  return { path: ['net', family, kind, 'IFNAME', name], value }
}

function refuse(name: string, known: readonly string[], later: readonly string[]): never {
  if (later.includes(name)) throw new PluginError('OPTION_LATER', name)
  const similar = nearest(name, known)
  throw new PluginError(
    'OPTION_UNKNOWN',
    name,
    similar ? `did you mean "${similar}"?` : `known: ${known.filter(own).join(', ') || 'none'}`,
  )
}

function own(name: string): boolean {
  return !name.startsWith('com.docker.network.enable') && !name.startsWith('com.docker.network.advertise')
}

function parseBirth(value: string): ParsedOptions {
  if (value === 'engine' || value === 'sandbox') return { birth: value }
  throw new PluginError('OPTION_BIRTH', value)
}

/** A name is this and a number; 12 characters leave room for three digits (IFNAMSIZ is 16 with its NUL). */
function parseLinkPrefix(value: string): string {
  if (/^[a-z][a-z0-9_-]{0,10}$/i.test(value) && !/\d$/.test(value) && !/^(lo|s64)/.test(value)) return value
  throw new PluginError('OPTION_LINK_PREFIX', value)
}

function parseMtu(value: string): number {
  const mtu = /^\d{4,5}$/.test(value) ? Number(value) : 0
  if (mtu < MTU_RANGE[0] || mtu > MTU_RANGE[1]) throw new PluginError('OPTION_MTU', value)
  return mtu
}
