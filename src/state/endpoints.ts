// Addresses and endpoints: RequestAddress leases a number, CreateEndpoint takes it, Join names the sandbox, Leave closes, DeleteEndpoint forgets.
import { containerMac, endpointAddress, gatewayAddress, movedName, parseEndpointAddress } from '../address/plan.ts'
import { type HostPrefix, parseHostPrefix } from '../address/prefix.ts'
import { PluginError } from '../errors.ts'
import { parsePublished } from '../policy/published.ts'
import type { CommandOf, Context, Decision, Replies } from './command.ts'
import type { Change, Endpoint, EndpointId, Network, NetworkId } from './model.ts'
import { movedPrefix, prefixOfNames } from './names.ts'
import { allocate, claim } from './numbers.ts'
import { parseEndpointOptions } from './options.ts'
import type { PoolUse, State } from './state.ts'

/** RequestAddress: the address that was asked for, or the next one. Always a /128. */
export function requestAddress(
  state: State,
  command: CommandOf<'requestAddress'>,
  context: Context,
): Decision<'requestAddress'> {
  if (command.gateway) throw new PluginError('GATEWAY', command.address)
  const use = state.pools.get(command.pool)
  if (!use) throw new PluginError('POOL_UNKNOWN', command.pool)
  if (command.address) {
    const number = parseEndpointAddress(command.address, use.pool.id)
    const change = claim(use, number, command.address, context.now)
    return { changes: [change], reply: { address: `${addressOf(use, number)}/128` } }
  }
  const { number, changes } = allocate(use, context.now, command.name)
  return { changes, reply: { address: `${addressOf(use, number)}/128` } }
}

/** Parsed once: a pool never gets another prefix. */
const prefixes = new Map<string, HostPrefix>()

function addressOf({ pool }: PoolUse, number: number): string {
  const prefix = prefixes.get(pool.prefix) ?? parseHostPrefix(pool.prefix, { allowDocumentation: true })
  prefixes.set(pool.prefix, prefix)
  return endpointAddress(prefix, pool.group, number)
}

/** ReleaseAddress: what is not leased (any more) succeeds. */
export function releaseAddress(state: State, command: CommandOf<'releaseAddress'>): Decision<'releaseAddress'> {
  const use = state.pools.get(command.pool)
  if (!use) return { changes: [], reply: undefined }
  const number = parseEndpointAddress(command.address, use.pool.id)
  const before = use.leases.get(number)
  if (!before) return { changes: [], reply: undefined }
  return { changes: [{ kind: 'lease', id: use.pool.id, number, before, after: undefined }], reply: undefined }
}

/** CreateEndpoint: takes the leased address. Nothing is made in the kernel yet. Repeats with the same address succeed. */
export function createEndpoint(
  state: State,
  command: CommandOf<'createEndpoint'>,
  context: Context,
): Decision<'createEndpoint'> {
  const network = networkOf(state, command.network)
  if (!command.addressIPv6) throw new PluginError('ENDPOINT_NO_IPV6')
  const sysctls = parseEndpointOptions(command.options)
  parsePublished(command.ports)
  const use = state.pools.get(network.pool)
  if (!use) throw new PluginError('POOL_UNKNOWN', network.pool)
  const number = parseEndpointAddress(command.addressIPv6.replace(/\/128$/, ''), network.pool)
  const mac = command.mac || containerMac(command.endpoint)
  const reply = command.mac ? {} : { mac }
  const known = state.endpoints.get(command.endpoint)
  if (known) {
    if (known.network === network.id && known.number === number) return { changes: [], reply }
    throw new PluginError('ENDPOINT_KNOWN', command.endpoint.slice(0, 12), known.address)
  }
  const holder = use.endpoints.get(number)
  if (holder) throw new PluginError('ADDRESS_TAKEN', command.addressIPv6, `endpoint ${holder.slice(0, 12)}`)
  const after: Endpoint = {
    id: command.endpoint,
    network: network.id,
    pool: network.pool,
    number,
    address: addressOf(use, number),
    mac,
    published: [],
    ...(sysctls.length === 0 ? {} : { sysctls }),
    phase: 'created',
    boot: context.boot,
  }
  const lease = use.leases.get(number)
  const changes: Change[] = [{ kind: 'endpoint', id: after.id, before: undefined, after }]
  if (lease) changes.push({ kind: 'lease', id: network.pool, number, before: lease, after: undefined })
  return { changes, reply }
}

/**
 * Join: names the sandbox. The first link of a sandbox is born in it; every further one, in its whole life, has to be moved by the engine, which before
 * 29.7 can crash after a live-restore otherwise (moby PR 53237). Repeats for the same sandbox succeed.
 */
export function join(state: State, command: CommandOf<'join'>, context: Context): Decision<'join'> {
  const network = networkOf(state, command.network)
  const before = endpointOf(state, command.network, command.endpoint)
  if (before.sandbox === command.sandbox && before.phase === 'joined') {
    return { changes: [], reply: joinReply(before, network) }
  }
  if (before.sandbox !== undefined) throw new PluginError('ENDPOINT_JOINED', before.id.slice(0, 12), before.sandbox)
  const others = [...(state.sandboxes.get(command.sandbox) ?? [])].flatMap(id => state.endpoints.get(id) ?? [])
  const double = others.find(other => other.pool === before.pool)
  if (double) throw new PluginError('GROUP_DOUBLE', network.groupName ?? 'without a name', double.address)
  const birth = network.birth ?? context.birth ?? 'sandbox'
  const moved = birth === 'engine' || others.length > 0 || context.sandboxUsed === true
  const { published, notes } = parsePublished(command.ports)
  const after: Endpoint = {
    ...before,
    published: network.internal ? [] : published,
    sandbox: command.sandbox,
    phase: 'joined',
    ...(moved ? { moved, namePrefix: movedPrefix(network, namesOf(state, others)) } : {}),
  }
  return { changes: [{ kind: 'endpoint', id: after.id, before, after }], reply: joinReply(after, network), notes }
}

function joinReply(endpoint: Endpoint, network: Network): Replies['join'] {
  const gateway = gatewayAddress(network.id)
  return {
    ...(network.internal ? {} : { gateway }),
    ...(endpoint.namePrefix === undefined
      ? {}
      : { moved: { link: movedName(endpoint.id), namePrefix: endpoint.namePrefix, connected: `${gateway}/128` } }),
  }
}

function namesOf(state: State, endpoints: readonly Endpoint[]): ReadonlySet<string> {
  return new Set(endpoints.map(one => prefixOfNames(one, state.networks.get(one.network))))
}

/** EndpointOperInfo: what only we can do on a link that the engine moved is done now. */
export function settle(state: State, command: CommandOf<'settle'>): Decision<'settle'> {
  const before = state.endpoints.get(command.endpoint)
  if (before?.phase !== 'joined' || !before.moved || before.settled) return { changes: [], reply: undefined }
  const after: Endpoint = { ...before, settled: true }
  return { changes: [{ kind: 'endpoint', id: after.id, before, after }], reply: undefined }
}

/** Leave: closes the endpoint at once; its link goes with DeleteEndpoint. Unknown ids succeed. */
export function leave(state: State, command: CommandOf<'leave'>): Decision<'leave'> {
  const before = state.endpoints.get(command.endpoint)
  if (before?.phase !== 'joined') return { changes: [], reply: undefined }
  const after: Endpoint = { ...before, phase: 'left' }
  return { changes: [{ kind: 'endpoint', id: after.id, before, after }], reply: undefined }
}

/** DeleteEndpoint: the number stays leased until ReleaseAddress. Unknown ids succeed. */
export function deleteEndpoint(
  state: State,
  command: CommandOf<'deleteEndpoint'>,
  context: Context,
): Decision<'deleteEndpoint'> {
  const before = state.endpoints.get(command.endpoint)
  if (!before) return { changes: [], reply: undefined }
  const lease: Change = {
    kind: 'lease',
    id: before.pool,
    number: before.number,
    before: undefined,
    after: { since: context.now },
  }
  return { changes: [lease, forgetEndpoint(before)], reply: undefined }
}

/** The change that forgets an endpoint and frees its number. */
export function forgetEndpoint(before: Endpoint): Change {
  return { kind: 'endpoint', id: before.id, before, after: undefined }
}

function networkOf(state: State, id: NetworkId): Network {
  const network = state.networks.get(id)
  if (!network) throw new PluginError('NETWORK_UNKNOWN', id.slice(0, 12))
  return network
}

function endpointOf(state: State, network: NetworkId, id: EndpointId): Endpoint {
  const endpoint = state.endpoints.get(id)
  if (endpoint?.network !== network) throw new PluginError('ENDPOINT_UNKNOWN', id.slice(0, 12), network.slice(0, 12))
  return endpoint
}
