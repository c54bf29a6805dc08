// The room of policy: who may open connections to whom. Pure: it parses what users write, decides, and renders rows for
// the kernel's sets.
//
// This file: the grammar of the network option `allow`, entries separated by commas, white space around them allowed:
//   ENTRY = PEER [ ":" PORT [ "-" PORT ] [ "/" PROTO ] ]      no port: everything from that peer
//   PEER  = the name of a group      PORT = 1..65535      PROTO = tcp (default) | udp | sctp
// `fleet`, `world` and `[CIDR]` are peers of the grammar too; this version refuses them by name.
import { checkDistinct, type NamedGroup, namedGroup, RESERVED_NAMES } from '../address/group.ts'
import { PluginError } from '../errors.ts'
import { nearest } from '../words.ts'

export const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const
export type Protocol = (typeof PROTOCOLS)[number]

/** Destination ports `first` to `last` (1..65535, both included) of one protocol. */
export interface PortRange {
  readonly protocol: Protocol
  readonly first: number
  readonly last: number
}

/**
 * Members of the group `peer` may open connections: to `ports`, or where that is absent to every port of every
 * protocol.
 */
export interface AllowEntry {
  readonly peer: NamedGroup
  readonly ports?: PortRange
}

const ANY_PORT: PortRange = { protocol: 'tcp', first: 1, last: 65535 }

const LATER: Record<string, string> = {
  fleet: 'write the groups that may come in by name, such as "web,api"',
  world: 'write no entry and publish the port of the container (docker run -p 443:443)',
  host: 'write no entry: the host reaches its containers anyway',
}

/** Where in an option a word stands, so that errors can point at it. `at` counts characters from 0. */
interface Word {
  readonly option: string
  readonly text: string
  readonly at: number
}

/**
 * The entries of an `allow` option in normal form (see `normalForm`), so two options that mean the same give the same
 * entries. Throws ALLOW_INVALID (column, what was found, what to write), ALLOW_LATER for a peer that this version
 * refuses, GROUP_NAME_INVALID, GROUP_COLLISION.
 */
export function parseAllow(option: string): AllowEntry[] {
  let at = 0
  const entries = option.split(',').map(part => {
    const word = { option, text: part.trim(), at: at + (part.length - part.trimStart().length) }
    at += part.length + 1
    return parseEntry(word)
  })
  checkDistinct(entries.map(entry => entry.peer))
  return normalForm(entries)
}

function parseEntry(entry: Word): AllowEntry {
  if (entry.text === '') throw invalid(entry, 'a peer, such as "web:80"; leave no entry empty')
  if (entry.text.startsWith('[')) {
    throw later(entry, 'write the name of a group, or publish the port of the container (docker run -p 443:443)')
  }
  const colon = entry.text.indexOf(':')
  const peer = parsePeer(slice(entry, 0, colon < 0 ? undefined : colon))
  return colon < 0 ? { peer } : { peer, ports: parsePorts(slice(entry, colon + 1), peer.name) }
}

function parsePeer(word: Word): NamedGroup {
  const { text } = word
  const advice = LATER[text.toLowerCase()]
  if (RESERVED_NAMES.includes(text.toLowerCase()) && advice !== undefined) throw later(word, advice)
  if (/^\d{1,5}(-\d{1,5})?(\/[a-z]{1,4})?$/.test(text))
    throw invalid(word, `a peer before the ports, such as "web:${text}"`)
  if (text.includes('/')) throw invalid(word, 'a peer, then ":" and a port before any "/", such as "web:80/udp"')
  if (!/^[a-z0-9._-]+$/i.test(text)) throw invalid(word, 'the name of a group, such as "web"')
  return namedGroup(text)
}

function parsePorts(word: Word, peer: string): PortRange {
  const slash = word.text.indexOf('/')
  const ports = slice(word, 0, slash < 0 ? undefined : slash)
  const [first = '', last = first, ...rest] = ports.text.split('-')
  const range = { first: parsePort(first, ports, peer), last: parsePort(last, ports, peer) }
  if (rest.length > 0) throw invalid(ports, `one port or one range, such as "${peer}:${first}-${last}"`)
  if (range.first > range.last) throw invalid(ports, `the lower port first: "${last}-${first}"`)
  return { protocol: slash < 0 ? 'tcp' : parseProtocol(slice(word, slash + 1)), ...range }
}

function parsePort(text: string, ports: Word, peer: string): number {
  const port = Number(text)
  if (/^[1-9]\d{0,4}$/.test(text) && port <= ANY_PORT.last) return port
  throw invalid(ports, `a port of 1 to 65535 or a range of them, such as "${peer}:80" or "${peer}:8000-8010"`)
}

function parseProtocol(word: Word): Protocol {
  const protocol = PROTOCOLS.find(known => known === word.text)
  if (protocol !== undefined) return protocol
  const similar = nearest(word.text, PROTOCOLS)
  throw invalid(word, similar === undefined ? '"tcp", "udp" or "sctp"' : `"${similar}"`)
}

function slice({ option, text, at }: Word, from: number, to?: number): Word {
  return { option, text: text.slice(from, to), at: at + from }
}

function invalid({ option, text, at }: Word, expected: string): PluginError {
  return new PluginError('ALLOW_INVALID', option, String(at + 1), text, expected)
}

function later({ option, text, at }: Word, instead: string): PluginError {
  return new PluginError('ALLOW_LATER', option, String(at + 1), text, instead)
}

/**
 * The canonical text of entries: `api:53/udp,web` with every protocol written. `parseAllow` of it gives the normal form
 * of the entries again; without entries it is empty.
 */
export function formatAllow(entries: readonly AllowEntry[]): string {
  return normalForm(entries).map(formatEntry).join(',')
}

/** One entry as a user would write it, with its protocol: `web`, `web:80/tcp`, `web:8000-8010/udp`. */
export function formatEntry({ peer, ports }: AllowEntry): string {
  if (!ports) return peer.name
  const { protocol, first, last } = ports
  return `${peer.name}:${first === last ? first : `${first}-${last}`}/${protocol}`
}

/**
 * One form for all lists that mean the same: sorted by peer, protocol and port; a peer's ranges of one protocol that
 * repeat, overlap or touch are one range; a peer without ports needs no other entry. So ranges never overlap, which the
 * kernel's interval sets require.
 */
function normalForm(entries: readonly AllowEntry[]): AllowEntry[] {
  const open = new Set(entries.filter(entry => !entry.ports).map(entry => entry.peer.name))
  const sorted = entries.filter(({ peer, ports }) => !ports || !open.has(peer.name)).toSorted(compare)
  const merged: AllowEntry[] = []
  for (const entry of sorted) {
    const joined = join(merged.at(-1), entry)
    if (joined) merged[merged.length - 1] = joined
    else merged.push(entry)
  }
  return merged
}

// Names are ASCII, so the order is the same everywhere.
function compare(a: AllowEntry, b: AllowEntry): number {
  if (a.peer.name !== b.peer.name) return a.peer.name < b.peer.name ? -1 : 1
  const [p, q] = [a.ports ?? ANY_PORT, b.ports ?? ANY_PORT]
  return PROTOCOLS.indexOf(p.protocol) - PROTOCOLS.indexOf(q.protocol) || p.first - q.first
}

function join(a: AllowEntry | undefined, b: AllowEntry): AllowEntry | undefined {
  if (a?.peer.name !== b.peer.name) return undefined
  if (!a.ports || !b.ports) return a
  if (a.ports.protocol !== b.ports.protocol || b.ports.first > a.ports.last + 1) return undefined
  return { peer: a.peer, ports: { ...a.ports, last: Math.max(a.ports.last, b.ports.last) } }
}
