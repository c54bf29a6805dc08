// A host with a real engine, slash64 and the do-nothing driver, for the rows of container starts.
import { Host } from '../lab/host.ts'
import { FLOOR, OURS, type Started, startFloor, startSlash64 } from './application.ts'

/** Arguments of `docker network create` by the name of the network. */
const NETWORKS = {
  ours: [...OURS, '-o', 'group=bench'],
  moved: [...OURS, '-o', 'group=moved', '-o', 'birth=engine'],
  floor: [...FLOOR],
  dualstack: ['--ipv6', '--subnet', 'fd00:d::/64', '--subnet', '10.201.0.0/24'],
  routed: [
    '--ipv4=false',
    '--ipv6',
    '--subnet',
    'fd00:e::/64',
    '-o',
    'com.docker.network.bridge.gateway_mode_ipv6=routed',
  ],
  macvlan: ['-d', 'macvlan', '--subnet', '10.202.0.0/24', '-o', 'parent=up0'],
} as const

export type NetworkName = keyof typeof NETWORKS | 'bridge' | 'none'

export class StartGround implements AsyncDisposable {
  readonly host: Host
  readonly slash64: Started

  private constructor(host: Host, slash64: Started) {
    this.host = host
    this.slash64 = slash64
  }

  /** Everything runs and all networks are there when this resolves (about 4 s). */
  static async up(): Promise<StartGround> {
    const host = await Host.start({ name: 'bench', forward: true })
    try {
      await host.check(['ip', 'link', 'add', 'up0', 'up', 'type', 'veth', 'peer', 'name', 'up1'])
      const slash64 = await startSlash64(host)
      await startFloor(host)
      await host.startDockerd()
      for (const [name, args] of Object.entries(NETWORKS)) await host.docker('network', 'create', ...args, name)
      return new StartGround(host, slash64)
    } catch (error) {
      await host.dispose()
      throw error
    }
  }

  /** Milliseconds of `docker run --rm busybox true` on a network, as its caller sees them; `args` are further arguments. Throws when it fails. */
  async run(network: NetworkName, ...args: readonly string[]): Promise<number> {
    const began = performance.now()
    await this.host.docker('run', '--rm', '--network', network, ...args, 'busybox', 'true')
    return performance.now() - began
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.dispose()
  }
}

/** Arguments of `docker run` that publish this many ports. */
export function ports(count: number): string[] {
  return Array.from({ length: count }, (_, index) => ['-p', `${8000 + index}:${8000 + index}`]).flat()
}
