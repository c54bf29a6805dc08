// The creation and removal of networks: GwAllocCheck opens a creation and carries the options, RequestPool grants the group's pool, CreateNetwork
// closes it.
import { checkDistinct, type GroupBits, localGroup, namedGroup } from '../address/group.ts'
import { groupPool, parsePool } from '../address/plan.ts'
import { type HostPrefix, parseHostPrefix, parsePrefix } from '../address/prefix.ts'
import { PluginError } from '../errors.ts'
import { formatAllow } from '../policy/allow.ts'
import type { CommandOf, Context, Decision, NetworkOptions } from './command.ts'
import { forgetEndpoint } from './endpoints.ts'
import type { Change, Creation, Network, Pool, PoolId } from './model.ts'
import { parseIpamOptions, parseNetworkOptions } from './options.ts'
import type { State } from './state.ts'

/** GwAllocCheck: opens a creation. Throws for every option that CreateNetwork would refuse, so that nothing is half done. */
export function checkGatewayAllocation(
  state: State,
  { options }: CommandOf<'checkGatewayAllocation'>,
): Decision<'checkGatewayAllocation'> {
  const after = parseCreation(state, options)
  return { changes: [creation(state, after)], reply: undefined }
}

function parseCreation(state: State, options: NetworkOptions): Creation {
  checkFamilies(options)
  const parsed: Creation = { ...parseNetworkOptions(options.driver), ...(options.internal ? { internal: true } : {}) }
  if (parsed.internal && parsed.allow) throw new PluginError('OPTION_INTERNAL_ALLOW', formatAllow(parsed.allow))
  checkNames(state, parsed)
  if (parsed.groupName !== undefined) checkSameOptions(state, namedGroup(parsed.groupName).bits, parsed)
  return parsed
}

function checkFamilies(options: NetworkOptions): void {
  if (options.ipv4 === undefined) throw new PluginError('ENGINE_OLD')
  if (options.ipv4 || options.ipv6 !== true) throw new PluginError('IPV4_ON')
}

/** RequestPool: the /112 of the group that GwAllocCheck, `--ipam-opt group=` or `--subnet` named, or of a random one. */
export function requestPool(
  state: State,
  command: CommandOf<'requestPool'>,
  context: Context,
): Decision<'requestPool'> {
  if (!command.ipv6) throw new PluginError('IPV4_ON')
  const open = state.creation
  if (!open) throw new PluginError('POOL_FOREIGN')
  if (command.subPool) throw new PluginError('IP_RANGE', command.subPool)
  // libnetwork asks again, for ever, when the pool holds one of the host's name servers (ipams/remote).
  if (open.pool && !command.pool) throw new PluginError('POOL_NAMESERVER', open.pool)
  const groupName = oneName(open.groupName, parseIpamOptions(command.options).groupName)
  const named: Creation = { ...open, ...(groupName === undefined ? {} : { groupName }) }
  checkNames(state, named)
  const prefix = context.prefix
  const bits = command.pool ? parsePool(command.pool, prefix) : groupOf(state, groupName, context.random)
  if (groupName !== undefined && bits !== namedGroup(groupName).bits) {
    throw new PluginError('POOL_GROUP', command.pool, groupName, groupPool(prefix, namedGroup(groupName).bits))
  }
  checkSameOptions(state, bits, open)
  const id = groupPool(prefix, bits) as PoolId
  const after: Creation = { ...named, pool: id }
  return { changes: [...poolChanges(state, id, prefix.text, bits), creation(state, after)], reply: { id, pool: id } }
}

function oneName(driver: string | undefined, ipam: string | undefined): string | undefined {
  if (driver !== undefined && ipam !== undefined && driver !== ipam) throw new PluginError('GROUP_TWICE', driver, ipam)
  return driver ?? ipam
}

function groupOf(state: State, name: string | undefined, random: number): GroupBits {
  if (name !== undefined) return namedGroup(name).bits
  for (let turn = random; ; turn++) {
    const { bits } = localGroup(turn & 0x7fffffff)
    if (!state.groups.has(bits)) return bits
  }
}

function poolChanges(state: State, id: PoolId, prefix: string, group: GroupBits): Change[] {
  if (state.pools.has(id)) return []
  const after: Pool = { id, prefix, group, reserved: 0 }
  return [{ kind: 'pool', id, before: undefined, after }]
}

/** ReleasePool: of a creation that failed. On `network rm` it comes before DeleteNetwork, which does the work. */
export function releasePool(state: State, { pool }: CommandOf<'releasePool'>): Decision<'releasePool'> {
  const changes: Change[] = state.creation?.pool === pool ? [creation(state, undefined)] : []
  const use = state.pools.get(pool)
  if (use && use.networks.size === 0) {
    changes.push({ kind: 'pool', id: pool, before: use.pool, after: undefined })
  }
  return { changes, reply: undefined }
}

/** CreateNetwork: closes the creation. Repeats with the same pool succeed. */
export function createNetwork(
  state: State,
  command: CommandOf<'createNetwork'>,
  context: Context,
): Decision<'createNetwork'> {
  const pool = onlyPool(command)
  const known = state.networks.get(command.network)
  const open = state.creation?.pool === pool ? state.creation : undefined
  const closing = open ? [creation(state, undefined)] : []
  if (known) {
    if (known.pool !== pool) throw new PluginError('NETWORK_KNOWN', command.network.slice(0, 12), known.pool, pool)
    return { changes: closing, reply: undefined }
  }
  checkIpam(state, pool, command.options)
  // The options come again; only `--ipam-opt group=` was RequestPool's alone.
  const groupName = open?.groupName
  const parsed = { ...(groupName === undefined ? {} : { groupName }), ...parseCreation(state, command.options) }
  const prefix = state.pools.get(pool as PoolId)?.pool.prefix
  const hostPrefix = prefix ? parseHostPrefix(prefix, { allowDocumentation: true }) : context.prefix
  const network = makeNetwork(state, command, parsed, grantedGroup(state, pool, hostPrefix), hostPrefix.text)
  return {
    changes: [
      ...poolChanges(state, network.pool, network.prefix, network.group),
      { kind: 'network', id: network.id, before: undefined, after: network },
      ...closing,
    ],
    reply: undefined,
  }
}

/** The open creation is this network's own, and RequestPool never came: another IPAM gave the pool, even if it is the right one. */
function checkIpam(state: State, pool: string, options: NetworkOptions): void {
  const open = state.creation
  if (open && open.pool === undefined && open.groupName === options.driver['group']) {
    throw new PluginError('IPAM_MISSING', pool)
  }
}

/** The group of the network's pool. One that is no group's, while we granted none, is from another IPAM. */
function grantedGroup(state: State, pool: string, prefix: HostPrefix): GroupBits {
  try {
    return parsePool(pool, prefix)
  } catch (error) {
    if (state.creation?.pool === undefined) throw new PluginError('IPAM_MISSING', pool)
    throw error
  }
}

function makeNetwork(
  state: State,
  command: CommandOf<'createNetwork'>,
  parsed: Creation,
  bits: GroupBits,
  prefix: string,
): Network {
  if (parsed.groupName !== undefined && namedGroup(parsed.groupName).bits !== bits) {
    const right = groupPool(parseHostPrefix(prefix, { allowDocumentation: true }), namedGroup(parsed.groupName).bits)
    throw new PluginError('POOL_GROUP', onlyPool(command), parsed.groupName, right)
  }
  checkSameOptions(state, bits, parsed)
  const group = state.groups.get(bits)
  const groupName = parsed.groupName ?? group?.name
  return {
    id: command.network,
    pool: onlyPool(command) as PoolId,
    prefix,
    group: bits,
    ...(groupName === undefined ? {} : { groupName }),
    allow: parsed.allow ?? group?.allow ?? [],
    ...linkOptions(parsed),
  }
}

function linkOptions({ mtu, birth, linkPrefix, internal }: Creation): Partial<Network> {
  return {
    ...(mtu === undefined ? {} : { mtu }),
    ...(birth === undefined ? {} : { birth }),
    ...(linkPrefix === undefined ? {} : { linkPrefix }),
    ...(internal === undefined ? {} : { internal }),
  }
}

function onlyPool(command: CommandOf<'createNetwork'>): string {
  checkFamilies(command.options)
  if (command.ipv4.length > 0) throw new PluginError('IPV4_ON')
  const [data, ...more] = command.ipv6
  if (!data) throw new PluginError('IPV4_ON')
  const second = more[0]
  if (second) throw new PluginError('POOL_SECOND', data.pool, second.pool)
  if (data.gateway) throw new PluginError('GATEWAY', data.gateway)
  if (data.auxiliary[0] !== undefined) throw new PluginError('AUXILIARY', data.auxiliary[0])
  return parsePrefix(data.pool).text
}

/** DeleteNetwork: unknown ids succeed. Endpoints that dockerd forgot to delete go with their network. */
export function deleteNetwork(state: State, { network }: CommandOf<'deleteNetwork'>): Decision<'deleteNetwork'> {
  const known = state.networks.get(network)
  if (!known) return { changes: [], reply: undefined }
  const endpoints = [...state.endpoints.values()].filter(endpoint => endpoint.network === network)
  const changes: Change[] = endpoints.map(forgetEndpoint)
  changes.push({ kind: 'network', id: network, before: known, after: undefined })
  const use = state.pools.get(known.pool)
  if (use?.networks.size === 1 && state.creation?.pool !== known.pool) {
    changes.push({ kind: 'pool', id: known.pool, before: use.pool, after: undefined })
  }
  return { changes, reply: undefined }
}

function creation(state: State, after: Creation | undefined): Change {
  return { kind: 'creation', id: 'creation', before: state.creation, after }
}

/** Two names with the same bits would be one group: never a merge, always an error. */
function checkNames(state: State, { groupName, allow = [] }: Creation): void {
  const groups = [...(groupName === undefined ? [] : [namedGroup(groupName)]), ...allow.map(entry => entry.peer)]
  checkDistinct(groups)
  for (const { name } of groups) checkName(state, name)
}

function checkName(state: State, name: string): void {
  const { bits } = namedGroup(name)
  for (const use of state.groups.values()) {
    const names = [...(use.name === undefined ? [] : [use.name]), ...use.allow.map(entry => entry.peer.name)]
    const other = names.find(one => one !== name && namedGroup(one).bits === bits)
    if (other !== undefined) throw new PluginError('GROUP_COLLISION', name, other)
  }
}

/** A group's options belong to the group: a second network of it gives the same ones or none. */
function checkSameOptions(state: State, bits: GroupBits, parsed: Creation): void {
  const group = state.groups.get(bits)
  if (!group) return
  if (group.internal !== (parsed.internal === true)) {
    throw new PluginError('GROUP_INTERNAL', group.name ?? 'without a name', group.internal ? 'is' : 'is not')
  }
  if (parsed.allow === undefined) return
  const [there, here] = [formatAllow(group.allow), formatAllow(parsed.allow)]
  if (there !== here) throw new PluginError('GROUP_OPTIONS', group.name ?? 'without a name', there, here)
}
