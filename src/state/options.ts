// Network, IPAM and endpoint options, strict: what this version does not know or not do yet is refused by name, never
// ignored. One row an option: the parser, its errors and the reference page (docs/options.md) are made from these tables.
import { namedGroup, RESERVED_NAMES } from '../address/group.ts'
import { PluginError } from '../errors.ts'
import { type AllowEntry, PROTOCOLS, parseAllow } from '../policy/allow.ts'
import { nearest } from '../words.ts'
import type { NetworkOptions } from './command.ts'
import type { Birth, LinkSysctl } from './model.ts'
import { BIRTHS, MTU_RANGE, parseBirth, parseLinkPrefix, parseMtu, parseSysctls } from './option-values.ts'

export interface ParsedOptions {
  readonly groupName?: string
  readonly allow?: readonly AllowEntry[]
  readonly mtu?: number
  readonly birth?: Birth
  readonly linkPrefix?: string
}

/** An option that users write. Its texts are Markdown, for the reference page. */
export interface Option<T> {
  readonly name: string
  /** What may be written. */
  readonly values: string
  /** What holds without it. */
  readonly default: string
  /** A value that is taken. */
  readonly example: string
  /** What it does. */
  readonly description: string
  /** Throws PluginError for a value that cannot be used. */
  readonly parse: (value: string) => T
}

/** What can be written in one place. */
export interface OptionTable<T> {
  readonly options: readonly Option<T>[]
  /** The engine's own: it reads them itself and passes them on. Nothing is done about them here. */
  readonly engine: readonly { readonly name: string; readonly description: string }[]
  /** Refused with a sentence of their own, `refuse` of the value. */
  readonly refused: readonly {
    readonly name: string
    readonly example: string
    readonly refuse: (value: string) => PluginError
  }[]
}

const code = (words: readonly string[]): string => words.map(word => `\`${word}\``).join(', ')
const notYet = (name: string, example: string): OptionTable<unknown>['refused'][number] => ({
  name,
  example,
  refuse: () => new PluginError('OPTION_LATER', name),
})

const group: Option<{ groupName: string }> = {
  name: 'group',
  values: `\`[a-z0-9][a-z0-9._-]*\` with a letter in it, at most 63 characters; not ${code(RESERVED_NAMES)}`,
  default: 'a group of this network alone, which no list can name and no other host can enter',
  example: 'web',
  description:
    'The group that the network belongs to. One name is one group on every host of the fleet; two networks of it on one host share their pool.',
  parse: value => ({ groupName: namedGroup(value).name }),
}

/** `docker network create -o NAME=VALUE`. */
export const networkOptions: OptionTable<ParsedOptions> = {
  options: [
    group,
    {
      name: 'allow',
      values: `\`PEER[:PORT[-PORT][/PROTO]]\`, comma separated. \`PEER\` is the name of a group, \`PROTO\` one of ${code(PROTOCOLS)}`,
      default: 'nobody but the group itself',
      example: 'web:5432,metrics:9100-9199/tcp,admin',
      description:
        'Groups that may open connections to this one. Without a protocol: `tcp`. Without a port: every port and protocol. The list belongs to the group: a second network of it on this host gives the same list or none.',
      parse: value => ({ allow: parseAllow(value) }),
    },
    {
      name: 'com.docker.network.driver.mtu',
      values: `a number of bytes, ${MTU_RANGE.join(' to ')}`,
      default: 'the smallest MTU of the uplinks, read when slash64 starts',
      example: '1420',
      description: 'MTU of the links of its containers, on both ends.',
      parse: value => ({ mtu: parseMtu(value) }),
    },
    {
      name: 'birth',
      values: code(BIRTHS),
      default: '`SLASH64_BIRTH`, which is `sandbox` unless set',
      example: 'engine',
      description:
        'Who brings the link into the container. `sandbox`: slash64 makes it there. `engine`: Docker moves it there, which costs some 30 ms of every start and gives `docker stats` its network column and `--link-local-ip` its meaning.',
      parse: value => ({ birth: parseBirth(value) }),
    },
    {
      name: 'com.docker.network.container_iface_prefix',
      values:
        'at most 11 letters, digits, `-`, `_`, a letter first, no digit last; nothing that begins with `lo` or `s64`',
      default: '`net`',
      example: 'lan',
      description:
        'What the names of the links in containers begin with: `net` gives `net0`, and `netx0`, `nety0` for further networks of one container.',
      parse: value => ({ linkPrefix: parseLinkPrefix(value) }),
    },
  ],
  engine: [
    {
      name: 'com.docker.network.advertise_addr_nmsgs',
      description: 'how often the engine announces an address; nobody listens: neighbour entries are permanent here',
    },
    { name: 'com.docker.network.advertise_addr_ms', description: 'the time between these announcements' },
    { name: 'com.docker.network.enable_ipv4', description: 'what `--ipv4` says' },
    { name: 'com.docker.network.enable_ipv6', description: 'what `--ipv6` says' },
  ],
  refused: [notYet('icc', 'false'), notYet('egress', 'closed')],
}

/** `docker network create --ipam-opt NAME=VALUE`. */
export const ipamOptions: OptionTable<{ groupName?: string }> = {
  options: [{ ...group, description: 'The same as `-o group`; where both are given they have to be equal.' }],
  engine: [],
  refused: [],
}

/** `docker run --network name=NETWORK,driver-opt=NAME=VALUE`. */
export const endpointOptions: OptionTable<{ sysctls?: LinkSysctl[] }> = {
  options: [
    {
      name: 'com.docker.network.endpoint.sysctls',
      values:
        '`net.FAMILY.KIND.IFNAME.NAME=VALUE`, comma separated; `FAMILY` is `ipv4`, `ipv6` or `mpls`, and `IFNAME` is written as it stands here',
      default: 'what the kernel gives a new link',
      example: 'net.ipv6.conf.IFNAME.hop_limit=32',
      description:
        'Settings of the link in the container, made before it is up. `disable_ipv6=1` is refused: a link without IPv6 has nothing here.',
      parse: value => ({ sysctls: parseSysctls(value) }),
    },
  ],
  engine: [],
  refused: [
    notYet('allow', 'web:80'),
    {
      name: 'com.docker.network.endpoint.ifname',
      example: 'lan0',
      refuse: value => new PluginError('OPTION_IFNAME', value),
    },
  ],
}

/** The `-o` options of a network. Throws OPTION_UNKNOWN, OPTION_LATER, and what the options' own parsers throw. */
export function parseNetworkOptions(given: NetworkOptions['driver']): ParsedOptions {
  return parse(networkOptions, given)
}

/** The `--ipam-opt` options of a network. Throws OPTION_UNKNOWN, GROUP_NAME_INVALID. */
export function parseIpamOptions(given: Readonly<Record<string, string>>): { groupName?: string } {
  return parse(ipamOptions, given)
}

/** Endpoint options: sysctls of the link. Throws OPTION_UNKNOWN, OPTION_LATER, OPTION_IFNAME or OPTION_SYSCTL. */
export function parseEndpointOptions(given: Readonly<Record<string, string>>): LinkSysctl[] {
  return parse(endpointOptions, given).sysctls ?? []
}

function parse<T>(table: OptionTable<T>, given: Readonly<Record<string, string>>): Partial<T> {
  let parsed: Partial<T> = {}
  for (const [name, value] of Object.entries(given)) {
    if (table.engine.some(one => one.name === name)) continue
    const option = table.options.find(one => one.name === name)
    if (!option) throw refusal(table, name, value)
    parsed = { ...parsed, ...option.parse(value) }
  }
  return parsed
}

/** What most names of Docker begin with; without it, unlike names are alike. */
const BEGINNING = 'com.docker.network.'

function refusal({ options, refused }: OptionTable<unknown>, name: string, value: string): PluginError {
  const short = (one: string): string => one.replace(BEGINNING, '')
  const similar = nearest(
    short(name),
    options.map(one => short(one.name)),
  )
  const known = options.map(one => one.name)
  const meant = known.find(one => short(one) === similar)
  return (
    refused.find(one => one.name === name)?.refuse(value) ??
    new PluginError('OPTION_UNKNOWN', name, meant ? `did you mean "${meant}"?` : `known: ${known.join(', ')}`)
  )
}
