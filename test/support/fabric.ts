// Two hosts of slash64 with containers, behind a router with the internet and a LAN of the same site, all in namespaces:
//
//   w1 w2 d1 g1 e1 l1 l2 -- A ==up0,up1== router ==up0== B -- w3 d3 e3 v3
//   v1 v2 n1    bridged ---/               |    \
//                                      internet  lan
//
// Groups: web (w), db (d, lets web in by port), logs (g, lets web and vault in), evil (e), and LOCAL (l) of host A only. Internal ones: vault (v), and
// INNER (n) of host A only. `bridged` is an IPv6 container on an
// ordinary bridge of host A, and a prefix of the fleet (PREFIX.c) is, by mistake, routed to it. Neighbour entries are permanent everywhere, so that no packet waits for another one.
import { randomBytes } from 'node:crypto'
import { SysctlTree } from '../../src/kernel/sysctl.ts'
import { Host, type Place } from './host.ts'
import { connect, type Netns, withNetns } from './netns.ts'
import { frame } from './packet.ts'
import { type Capture, capture, linkIndex, PacketSocket } from './packet-socket.ts'
import type { View } from './packet-view.ts'

export const PREFIX = { a: '2001:db8:1:a::/64', b: '2001:db8:1:b::/64', c: '2001:db8:1:c::/64' } as const
/** An address of the internet at which nobody answers, not even with a refusal. */
export const ACCOMPLICE = '2001:db8:ffff:99::1'
export const A_UPLINK = '2001:db8:1:ff::a'
const DB_ALLOW = 'web:5432,web:7000-7010,web:20000-30000/udp,web:53/udp,web:9899/sctp'
const SANDBOXES = ['w1', 'w2', 'd1', 'g1', 'e1', 'l1', 'l2', 'v1', 'v2', 'n1', 'w3', 'd3', 'e3', 'v3'] as const
const MACHINES = ['a', 'b', 'router', 'internet', 'lan', 'bridged'] as const

export type Container = (typeof SANDBOXES)[number]
/** `uplink` and `uplink2` are the router's ends of host A's links: what is sent there arrives at A as if from outside. */
export type PlaceName = Container | 'internet' | 'lan' | 'bridged' | 'uplink' | 'uplink2' | 'uplinkB'

export class Fabric implements Disposable {
  readonly a: Host
  readonly b: Host
  readonly machines: Readonly<Record<(typeof MACHINES)[number], Netns>>
  readonly #places: Readonly<Record<PlaceName, Place>>
  readonly #senders = new Map<string, PacketSocket>()
  #tokens = 0
  /** Milliseconds that a packet is waited for. */
  patience = 1000
  /** Whether checks look at counters, too: not while a rule is missing. */
  counting = true

  constructor(a: Host, b: Host, machines: Fabric['machines'], places: Readonly<Record<PlaceName, Place>>) {
    this.a = a
    this.b = b
    this.machines = machines
    this.#places = places
  }

  at(place: PlaceName): Place {
    return this.#places[place]
  }

  address(place: PlaceName): string {
    return this.at(place).address
  }

  /** Sends packets, each in a frame to the next hop of the place. */
  send(place: PlaceName, ...packets: readonly Buffer[]): void {
    const { mac, via } = this.at(place)
    this.sendFrames(place, ...packets.map(packet => frame(via, mac, packet)))
  }

  sendFrames(place: PlaceName, ...frames: readonly Buffer[]): void {
    const { ns, link } = this.at(place)
    const sender = this.#senders.get(place) ?? PacketSocket.open(ns.path, linkIndex(ns, link))
    this.#senders.set(place, sender)
    for (const bytes of frames) sender.send(bytes)
    sender.received()
  }

  /** Starts to collect what comes in at a place. */
  capture(place: PlaceName, wants?: (frame: View) => boolean): Capture {
    const { ns, link } = this.at(place)
    return capture(ns, link, wants)
  }

  /** Eight bytes by which a packet is known again. */
  token(): Buffer {
    return Buffer.concat([Buffer.from('s64'), Buffer.of(++this.#tokens >> 8, this.#tokens & 0xff), randomBytes(3)])
  }

  [Symbol.dispose](): void {
    for (const sender of this.#senders.values()) sender.close()
    this.a[Symbol.dispose]()
    this.b[Symbol.dispose]()
  }
}

/** Calls `act` with everything up and both hosts' rules in force, and removes it afterwards. */
export function withFabric(act: (fabric: Fabric) => void | Promise<void>): Promise<void> {
  return withNamespaces([...MACHINES, ...SANDBOXES], async spaces => {
    wire(spaces)
    const fleet = Object.values(PREFIX)
    const a = new Host(spaces.a, PREFIX.a, { fleet, uplinks: ['lo', 'up0', 'up1'] })
    const b = new Host(spaces.b, PREFIX.b, { fleet, uplinks: ['lo', 'up0'] })
    using fabric = new Fabric(a, b, spaces, { ...outside(spaces), ...containers(a, b, spaces) })
    a.apply()
    b.apply()
    await act(fabric)
  })
}

async function withNamespaces<N extends string>(
  names: readonly N[],
  act: (spaces: Record<N, Netns>) => Promise<void>,
  made: Partial<Record<N, Netns>> = {},
): Promise<void> {
  const [first, ...rest] = names
  if (first === undefined) return act(made as Record<N, Netns>)
  return withNetns(ns => withNamespaces(rest, act, { ...made, [first]: ns }))
}

function containers(a: Host, b: Host, spaces: Record<Container, Netns>): Record<Container, Place> {
  for (const host of [a, b]) {
    host.network('web')
    host.network('db', DB_ALLOW)
    host.network('evil')
    host.network('vault', '', { internal: true })
  }
  a.network('logs', 'web,vault')
  a.network('LOCAL')
  a.network('INNER', '', { internal: true })
  const published = [
    { protocol: 'tcp', port: 443 },
    { protocol: 'udp', port: 443 },
  ] as const
  return {
    w1: a.endpoint('w1', 'web', 1, spaces.w1, published),
    w2: a.endpoint('w2', 'web', 2, spaces.w2),
    d1: a.endpoint('d1', 'db', 1, spaces.d1),
    g1: a.endpoint('g1', 'logs', 1, spaces.g1),
    e1: a.endpoint('e1', 'evil', 1, spaces.e1),
    l1: a.endpoint('l1', 'LOCAL', 1, spaces.l1),
    l2: a.endpoint('l2', 'LOCAL', 2, spaces.l2),
    // Join gives a member of an internal group no published port; the rules do not rely on it.
    v1: a.endpoint('v1', 'vault', 1, spaces.v1, published),
    v2: a.endpoint('v2', 'vault', 2, spaces.v2),
    n1: a.endpoint('n1', 'INNER', 1, spaces.n1),
    w3: b.endpoint('w3', 'web', 3, spaces.w3),
    d3: b.endpoint('d3', 'db', 3, spaces.d3),
    e3: b.endpoint('e3', 'evil', 3, spaces.e3),
    v3: b.endpoint('v3', 'vault', 3, spaces.v3),
  }
}

type Spaces = Fabric['machines']
const mac = (side: 1 | 2, port: number): string => `02:00:00:00:0${side}:0${port}`

/** One cable to the router: the router's link, the machine's link, the machine's global address, and what is routed to it. */
const CABLES = [
  { to: 'a', near: 'ra', far: 'up0', address: A_UPLINK, routes: [PREFIX.a, '2001:db8:3::/64'] },
  { to: 'a', near: 'ra1', far: 'up1', address: '2001:db8:1:ff::a1', routes: [] },
  { to: 'b', near: 'rb', far: 'up0', address: '2001:db8:1:ff::b', routes: [PREFIX.b] },
  { to: 'internet', near: 'ri', far: 'up0', address: '2001:db8:ffff::1', routes: ['2001:db8:ffff:99::/64'] },
  { to: 'lan', near: 'rl', far: 'up0', address: '2001:db8:1:f::10', routes: [] },
] as const

function wire(spaces: Spaces): void {
  const batch = (ns: Netns, ...lines: string[]): void => {
    ns.exec('sh', '-c', `printf '%s\\n' "$1" | ip -batch -`, 'sh', lines.join('\n'))
  }
  for (const [port, { to, near, far, address, routes }] of CABLES.entries()) {
    connect(spaces.router, near, spaces[to], far)
    const destinations = [`${address}/128`, ...routes]
    batch(
      spaces.router,
      `link set ${near} address ${mac(1, port)}`,
      `address add fe80::1/64 dev ${near} nodad`,
      `neigh replace fe80::2 dev ${near} lladdr ${mac(2, port)} nud permanent`,
      ...destinations.map(destination => `route add ${destination} via fe80::2 dev ${near}`),
    )
    batch(
      spaces[to],
      `link set ${far} address ${mac(2, port)}`,
      `address add fe80::2/64 dev ${far} nodad`,
      `address add ${address}/128 dev ${far} nodad`,
      `neigh replace fe80::1 dev ${far} lladdr ${mac(1, port)} nud permanent`,
      far === 'up0' ? `route add default via fe80::1 dev ${far}` : '',
    )
  }
  // From which the router sends its errors.
  spaces.router.ip('address add 2001:db8:1:ff::99/128 dev lo')
  set(spaces.router, 'ipv6/conf/all/forwarding', 1)
  spaces.internet.ip(`route add blackhole ${ACCOMPLICE}/128`)
  bridge(spaces, batch)
}

/** An ordinary bridge on host A with a container on it, and an IPv4 address on A's loopback that is none of slash64's business. */
function bridge({ a, bridged }: Spaces, batch: (ns: Netns, ...lines: string[]) => void): void {
  connect(a, 'vb', bridged, 'eth0')
  batch(a, 'link add br0 address 02:00:00:00:03:01 type bridge', 'link set vb master br0', 'link set br0 up')
  batch(a, 'address add 2001:db8:3::1/64 dev br0 nodad', 'address add 198.51.100.1/24 dev br0')
  batch(a, 'address add 192.0.2.7/32 dev lo', 'neigh add 2001:db8:3::2 dev br0 lladdr 02:00:00:00:03:02 nud permanent')
  batch(a, 'neigh add 198.51.100.2 dev br0 lladdr 02:00:00:00:03:02 nud permanent')
  batch(a, `route add ${PREFIX.c} via 2001:db8:3::2 dev br0`)
  batch(bridged, 'link set eth0 address 02:00:00:00:03:02', 'address add 2001:db8:3::2/64 dev eth0 nodad')
  batch(bridged, 'address add 198.51.100.2/24 dev eth0', 'route add default via 2001:db8:3::1')
  set(a, 'ipv4/ip_forward', 1)
  set(a, 'ipv4/conf/all/accept_local', 1)
  set(a, 'ipv4/conf/all/rp_filter', 0)
  // Errors are rate limited to one a second and peer; the tests ask for more.
  set(a, 'ipv6/icmp/ratelimit', 0)
}

function set(ns: Netns, setting: string, value: number): void {
  ns.enter(() => new SysctlTree().write(['net', ...setting.split('/')], value))
}

function outside(spaces: Spaces): Record<Exclude<PlaceName, Container>, Place> {
  const machine = (port: number): Place => {
    const { to, far, address } = CABLES[port] ?? CABLES[0]
    return { ns: spaces[to], link: far, mac: mac(2, port), via: mac(1, port), address }
  }
  const router = (port: number): Place => {
    const link = CABLES[port]?.near ?? ''
    return { ns: spaces.router, link, mac: mac(1, port), via: mac(2, port), address: 'fe80::1' }
  }
  const onBridge = { mac: '02:00:00:00:03:02', via: '02:00:00:00:03:01', address: '2001:db8:3::2' }
  return {
    internet: machine(3),
    lan: machine(4),
    uplink: router(0),
    uplink2: router(1),
    uplinkB: router(2),
    bridged: { ns: spaces.bridged, link: 'eth0', ...onBridge },
  }
}
