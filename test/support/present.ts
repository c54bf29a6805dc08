// What there is, read with ip and nft and never through slash64: the other side of assertConsistent().
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from '../lab/host.ts'
import {
  type DockerContainer,
  hasOwnSandbox,
  lines,
  type StoredNetwork,
  type Story,
  sorted,
  type View,
} from './promised.ts'

/** All that the state files, the host's kernel and the containers' namespaces hold of ours. */
export async function present(host: Host, { containers }: View): Promise<Story> {
  const state = stateFiles(host)
  const [links, routes, neighbours, addresses, sets, sandboxes, ...inside] = await Promise.all([
    json<Link>(host, ['ip', '-j', '-d', 'link', 'show', 'type', 'veth']),
    json<Route>(host, ['ip', '-6', '-j', 'route', 'show', 'table', 'all', 'proto', '64']),
    json<Neighbour>(host, ['ip', '-6', '-j', 'neighbour', 'show', 'nud', 'all']),
    json<Addresses>(host, ['ip', '-6', '-j', 'address', 'show', 'dev', 'lo']),
    elements(host),
    host.check(['sh', '-c', 'ls /run/docker/netns | grep -v default || true']),
    ...containers.filter(hasOwnSandbox).map(async one => [`inside ${one.Name}`, await seenInside(host, one)] as const),
  ])
  return sorted({
    ...state,
    links: links
      .filter(({ ifname }) => ifname.startsWith('s64'))
      .map(one => `${one.ifname} ${one.ifalias} ${one.operstate} ${one.group} ${one.inet6_addr_gen_mode}`),
    routes: routes.map(({ type, dst, dev }) => (type === undefined ? `${dst} ${dev}` : `${type} ${dst}`)),
    neighbours: neighbours
      .filter(({ dev, dst }) => dev.startsWith('s64') && !dst.startsWith('ff'))
      .map(one => `${one.dev} ${one.dst} ${one.lladdr} ${one.state.join(' ')}`),
    'addresses on lo': addresses.flatMap(one => one.addr_info.map(({ local }) => local)),
    ...sets,
    sandboxes: lines(sandboxes).map(() => 'one'),
    ...Object.fromEntries(inside),
  })
}

interface Link {
  readonly ifname: string
  readonly ifalias?: string
  readonly operstate: string
  readonly group: string
  readonly inet6_addr_gen_mode: string
  readonly address: string
}
interface Route {
  readonly type?: string
  readonly dst: string
  readonly dev: string
}
interface Neighbour {
  readonly dst: string
  readonly dev: string
  readonly lladdr?: string
  readonly state: readonly string[]
}
interface Addresses extends Link {
  readonly addr_info: readonly { readonly local: string; readonly scope: string }[]
}

async function json<T>(host: Host, argv: readonly string[]): Promise<T[]> {
  return JSON.parse((await host.check(argv)).trim() || '[]')
}

function stateFiles(host: Host): Story {
  return {
    'state: networks': storedNetworks(host).map(one => `${one.id} ${one.pool}`),
    'state: pools': stored<{ id: string }>(host, 'pools').map(one => one.id),
    'state: endpoints': stored<Record<string, string>>(host, 'endpoints').map(
      one => `${one['id']} ${one['network']} ${one['address']} ${one['mac']} ${one['phase']}`,
    ),
  }
}

/** The networks as slash64 stored them. */
export function storedNetworks(host: Host): StoredNetwork[] {
  return stored<StoredNetwork>(host, 'networks')
}

/** Every file of a folder; all of them are JSON, and no other file may be there. */
function stored<T>(host: Host, kind: string): T[] {
  const folder = join(host.outside(host.state), kind)
  return readdirSync(folder).map(name => JSON.parse(readFileSync(join(folder, name), 'utf8')))
}

type Part = string | number | { readonly range: readonly number[] } | { readonly prefix: { addr: string; len: number } }
type Element = Part | { readonly concat: readonly Part[] } | { readonly elem: { readonly val: Element } }

async function setElements(host: Host): Promise<Map<string, string[]>> {
  const { nftables } = JSON.parse(await host.check(['nft', '-j', 'list', 'sets', 'inet'])) as {
    nftables: { set?: { table: string; name: string; elem?: Element[] } }[]
  }
  const ours = nftables.flatMap(({ set }) => (set?.table === 'slash64' ? [set] : []))
  return new Map(ours.map(({ name, elem = [] }) => [name, elem.map(elementText)]))
}

function elementText(element: Element): string {
  if (typeof element !== 'object') return String(element)
  if ('elem' in element) return elementText(element.elem.val)
  if ('concat' in element) return element.concat.map(elementText).join(' . ')
  if ('range' in element) return element.range.join('-')
  return `${element.prefix.addr}/${element.prefix.len}`
}

async function elements(host: Host): Promise<Story> {
  const all = await setElements(host)
  const names = ['links', 'published', 'internal', 'allow_group', 'allow_port', 'allow_range']
  return Object.fromEntries(names.map(name => [`set ${name}`, all.get(name) ?? ['the set is missing']]))
}

/** The prefixes that the ruleset takes for the host's own. */
export async function hostPrefixes(host: Host): Promise<string[]> {
  return (await setElements(host)).get('host_prefix') ?? []
}

/** A container's links by address, each with the /112 that is routed over it; a link without a route to a group is another driver's. */
async function seenInside(host: Host, container: DockerContainer): Promise<string[]> {
  const enter = ['nsenter', '-t', String(container.State.Pid), '-n', 'ip', '-j']
  const [links, routes] = await Promise.all([
    json<Addresses>(host, [...enter, 'address']),
    json<Route>(host, [...enter, '-6', 'route', 'show', 'proto', '64']),
  ])
  return links
    .filter(({ ifname }) => ifname !== 'lo')
    .map(link => {
      const group = routes.find(({ dev, dst }) => dev === link.ifname && dst.endsWith('/112'))
      if (!group) return link.ifname.startsWith('eth') ? 'link of another driver' : `${link.ifname} without a group`
      // A link that the engine moved has the link-local address that the kernel gave it there.
      const addresses = link.addr_info.filter(({ scope }) => scope === 'global').map(({ local }) => local)
      return `${addresses.join(' ')} ${link.address} group ${group.dst}`
    })
}
