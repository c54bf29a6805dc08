// state -> what the kernel should hold. An endpoint's items follow from it and its network alone, a group's from the group: so a change of one costs
// the same whatever else runs.
import { gatewayAddress, groupKey, hostAddress, hostMac, linkName } from '../address/plan.ts'
import { type HostPrefix, parseHostPrefix } from '../address/prefix.ts'
import { allowRows } from '../policy/elements.ts'
import type { Change, Endpoint, Network } from '../state/model.ts'
import type { GroupUse, State } from '../state/state.ts'
import type { Item } from './item.ts'

/** Name of the container's end of a link that is born in its sandbox. Not `eth0`: those are the engine's to give. */
export const BORN_NAME = 'net0'

/** Everything for one endpoint: its link while it has a sandbox, traffic while it is joined. */
export function endpointItems(endpoint: Endpoint, network: Network): Item[] {
  if (endpoint.sandbox === undefined) return []
  const name = linkName(endpoint.id)
  const link: Item = {
    kind: 'link',
    name,
    alias: `slash64/${network.id}/${endpoint.id}`,
    mac: hostMac(endpoint.id),
    mtu: network.mtu,
    gateway: gatewayAddress(network.id),
    sandbox: endpoint.sandbox,
    peer: { name: BORN_NAME, mac: endpoint.mac, address: endpoint.address, groupPrefix: network.pool },
  }
  if (endpoint.phase !== 'joined') return [link]
  const { address } = endpoint
  return [
    link,
    { kind: 'neighbour', link: name, address, mac: endpoint.mac },
    { kind: 'route', address, link: name },
    { kind: 'element', set: 'links', key: [name, address] },
    ...endpoint.published.map(
      ({ protocol, port }): Item => ({ kind: 'element', set: 'published', key: [address, protocol, port] }),
    ),
  ]
}

/** Everything for one group that has networks here: open inside, and its access list. */
export function groupItems(bits: Network['group'], group: Pick<GroupUse, 'name' | 'allow'>): Item[] {
  const key = groupKey(bits)
  return [
    { kind: 'element', set: 'allow_group', key: [key, key], comment: group.name ?? 'inside a group' },
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
    return { before, after: groupItems(one.group, { name: group?.name ?? one.groupName, allow: one.allow }) }
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
