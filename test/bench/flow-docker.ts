// The peers of the traffic rows: what Docker has built in, and slash64.
import { Host } from '../lab/host.ts'
import { addressOf } from '../support/container.ts'
import { createNetwork, idle } from '../support/stage.ts'
import { endOf, type Line, line, PORTS } from './flow-line.ts'
import { addEnds, cable, join, plainLine } from './flow-plain.ts'

/** Containers `client` and `server` of two groups; the server's group lets the client's in, on the ports of the traffic. */
const ALLOW = `web:${PORTS},web:${PORTS}/udp`
const PREFIXES = ['2001:db8:100:a::/64', '2001:db8:100:b::/64'] as const
const ROUTED = 'com.docker.network.bridge.gateway_mode_ipv6=routed'
const IPV6 = ['--ipv6', '--ipv4=false']

/** A host with a Docker Engine. It goes with `made`. */
export async function dockerHost(made: AsyncDisposableStack, name: string): Promise<Host> {
  const host = made.use(await Host.start({ name, forward: true }))
  await host.startDockerd()
  return host
}

/** A host of slash64. `site`: which of two prefixes. It goes with `made`. */
export async function slash64Host(made: AsyncDisposableStack, name: string, site: 0 | 1 = 0): Promise<Host> {
  const host = await dockerHost(made, name)
  await host.startSlash64({
    SLASH64_PREFIX: PREFIXES[site],
    SLASH64_FLEET: PREFIXES.join(','),
    SLASH64_ALLOW_DOC_PREFIX: '1',
    SLASH64_UPLINKS: 'eth0',
    SLASH64_LOG_LEVEL: 'warn',
  })
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'db', '-o', 'group=db', '-o', `allow=${ALLOW}`)
  await idle(host, 'client', 'web')
  await idle(host, 'server', 'db')
  return host
}

/** From the client on one host of slash64 to the server on the same or another one. */
export async function slash64Line(from: Host, to: Host): Promise<Line> {
  return line(await endOf(from, 'client'), await endOf(to, 'server'), await addressOf(to, 'server', 'db'))
}

/** Lays a cable between the two hosts of slash64. */
export async function joinHosts(a: Host, b: Host): Promise<void> {
  await join(a, b, PREFIXES)
}

/** Makes room on a host of slash64 for 40 × 256 policy entries beside those that it has, and takes them away. */
export const manyEntries = {
  add: async (host: Host): Promise<void> => {
    const allow = Array.from({ length: 40 }, (_, index) => `peer${index}:1-256`).join(',')
    await createNetwork(host, 'many', '-o', 'group=many', '-o', `allow=${allow}`)
  },
  remove: async (host: Host): Promise<void> => {
    await host.docker('network', 'rm', 'many')
  },
} as const

/** No containers, but plain namespaces: what the engine's own rules cost all that is forwarded. */
export async function engineLine(host: Host): Promise<Line> {
  await addEnds(host)
  return plainLine(host, host)
}

/** Containers on a bridge of their own, `bridge-client` and `bridge-server`. */
export async function bridgeLine(host: Host): Promise<Line> {
  await host.docker('network', 'create', ...IPV6, '--subnet', 'fd00:1::/64', 'bridged')
  return containers(host, 'bridge', 'bridged', 'bridged')
}

/** Containers on two networks in routed mode, the server's ports published: that is what opens them there. */
export async function routedLine(host: Host): Promise<Line> {
  for (const [index, name] of ['here', 'there'].entries())
    await host.docker('network', 'create', ...IPV6, '-o', ROUTED, '--subnet', `fd00:2:${index}::/64`, name)
  return containers(
    host,
    'routed',
    'here',
    'there',
    ...['tcp', 'udp'].flatMap(one => ['-p', `${PORTS}:${PORTS}/${one}`]),
  )
}

/** Containers on macvlan links. Its parent is one end of a veth whose other end is up and leads nowhere. */
export async function macvlanLine(host: Host): Promise<Line> {
  await host.check(['ip', 'link', 'add', 'parent', 'up', 'type', 'veth', 'peer', 'name', 'nowhere'])
  await host.check(['ip', 'link', 'set', 'nowhere', 'up'])
  await host.docker(
    'network',
    'create',
    '-d',
    'macvlan',
    '-o',
    'parent=parent',
    ...IPV6,
    '--subnet',
    'fd00:3::/64',
    'macvlan',
  )
  return containers(host, 'macvlan', 'macvlan', 'macvlan')
}

async function containers(host: Host, name: string, here: string, there: string, ...options: string[]): Promise<Line> {
  const [client, server] = [`${name}-client`, `${name}-server`]
  await idle(host, client, here)
  await idle(host, server, there, ...options)
  return line(await endOf(host, client), await endOf(host, server), await addressOf(host, server, there))
}

/** Containers on an overlay network of a swarm of two hosts (VXLAN, not encrypted), over IPv4 as it is by default. */
export async function overlayLine(a: Host, b: Host): Promise<Line> {
  await cable(a, b, ['10.9.0.1/24', '10.9.0.2/24'])
  await a.docker('swarm', 'init', '--advertise-addr', '10.9.0.1')
  const token = await a.docker('swarm', 'join-token', '-q', 'worker')
  await b.docker('swarm', 'join', '--token', token, '--advertise-addr', '10.9.0.2', '10.9.0.1:2377')
  await a.docker('network', 'create', '-d', 'overlay', '--attachable', 'overlay')
  await idle(a, 'overlay-client', 'overlay')
  await idle(b, 'overlay-server', 'overlay')
  const address = await b.docker(
    'inspect',
    '--format',
    '{{.NetworkSettings.Networks.overlay.IPAddress}}',
    'overlay-server',
  )
  return line(await endOf(a, 'overlay-client'), await endOf(b, 'overlay-server'), `::ffff:${address}`)
}
