// What there should be, by Docker's word: one side of assertConsistent().
import { groupKey, linkName } from '../../src/address/plan.ts'
import type { Network } from '../../src/state/model.ts'
import type { Host } from '../lab/host.ts'

/** Lists of lines by subject, sorted: the two sides are compared as a whole. */
export type Story = Record<string, string[]>

export interface DockerNetwork {
  readonly Id: string
  readonly Name: string
  readonly Driver: string
  readonly Internal: boolean
  readonly IPAM: { readonly Config: readonly { readonly Subnet: string }[] }
  readonly Containers: Readonly<Record<string, { EndpointID: string; MacAddress: string; IPv6Address: string }>>
}

export interface DockerContainer {
  readonly Name: string
  readonly State: { readonly Pid: number }
  readonly Config: { readonly ExposedPorts?: Readonly<Record<string, object>> }
  readonly HostConfig: {
    readonly NetworkMode: string
    readonly PublishAllPorts: boolean
    readonly PortBindings: Readonly<Record<string, readonly { readonly HostIp: string }[] | null>> | null
  }
  readonly NetworkSettings: {
    readonly Networks: Readonly<
      Record<string, { NetworkID: string; EndpointID: string; GlobalIPv6Address: string; MacAddress: string }>
    >
  }
}

/** Lists belong to groups and outlive the network that gave them, so only the state files know them. */
export type StoredNetwork = Pick<Network, 'id' | 'pool' | 'group' | 'allow' | 'internal'>

/** What Docker says now. */
export interface View {
  readonly networks: readonly DockerNetwork[]
  readonly containers: readonly DockerContainer[]
}

/** The lines of a text that are not empty. */
export const lines = (text: string): string[] => text.split('\n').filter(line => line !== '')

/** Asks Docker for its slash64 networks and its running containers. */
export async function look(host: Host): Promise<View> {
  const [networks, containers] = await Promise.all([
    inspectAll<DockerNetwork>(
      host,
      ['network'],
      await host.docker('network', 'ls', '-q', '--filter', `driver=${host.driver}`),
    ),
    inspectAll<DockerContainer>(host, [], await host.docker('ps', '-q')),
  ])
  return { networks, containers }
}

async function inspectAll<T>(host: Host, kind: readonly string[], ids: string): Promise<T[]> {
  return ids === '' ? [] : JSON.parse(await host.docker(...kind, 'inspect', ...lines(ids)))
}

/** What should be, by Docker's word; `prefixes`: of the host; `stored`: for the groups' lists. */
export function promised(
  { networks, containers }: View,
  prefixes: readonly string[],
  stored: readonly StoredNetwork[],
): Story {
  const pool = (network: DockerNetwork): string => network.IPAM.Config[0]?.Subnet ?? 'none'
  const endpoints = networks.flatMap(network =>
    Object.values(network.Containers).map(one => {
      const address = one.IPv6Address.replace('/128', '')
      return { id: one.EndpointID, network, address, mac: one.MacAddress, link: linkName(one.EndpointID) }
    }),
  )
  return sorted({
    'state: networks': networks.map(one => `${one.Id} ${pool(one)}`),
    'state: pools': [...new Set(networks.map(pool))],
    'state: endpoints': endpoints.map(one => `${one.id} ${one.network.Id} ${one.address} ${one.mac} joined`),
    links: endpoints.map(one => `${one.link} slash64/${one.network.Id}/${one.id} UP default none`),
    routes: [...endpoints.map(one => `${one.address} ${one.link}`), ...prefixes.map(prefix => `unreachable ${prefix}`)],
    neighbours: endpoints.map(one => `${one.link} ${one.address} ${one.mac} PERMANENT`),
    'addresses on lo': ['::1', ...prefixes.map(prefix => prefix.replace(/::\/\d+$/, '::1'))],
    'set links': endpoints.map(one => `${one.link} . ${one.address}`),
    'set published': containers.flatMap(container => publishedOf(container, networks)),
    ...groupSets(stored),
    sandboxes: containers.filter(hasOwnSandbox).map(() => 'one'),
    ...Object.fromEntries(containers.filter(hasOwnSandbox).map(one => [`inside ${one.Name}`, insideOf(one, networks)])),
  })
}

/** Whether the container has a network namespace of its own. */
export function hasOwnSandbox({ HostConfig: { NetworkMode } }: DockerContainer): boolean {
  return NetworkMode !== 'host' && !NetworkMode.startsWith('container:')
}

function publishedOf(container: DockerContainer, networks: readonly DockerNetwork[]): string[] {
  const ours = Object.values(container.NetworkSettings.Networks).filter(
    one => one.EndpointID !== '' && networks.some(({ Id, Internal }) => Id === one.NetworkID && !Internal),
  )
  const { PortBindings, PublishAllPorts } = container.HostConfig
  const bound = Object.entries(PortBindings ?? {})
    .filter(([, bindings]) => (bindings ?? []).some(({ HostIp }) => !/^(127\.|::1$)/.test(HostIp)))
    .map(([port]) => port)
  const exposed = PublishAllPorts ? Object.keys(container.Config.ExposedPorts ?? {}) : []
  return [...new Set([...bound, ...exposed])].flatMap(port => {
    const [number, protocol] = port.split('/')
    return ours.map(one => `${one.GlobalIPv6Address} . ${protocol} . ${number}`)
  })
}

/** The elements that follow from the groups: open inside each, and its list. Ranges as single ports up to 256. */
function groupSets(networks: readonly StoredNetwork[]): Story {
  const sets = {
    internal: new Set<string>(),
    allow_group: new Set<string>(),
    allow_port: new Set<string>(),
    allow_range: new Set<string>(),
  }
  for (const { group: bits, allow, internal } of networks) {
    const group = groupKey(bits)
    sets[internal ? 'internal' : 'allow_group'].add(`${group} . ${group}`)
    for (const { peer, ports } of allow) {
      const pair = `${groupKey(peer.bits)} . ${group}`
      if (!ports) sets.allow_group.add(pair)
      else if (ports.last - ports.first > 255)
        sets.allow_range.add(`${pair} . ${ports.protocol} . ${ports.first}-${ports.last}`)
      else
        for (let port = ports.first; port <= ports.last; port++)
          sets.allow_port.add(`${pair} . ${ports.protocol} . ${port}`)
    }
  }
  return Object.fromEntries(Object.entries(sets).map(([name, elements]) => [`set ${name}`, [...elements]]))
}

/** The links that a container should see, with address and MAC of ours. */
function insideOf(container: DockerContainer, networks: readonly DockerNetwork[]): string[] {
  const all = Object.values(container.NetworkSettings.Networks).filter(one => one.EndpointID !== '')
  return all.map(one => {
    const network = networks.find(({ Id }) => Id === one.NetworkID)
    return network
      ? `${one.GlobalIPv6Address} ${one.MacAddress} group ${network.IPAM.Config[0]?.Subnet}`
      : 'link of another driver'
  })
}

/** The same with every list in order. */
export function sorted(story: Story): Story {
  return Object.fromEntries(Object.entries(story).map(([subject, list]) => [subject, list.toSorted()]))
}
