import { join } from 'node:path'
import { Machine } from './machine.ts'
import { succeed } from './process.ts'
import { lab } from './setup.ts'

export type Site = {
  /** A machine that is up. Its name becomes the name of the router's link, so it has at most 15 characters. */
  host: Machine
  /** The prefix that the router sends to this host, such as `2001:db8:100:a::/64`. */
  prefix: string
  /** A global address (no length) for the host's own link; none: link-local only. */
  uplinkAddress?: string
}

/**
 * Hosts behind a router, as in a routed data centre: every host has one link, `eth0`, with link-local addresses on both ends,
 * a default route to the router, and its prefix routed to it. Behind the router lies "the internet", a machine that reaches all.
 */
export class Topology implements AsyncDisposable {
  /** The address of the internet machine. */
  static readonly internetAddress = '2001:db8:ffff::1'

  readonly router: Machine
  readonly internet: Machine
  readonly #sites: readonly Site[]

  private constructor(router: Machine, internet: Machine, sites: readonly Site[]) {
    this.router = router
    this.internet = internet
    this.#sites = sites
  }

  /** Boots router and internet and plugs every host in (0.3 s). Throws CommandError with what ip(8) said, for a bad prefix say. */
  static async up(options: { hosts: readonly Site[] }): Promise<Topology> {
    const router = await Machine.start({ name: 'router', forward: true })
    const internet = await Machine.start({ name: 'internet' })
    const world = { host: internet, prefix: '2001:db8:ffff::/48', uplinkAddress: Topology.internetAddress }
    const topology = new Topology(router, internet, [world, ...options.hosts])
    try {
      for (const { host } of [world, ...options.hosts]) await topology.plug(host)
    } catch (error) {
      await topology.dispose()
      throw error
    }
    return topology
  }

  /** Takes the host's cable out: it loses its carrier, not its addresses. */
  async unplug(host: Machine): Promise<void> {
    await this.router.check(['ip', 'link', 'set', this.#site(host).host.name, 'down'])
  }

  /** Puts the host's cable in: the first time, after unplug(), and after the host booted again. */
  async plug(host: Machine): Promise<void> {
    const site = this.#site(host)
    if ((await host.exec(['ip', 'link', 'show', 'eth0'])).code !== 0) await this.#wire(site)
    const destinations = [site.prefix, ...addresses(site)]
    await configure(this.router, [
      `link set ${host.name} up`,
      `address add fe80::1/64 dev ${host.name} nodad`,
      ...destinations.map(destination => `route add ${destination} via fe80::2 dev ${host.name}`),
    ])
  }

  #site(host: Machine): Site {
    const site = this.#sites.find(site => site.host === host)
    if (!site) throw new Error(`${host.name} is not in this topology: name it in Topology.up({ hosts })`)
    return site
  }

  /** Lays the cable. The pid that ip(8) finds the other namespace by counts outside of the router, so ip runs there. */
  async #wire(site: Site): Promise<void> {
    const { host } = site
    await this.router.exec(['ip', 'link', 'delete', host.name]) // the end of a host that went down lingers for a moment
    const ip = ['nsenter', `--net=${this.router.netns}`, join(lab.tools, 'ip')]
    await succeed([...ip, 'link', 'add', host.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(host.pid)])
    await configure(this.router, [`link set ${host.name} addrgenmode none`])
    await configure(host, [
      'link set eth0 addrgenmode none',
      'link set eth0 up',
      'address add fe80::2/64 dev eth0 nodad',
      ...addresses(site).map(address => `address add ${address} dev eth0 nodad`),
      'route add default via fe80::1 dev eth0',
    ])
  }

  /** Ends router and internet; the hosts lose their links. */
  async dispose(): Promise<void> {
    await this.internet.dispose()
    await this.router.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
}

const addresses = (site: Site) => (site.uplinkAddress ? [`${site.uplinkAddress}/128`] : [])

async function configure(machine: Machine, lines: readonly string[]): Promise<void> {
  await machine.check(['ip', '-6', '-batch', '-'], { input: `${lines.join('\n')}\n` })
}
