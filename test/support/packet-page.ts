// docs/packet.md: what kernels said of real packets, in one form for the same way, whatever the ids of the day are.
import type { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { inside, insideContainer } from './inside.ts'
import type { Netns } from './netns.ts'
import type { Step, Visit } from './trace.ts'

/** A machine, or a container on one. */
export interface Place {
  readonly name: string
  readonly ns: Netns
  readonly container: boolean
}

/** Ends of a packet. */
export interface Addresses {
  readonly source: string
  readonly destination: string
}

/** A place on the way: the two ends of the link by which the packet comes in, and for a host what its kernel said. */
export interface Stop {
  readonly place: Place
  readonly link?: readonly [far: string, near: string]
  readonly visit?: Visit
}

interface BaseChain {
  readonly family: string
  readonly table: string
  readonly name: string
  readonly hook?: string
  readonly prio?: number
}

const WIDTH = { hook: 17, chain: 16, rule: 41 } as const
const INDENT = '    '

export function machinePlace(machine: Machine): Place {
  return { name: machine.name, ns: inside(machine), container: false }
}

export async function containerPlace(host: Host, name: string): Promise<Place> {
  return { name, ns: await insideContainer(host, name), container: true }
}

/** Names that stay: real text -> what the page says, for links, MAC addresses and gateway addresses. */
export class Names {
  readonly #names = new Map<string, string>()

  /** The names of a container's link: `s64-web-1` on the host's side, `fe80::(web)` for its gateway. */
  learn(host: Place, container: Place, network: string, address: string): void {
    const [near] = host.ns.json<{ dev: string; lladdr: string }>(`-6 neigh show ${address} nud permanent`)
    const [far] = container.ns.json<{ dst: string; lladdr: string }>('-6 neigh show nud permanent')
    if (!near || !far) throw new Error(`${container.name} has no neighbours`)
    this.#names.set(near.dev, `s64-${container.name}`)
    this.#names.set(near.lladdr, `(MAC of ${container.name})`)
    this.#names.set(far.lladdr, `(MAC of s64-${container.name})`)
    this.#names.set(far.dst, `fe80::(${network})`)
  }

  /** A text without what changes from run to run. */
  stable(text: string): string {
    let named = text
    for (const [real, name] of this.#names) named = named.replaceAll(real, name)
    return named.replace(/ metric \d+| pref medium/g, '').trimEnd()
  }
}

/** A packet's way as a picture of at most 100 columns. */
export function drawWay(names: Names, { source, destination }: Addresses, stops: readonly Stop[]): string {
  const lines: string[] = []
  for (const [index, stop] of stops.entries()) {
    if (index > 0) lines.push(`${INDENT}  |`, `${INDENT}  v  ${stop.link?.join(' == ') ?? ''}`)
    const first = index === 0
    const last = index === stops.length - 1
    const at = first ? `   ${source}` : last && stop.place.container ? `   ${destination}` : ''
    lines.push(`${stop.place.name}${at}`)
    lines.push(...visitLines(stop, { source, destination }, last))
  }
  return names.stable(lines.join('\n'))
}

function visitLines({ place, visit, link }: Stop, ends: Addresses, last: boolean): string[] {
  if (!visit) return last ? [] : wayOut(place, ends, link?.[1])
  // A reset that the host makes up has a source that is not the host's own, so no route can be asked for it.
  if (!visit.iif) return [row('output', '', 'no chain of slash64', ''), ...routeLines(place, ends.destination, [])]
  const hooks = baseChains(place)
  const lines: string[] = []
  let [routed, shown] = [false, '']
  for (const step of visit.steps) {
    const base = hooks.get(chainKey(step))
    const hook = base ? `${base.hook} ${base.prio}` : ''
    if (base?.hook === 'forward' && !routed) {
      lines.push(...wayOut(place, ends, visit.iif))
      routed = true
    }
    lines.push(...(step.table === 'slash64' ? ruleLines(step, hook === shown ? '' : hook) : foreignLines(step, hook)))
    if (hook !== '') shown = hook
  }
  return lines
}

/** What another table made of it: the end of its base chain. */
function foreignLines({ family, table, chain, rule, verdict }: Step, hook: string): string[] {
  if (hook === '' || rule !== '') return []
  return [row(hook, '', `Docker's ${family} ${table} ${chain}`, `policy ${verdict}`)]
}

function ruleLines({ chain, rule, verdict }: Step, hook: string): string[] {
  if (rule === '') return [row(hook, chain, '(no rule matches)', `policy ${verdict}`)]
  const [, match = '', comment] = /^(.*?)(?: comment "(.*)")?$/.exec(rule) ?? []
  const [, condition = '', reject] = /^(.*?)(?:(?:^| )(reject with .*|goto \S+|accept|drop))?$/.exec(match) ?? []
  const done = reject?.startsWith('reject') ? reject : verdict
  const words = oneMask(condition)
    .replace(/(^| )counter packets \d+ bytes \d+/g, '')
    .trim()
  const texts = [...(words === '' ? [] : wrapped(words)), ...(comment === undefined ? [] : [`"${comment}"`])]
  if (texts.length === 0) texts.push('(always)')
  return texts.map((text, index) => row(index ? '' : hook, index ? '' : chain, text, index ? '' : done))
}

function row(hook: string, chain: string, text: string, verdict: string): string {
  const { hook: h, chain: c, rule } = WIDTH
  return `${INDENT}${hook.padEnd(h)}${chain.padEnd(c)}${text.padEnd(rule)} ${verdict}`.trimEnd()
}

/** Breaks between words, so that a matched field and its name stay together where they can. */
function wrapped(text: string): string[] {
  const lines: string[] = ['']
  for (const part of text.split(/ (?=\. |@)/)) {
    const open = lines.at(-1) ?? ''
    if (open !== '' && open.length + 1 + part.length > WIDTH.rule) lines.push(`  ${part}`)
    else lines[lines.length - 1] = open === '' ? part : `${open} ${part}`
  }
  return lines
}

/** The mask of the group bits, which old versions of nft print as an IPv4 address. */
const oneMask = (text: string): string => text.replaceAll('::ffff:255.255.0.0', '::ffff:ffff:0')

/** The route that the place chooses for a packet that came in by `iif` (absent: its own), and the neighbour entry behind it. */
function wayOut(place: Place, { source, destination }: Addresses, iif?: string): string[] {
  return routeLines(place, destination, ['from', source, ...(iif === undefined ? [] : ['iif', iif])])
}

function routeLines({ ns }: Place, destination: string, more: readonly string[]): string[] {
  const route = ns.exec('ip', '-6', 'route', 'get', 'fibmatch', destination, ...more).trim()
  const [, via] = / via (\S+)/.exec(route) ?? []
  const neighbour = ns.exec('ip', '-6', 'neigh', 'show', via ?? destination, 'nud', 'permanent').trim()
  const rows = { route, ...(neighbour === '' ? {} : { neighbour }) }
  return Object.entries(rows).map(([name, text]) => `${INDENT}${name.padEnd(WIDTH.hook)}${text}`)
}

function baseChains({ ns }: Place): Map<string, BaseChain> {
  const { nftables } = JSON.parse(ns.exec('nft', '-j', 'list', 'chains')) as { nftables: { chain?: BaseChain }[] }
  const chains = nftables.flatMap(({ chain }) => (chain?.hook === undefined ? [] : [chain]))
  return new Map(chains.map(chain => [`${chain.family} ${chain.table} ${chain.name}`, chain]))
}

function chainKey({ family, table, chain }: Step): string {
  return `${family} ${table} ${chain}`
}

/** What a container has been given: addresses, routes, neighbours, each as ip(8) lists it. */
export function drawContainer(names: Names, { name, ns }: Place): string {
  const parts = {
    address: ns.json<{ addr_info: Address[] }>('-6 address show dev net0').flatMap(one => one.addr_info.map(cidr)),
    route: rowsOf(ns.exec('ip', '-6', 'route', 'show', 'table', 'main')),
    neighbour: rowsOf(ns.exec('ip', '-6', 'neigh')),
  }
  return drawParts(names, name, parts)
}

/** What a host holds for its containers: routes, neighbours, and the elements of the sets that have any. */
export function drawHost(names: Names, { name, ns }: Place): string {
  const sets = ['fleet', 'uplinks', 'links', 'allow_group', 'allow_port', 'published']
  const parts = {
    route: rowsOf(ns.exec('ip', '-6', 'route', 'show', 'proto', '64')),
    neighbour: rowsOf(ns.exec('ip', '-6', 'neigh', 'show', 'nud', 'permanent')),
    ...Object.fromEntries(sets.map(set => [`@${set}`, elementsOf(ns, set)])),
  }
  return drawParts(names, name, parts)
}

interface Address {
  readonly local: string
  readonly prefixlen: number
}

const cidr = ({ local, prefixlen }: Address): string => `${local}/${prefixlen} dev net0`
const rowsOf = (text: string): string[] => text.split('\n').filter(line => line.trim() !== '')

function elementsOf(ns: Netns, set: string): string[] {
  const text = ns.exec('nft', 'list', 'set', 'inet', 'slash64', set)
  return (/elements = \{([^}]*)\}/.exec(text)?.[1] ?? '').split(',').map(one => one.trim())
}

function drawParts(names: Names, name: string, parts: Readonly<Record<string, readonly string[]>>): string {
  const lines = Object.entries(parts).flatMap(([part, rows]) =>
    rows
      .filter(one => one !== '')
      .map(one => names.stable(one))
      .toSorted()
      .map((one, index) => `${INDENT}${(index ? '' : part).padEnd(WIDTH.hook)}${one}`),
  )
  return [name, ...lines].join('\n')
}
