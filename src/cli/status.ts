// `status`: the daemon's answer as text, whole or what somebody asked for.
import { PluginError } from '../errors.ts'
import type { EndpointStatus, GroupStatus, NetworkName, NetworkStatus, Status } from '../state/status.ts'
import { nearest } from '../words.ts'
import { ask } from './daemon.ts'
import type { Call } from './definitions.ts'
import { columns, visible, WIDTH, widthsOf, wrap } from './layout.ts'

/** Columns that a list of ports may fill: more than the rest, because addresses leave little. */
const PORTS_LIMIT = 100
const HEAD = ['CONTAINER', 'ADDRESS', 'LINK', 'STATE', 'PORTS']
const SHORT = 12

/** `status [NAME...]`. */
export async function status(call: Call): Promise<void> {
  const chosen = choose(await ask(call, '/status'), call.words)
  call.write(call.json ? `${JSON.stringify(chosen, null, 2)}\n` : statusText(chosen))
}

/**
 * What of a status is called by one of the names: groups (by name or number), networks and containers (by name, or the first digits of their id, at least
 * 4), each with what it is in. Without names: all of it. Throws NAME_UNKNOWN.
 */
export function choose(whole: Status, names: readonly string[]): Status {
  if (names.length === 0) return whole
  const missing = names.find(name => narrowAll(whole.groups, [name]).length === 0)
  if (missing !== undefined) throw unknown(whole, missing)
  return { ...whole, groups: narrowAll(whole.groups, names) }
}

function narrowAll(groups: readonly GroupStatus[], names: readonly string[]): GroupStatus[] {
  return groups.flatMap(group => {
    if (names.some(name => name === group.name || name === group.number)) return [group]
    const networks = group.networks.flatMap(network => narrow(network, names))
    return networks.length > 0 ? [{ ...group, networks }] : []
  })
}

function narrow(network: NetworkStatus, names: readonly string[]): NetworkStatus[] {
  if (names.some(name => isCalled(name, network.id, network.name))) return [network]
  const endpoints = network.endpoints.filter(({ id, container }) => names.some(name => isCalled(name, id, container)))
  return endpoints.length > 0 ? [{ ...network, endpoints }] : []
}

function isCalled(text: string, id: string, name: string | undefined): boolean {
  return text === name || (text.length >= 4 && id.startsWith(text))
}

function unknown({ groups, docker }: Status, name: string): PluginError {
  const networks = groups.flatMap(group => group.networks)
  const containers = networks.flatMap(network => network.endpoints.map(endpoint => endpoint.container))
  const known = [...groups.map(group => group.name), ...networks.map(network => network.name), ...containers]
  const near = nearest(name, [...new Set(known.filter(one => one !== undefined))])
  const silent = docker.state === 'answering' ? '' : ' (Docker does not tell names now, so write ids)'
  return new PluginError('NAME_UNKNOWN', name, near ? `write "${near}"` : `see "slash64 status"${silent}`)
}

/** The text for people: at most 80 columns, 100 with ports, but for long names. */
export function statusText(status: Status): string {
  const rows = status.groups.flatMap(({ networks }) => networks.flatMap(({ endpoints }) => endpoints.map(rowOf)))
  const widths = widthsOf([HEAD, ...rows])
  const lines = [
    ...head(status),
    ...status.groups.flatMap(group => ['', ...groupLines(group, widths, status.prefixes)]),
  ]
  if (status.groups.length === 0) {
    lines.push('', 'no networks: see "docker network create -d slash64 --ipam-driver slash64 --ipv4=false --ipv6"')
  }
  return `${lines.join('\n')}\n`
}

function head({ version, prefix, prefixes, fleet, uplinks, docker }: Status): string[] {
  const old = prefixes.filter(({ current }) => !current)
  return [
    `slash64 ${visible(version)}`,
    ...field('prefix', prefix),
    ...old.flatMap(one => field('old', `${one.prefix}: re-create ${list(one.networks.map(nameOf))}`)),
    ...field('fleet', list(fleet)),
    ...field('uplinks', list(uplinks)),
    ...field(
      'docker',
      docker.version ?? `${docker.state}${docker.state === 'not answering' ? '; ids instead of names' : ''}`,
    ),
  ]
}

function groupLines(group: GroupStatus, widths: readonly number[], prefixes: Status['prefixes']): string[] {
  const { name, number, local, pool, allow, internal, networks } = group
  const kind = name ?? (local ? 'of this host only' : 'chosen by number')
  return [
    `group ${visible(kind)} (${number})`,
    ...field('  pool', pool),
    ...(name === undefined ? field('  again', `--subnet ${pool}`) : []),
    ...(internal ? field('  internal', 'it reaches itself and nothing else') : field('  allow', list(allow))),
    ...networks.flatMap(network => networkLines(network, pool, widths, prefixes)),
  ]
}

function networkLines(
  network: NetworkStatus,
  pool: string,
  widths: readonly number[],
  prefixes: Status['prefixes'],
): string[] {
  const { endpoints } = network
  const named = network.name === undefined ? '' : ` (${network.id.slice(0, SHORT)})`
  const prefix = prefixes.find(({ networks }) => networks.some(({ id }) => id === network.id))
  return [
    `  network ${nameOf(network)}${named}${endpoints.length === 0 ? ': no containers' : ''}`,
    ...(network.pool === pool ? [] : field('    old', `${network.pool} in ${prefix?.prefix}: re-create it`)),
    ...(endpoints.length === 0 ? [] : [HEAD, ...endpoints.map(rowOf)]).flatMap(row =>
      columns(row, widths, 4, PORTS_LIMIT),
    ),
  ]
}

function rowOf(endpoint: EndpointStatus): string[] {
  const { id, container, address, link = '-', phase, birth = '-', published } = endpoint
  const name = visible(container ?? id.slice(0, SHORT))
  return [name, address, link, phase === 'joined' ? birth : phase, ranges(published).join(' ') || '-']
}

/** Ports that follow each other as one range: `8000-8010/tcp`. */
function ranges(published: readonly string[]): string[] {
  const found: { first: number; last: number; protocol: string }[] = []
  for (const text of published) {
    const [port = '', protocol = ''] = text.split('/')
    const last = found.at(-1)
    if (last?.protocol === protocol && last.last + 1 === Number(port)) last.last++
    else found.push({ first: Number(port), last: Number(port), protocol })
  }
  return found.map(({ first, last, protocol }) => `${first === last ? first : `${first}-${last}`}/${protocol}`)
}

function nameOf({ id, name }: NetworkName): string {
  return visible(name ?? id.slice(0, SHORT))
}

function list(texts: readonly string[]): string {
  return texts.map(visible).join(', ') || '-'
}

/** A term and its text, which begins at the same column for all of them. */
function field(term: string, text: string): string[] {
  const column = 11
  return wrap(text, WIDTH - column).map((line, index) => `${(index === 0 ? term : '').padEnd(column)}${line}`)
}
