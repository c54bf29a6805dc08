// Network and endpoint options, strict: what this version does not know or not do yet is refused by name, never ignored.
import { namedGroup } from '../address/group.ts'
import { PluginError } from '../errors.ts'
import { type AllowEntry, parseAllow } from '../policy/allow.ts'
import { nearest } from '../words.ts'
import type { NetworkOptions } from './command.ts'

export interface ParsedOptions {
  readonly groupName?: string
  readonly allow?: readonly AllowEntry[]
  readonly mtu?: number
}

/** RFC 8200, section 5: every link carries packets of 1280 bytes. 65535 is the largest packet without jumbograms. */
const MTU_RANGE = [1280, 65535] as const

const networkOptions: Readonly<Record<string, (value: string) => ParsedOptions>> = {
  group: value => ({ groupName: namedGroup(value).name }),
  allow: value => ({ allow: parseAllow(value) }),
  'com.docker.network.driver.mtu': value => ({ mtu: parseMtu(value) }),
  // The engine's own: it reads them itself and passes them on.
  'com.docker.network.advertise_addr_nmsgs': () => ({}),
  'com.docker.network.advertise_addr_ms': () => ({}),
  'com.docker.network.enable_ipv4': () => ({}),
  'com.docker.network.enable_ipv6': () => ({}),
}
const laterNetworkOptions = ['icc', 'egress', 'birth', 'com.docker.network.container_iface_prefix']
const laterEndpointOptions = ['allow', 'com.docker.network.endpoint.sysctls', 'com.docker.network.endpoint.ifname']

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

/** Endpoint options: none in this version. Throws OPTION_UNKNOWN or OPTION_LATER. */
export function checkEndpointOptions(options: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(options)) refuse(name, [], laterEndpointOptions)
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

function parseMtu(value: string): number {
  const mtu = /^\d{4,5}$/.test(value) ? Number(value) : 0
  if (mtu < MTU_RANGE[0] || mtu > MTU_RANGE[1]) throw new PluginError('OPTION_MTU', value)
  return mtu
}
