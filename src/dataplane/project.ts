// state -> what the kernel should hold. An endpoint's items follow from it and its network alone, a group's from the group: so a change of one costs
// the same whatever else runs.
import { gatewayAddress, groupKey, hostAddress, hostMac, linkName, movedName } from '../address/plan.ts'
import { type HostPrefix, parseHostPrefix } from '../address/prefix.ts'
import { allowRows } from '../policy/elements.ts'
import type { Change, Endpoint, Network } from '../state/model.ts'
import { bornName } from '../state/names.ts'
import type { GroupUse, State } from '../state/state.ts'
import type { Item, LinkItem } from './item.ts'

/** Everything for one endpoint: its link while it has a sandbox, traffic while it is joined. */
export function endpointItems(endpoint: Endpoint, network: Network): Item[] {
  if (endpoint.sandbox === undefined) return []
  const link = linkItem(endpoint, network, endpoint.sandbox)
  if (endpoint.phase !== 'joined') return [link]
  const { address, mac, moved, settled } = endpoint
  return [
    link,
    ...(moved && !settled ? [] : [endItem(endpoint, network, endpoint.sandbox)]),
    { kind: 'neighbour', link: link.name, address, mac },
    { kind: 'route', address, link: link.name },
    { kind: 'element', set: 'links', key: [link.name, address] },
    ...endpoint.published.map(
      ({ protocol, port }): Item => ({ kind: 'element', set: 'published', key: [address, protocol, port] }),
    ),
  ]
}

function linkItem({ id, mac, moved }: Endpoint, network: Network, sandbox: string): LinkItem {
  return {
    kind: 'link',
    name: linkName(id),
    alias: `slash64/${network.id}/${id}`,
    mac: hostMac(id),
    mtu: network.mtu,
    gateway: gatewayAddress(network.id),
    ...(moved ? {} : { sandbox }),
    peer: { name: moved ? movedName(id) : bornName(network), mac },
  }
}

function endItem({ id, mac, address, moved, sysctls = [] }: Endpoint, network: Network, sandbox: string): Item {
  return {
    kind: 'end',
    link: linkName(id),
    sandbox,
    mac,
    address,
    gateway: { address: gatewayAddress(network.id), mac: hostMac(id) },
    prefixes: [network.pool],
    internal: network.internal === true,
    ...(moved ? {} : { born: { sysctls } }),
  }
}

/** Everything for one group that has networks here: open inside, and its access list. */
export function groupItems(bits: Network['group'], group: Pick<GroupUse, 'name' | 'allow' | 'internal'>): Item[] {
  const key = groupKey(bits)
  const self: Item = { kind: 'element', set: 'internal', key: [key, key], comment: group.name ?? 'inside a group' }
  if (group.internal) return [self]
  return [
    { ...self, set: 'allow_group' },
    ...allowRows(group.allow, bits, group.name).map((row): Item => ({ kind: 'element', ...row })),
  ]
}

/** What the host itself holds for a prefix, containers or none. */
export function prefixItems(prefix: HostPrefix): Item[] {
  return [
    { kind: 'address', address: hostAddress(prefix) },
    { kind: 'unreachable', prefix: prefix.text },
  ]
}

/** The items before and after `changes`, of the objects that they touch only. `state` is the state before. */
export function projectChanges(state: State, changes: readonly Change[]): { before: Item[]; after: Item[] } {
  const before: Item[] = []
  const after: Item[] = []
  for (const change of changes) {
    if (change.kind === 'endpoint') {
      const network = networkOf(state, changes, change.before ?? change.after)
      if (change.before && network) before.push(...endpointItems(change.before, network))
      if (change.after && network) after.push(...endpointItems(change.after, network))
    } else if (change.kind === 'network') {
      const { before: was, after: is } = groupStep(state, change)
      before.push(...was)
      after.push(...is)
    }
  }
  return { before, after }
}

function networkOf(state: State, changes: readonly Change[], endpoint: Endpoint | undefined): Network | undefined {
  const known = endpoint && state.networks.get(endpoint.network)
  if (known) return known
  for (const change of changes) if (change.kind === 'network' && change.id === endpoint?.network) return change.after
  return undefined
}

/** A group comes with its first network and goes with its last; in between only its list can grow. */
function groupStep(state: State, change: Extract<Change, { kind: 'network' }>): { before: Item[]; after: Item[] } {
  const one = change.after ?? change.before
  if (!one) return { before: [], after: [] }
  const group = state.groups.get(one.group)
  const before = group ? groupItems(one.group, group) : []
  if (change.after)
    return {
      before,
      after: groupItems(one.group, { ...one, name: group?.name ?? one.groupName, internal: one.internal === true }),
    }
  return { before, after: group && group.networks.size > 1 ? before : [] }
}

/** The whole: what the kernel should hold for this state, `host` being the tables, settings and prefix of the configuration. */
export function project(state: State, host: readonly Item[]): Item[] {
  const items = [...host]
  const prefixes = new Set([...state.networks.values()].map(network => network.prefix))
  for (const text of prefixes) items.push(...prefixItems(parseHostPrefix(text, { allowDocumentation: true })))
  for (const [bits, group] of state.groups) items.push(...groupItems(bits, group))
  for (const endpoint of state.endpoints.values()) {
    const network = state.networks.get(endpoint.network)
    if (network) items.push(...endpointItems(endpoint, network))
  }
  return items
}
