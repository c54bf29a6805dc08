// The policy of one host as a value, and the one function that decides by it. The ruleset must say the same of every
// packet.

import { addressText, parseAddress } from '../address/address.ts'
import { type Group, type GroupBits, groupText, isLocal } from '../address/group.ts'
import { groupOf } from '../address/plan.ts'
import { contains, type HostPrefix, type Prefix } from '../address/prefix.ts'
import { type AllowEntry, formatAllow, formatEntry, type Protocol } from './allow.ts'
import { formatPort, type PublishedPort } from './published.ts'

export interface GroupPolicy {
  readonly group: Group
  /** In normal form, as `parseAllow` gives it. */
  readonly allow: readonly AllowEntry[]
}

export interface Policy {
  /** Prefixes whose addresses carry groups; holds the host's own. */
  readonly fleet: readonly Prefix[]
  /** The prefixes of this host: the one it has and any that networks still use. */
  readonly own: readonly HostPrefix[]
  /** The groups that have a network on this host. */
  readonly groups: ReadonlyMap<GroupBits, GroupPolicy>
  /** What `-p` opens, by the canonical text of the endpoint's address. */
  readonly published: ReadonlyMap<string, readonly PublishedPort[]>
}

/**
 * A new connection. Addresses are text, or `world` for any address outside the fleet. Echo requests are always
 * answered, so not asked.
 */
export interface Flow {
  readonly source: string
  readonly destination: string
  readonly protocol: Protocol
  readonly port: number
}

export interface Decision {
  readonly verdict: 'allow' | 'deny'
  /** The line that decided, for people. */
  readonly because: string
}

// What a source is believed to be. A group is believed only in a fleet prefix, one of a single host only in that host's
// prefix.
type Sender = { readonly bits: GroupBits; readonly label: string } | 'this host' | 'the world'

/**
 * Whether this host lets a flow through, and why. The source is taken as genuine: binding addresses to links is the
 * guard's work, before this. Same group: allow; an entry of the destination group's list: allow; a published port:
 * allow; anything else to a container: deny. What goes elsewhere is open. Throws ADDRESS_INVALID.
 */
export function may(policy: Policy, flow: Flow): Decision {
  const { destination } = flow
  const sender = senderOf(policy, flow.source)
  if (!isIn(policy.own, destination)) return allow(`${destination} is not on this host, and egress is open`)
  const bits = groupOf(destination)
  if (bits === undefined) return mayReachHost(sender, destination)
  if (sender === 'this host') return allow('a host reaches its own containers')
  return mayReachGroup(policy, flow, sender, bits)
}

function senderOf(policy: Policy, source: string): Sender {
  if (!isIn(policy.fleet, source)) return 'the world'
  const bits = groupOf(source)
  const own = isIn(policy.own, source)
  if (bits === undefined) return own ? 'this host' : 'the world'
  if (isLocal(bits) && !own) return 'the world'
  return { bits, label: labelOf(policy, bits) }
}

function isIn(prefixes: readonly Prefix[], address: string): boolean {
  return address !== 'world' && prefixes.some(prefix => contains(prefix, address))
}

function labelOf(policy: Policy, bits: GroupBits): string {
  const lists = [...policy.groups.values()]
  const peers = lists.flatMap(({ group, allow: entries }) => [group, ...entries.map(entry => entry.peer)])
  return peers.find(group => group.bits === bits && group.name !== undefined)?.name ?? groupText(bits)
}

function mayReachHost(sender: Sender, destination: string): Decision {
  if (typeof sender === 'string') return allow(`${destination} is this host itself: its own firewall decides`)
  return deny(`${destination} is this host itself: its ports are not for containers`)
}

function mayReachGroup(policy: Policy, flow: Flow, sender: Exclude<Sender, 'this host'>, bits: GroupBits): Decision {
  const label = labelOf(policy, bits)
  const target = policy.groups.get(bits)
  if (!target) return deny(`no network of this host has group ${label}`)
  if (typeof sender !== 'string' && sender.bits === bits) return allow(`both are in group ${label}`)
  const entry = typeof sender === 'string' ? undefined : target.allow.find(one => matches(one, sender.bits, flow))
  if (entry) return allow(`group ${label} has allow=${formatEntry(entry)}`)
  const address = addressText(parseAddress(flow.destination))
  const port = formatPort(flow)
  const published = policy.published.get(address) ?? []
  if (published.some(one => formatPort(one) === port)) return allow(`${address} publishes ${port}`)
  if (sender === 'the world')
    return deny(`the world reaches published ports only, and ${address} does not publish ${port}`)
  const list = formatAllow(target.allow)
  return deny(
    `${sender.label} is not let in to ${port} by group ${label} (${list === '' ? 'no allow' : `allow=${list}`})`,
  )
}

function matches({ peer, ports }: AllowEntry, source: GroupBits, { protocol, port }: Flow): boolean {
  if (peer.bits !== source) return false
  return !ports || (ports.protocol === protocol && ports.first <= port && port <= ports.last)
}

function allow(because: string): Decision {
  return { verdict: 'allow', because }
}

function deny(because: string): Decision {
  return { verdict: 'deny', because }
}
