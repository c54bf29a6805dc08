// Two hosts with Docker Engine and slash64 behind a router, with the internet and a LAN of the same site:
//
//   front (web) stray (other) lonely -- A ==eth0== router ==eth0== B -- store (db) twin (web) hermit
//                                              |    \            || eth1: no uplink, eth2: an uplink without a route
//                                             lan   internet =====
//
// On A `web` is a group without a list. On B `db` lets web in (DB_ALLOW); `lonely` and `hermit` are in groups without a name that have the same bits.
import assert from 'node:assert/strict'
import { Host } from '../lab/host.ts'
import { Machine } from '../lab/machine.ts'
import { Topology } from '../lab/topology.ts'
import { addressOf } from './container.ts'
import { inside } from './inside.ts'
import { createNetwork, idle, serve } from './stage.ts'

export const A = { prefix: '2001:db8:100:a::/64', own: '2001:db8:100:a::1', uplink: '2001:db8:100::a' } as const
export const B = { prefix: '2001:db8:100:b::/64', own: '2001:db8:100:b::1', uplink: '2001:db8:100::b' } as const
export const LAN = { prefix: '2001:db8:100:ff::/64', address: '2001:db8:100:ff::10' } as const
/** From which the router sends its errors. */
export const ROUTER = '2001:db8:100::99'
export const DB_ALLOW = 'web:5432,web:5432/udp,web:7000-7010,web:20000-30000/udp,web:9899/sctp'

const FLEET = `${A.prefix},${B.prefix}`
/** Group bits of `lonely` and of `hermit`: bit 80 is 1. */
const LOCAL_BITS = '0:8000:77'

type Environment = Record<string, string>
const environment = (prefix: string, more: Environment): Environment => ({
  SLASH64_PREFIX: prefix,
  SLASH64_ALLOW_DOC_PREFIX: '1',
  SLASH64_FLEET: FLEET,
  ...more,
})
const ENVIRONMENT = {
  a: environment(A.prefix, {}),
  b: environment(B.prefix, { SLASH64_UPLINKS: 'eth0,eth2' }),
} as const

/** Addresses of the containers, by name. */
export type Residents = Readonly<Record<'front' | 'stray' | 'lonely' | 'store' | 'twin' | 'hermit', string>>

export class TwoHosts implements AsyncDisposable {
  readonly a: Host
  readonly b: Host
  readonly lan: Machine
  readonly topology: Topology

  private constructor(a: Host, b: Host, lan: Machine, topology: Topology) {
    this.a = a
    this.b = b
    this.lan = lan
    this.topology = topology
  }

  /** Everything runs when this resolves (about 2 s), without networks. */
  static async up(): Promise<TwoHosts> {
    const [a, b, lan] = [
      await Host.start({ name: 'host-a', forward: true }),
      await Host.start({ name: 'host-b', forward: true }),
      await Machine.start({ name: 'lan' }),
    ]
    const topology = await Topology.up({
      hosts: [
        { host: a, prefix: A.prefix, uplinkAddress: A.uplink },
        { host: b, prefix: B.prefix, uplinkAddress: B.uplink },
        { host: lan, prefix: LAN.prefix, uplinkAddress: LAN.address },
      ],
    })
    const stage = new TwoHosts(a, b, lan, topology)
    stage.#wire()
    await Promise.all([a.startDockerd(), b.startDockerd()])
    await Promise.all([a.startSlash64(ENVIRONMENT.a), stage.startB()])
    return stage
  }

  #wire(): void {
    inside(this.topology.router).ip(`address add ${ROUTER}/128 dev lo`)
    const [internet, b] = [inside(this.topology.internet), inside(this.b)]
    for (const [near, far] of [
      ['back', 'eth1'],
      ['side', 'eth2'],
    ] as const) {
      internet.ip(`link add ${near} type veth peer name ${far} netns ${this.b.pid}`)
      for (const [ns, link] of [
        [internet, near],
        [b, far],
      ] as const)
        ns.ip(`link set ${link} up`)
    }
  }

  /** The containers of the picture above. */
  async settle(): Promise<Residents> {
    const { a, b } = this
    const local = ({ prefix }: { prefix: string }): string[] => [
      '--subnet',
      prefix.replace('::/64', `:${LOCAL_BITS}:0/112`),
    ]
    await Promise.all([this.#networksOfA(local(A)), this.#networksOfB(local(B))])
    await Promise.all([
      serve(a, 'front', 'web', [443, 8081], '-p', '443:443'),
      idle(a, 'stray', 'other'),
      idle(a, 'lonely', 'alone'),
      serve(b, 'store', 'db', [22, 5432, 7005, 7011, 8443, 25000], '-p', '8443:8443'),
      serve(b, 'twin', 'web', [80]),
      serve(b, 'hermit', 'alone', [80]),
    ])
    return {
      front: await addressOf(a, 'front', 'web'),
      stray: await addressOf(a, 'stray', 'other'),
      lonely: await addressOf(a, 'lonely', 'alone'),
      store: await addressOf(b, 'store', 'db'),
      twin: await addressOf(b, 'twin', 'web'),
      hermit: await addressOf(b, 'hermit', 'alone'),
    }
  }

  async #networksOfA(local: readonly string[]): Promise<void> {
    await createNetwork(this.a, 'web', '-o', 'group=web')
    await createNetwork(this.a, 'other', '-o', 'group=other')
    await createNetwork(this.a, 'alone', ...local)
  }

  async #networksOfB(local: readonly string[]): Promise<void> {
    await createNetwork(this.b, 'web', '-o', 'group=web')
    await createNetwork(this.b, 'db', '-o', 'group=db', '-o', `allow=${DB_ALLOW}`)
    await createNetwork(this.b, 'alone', ...local, '-o', 'allow=web:80')
  }

  /** Starts slash64 on B; `env` changes its settings. */
  startB(env: Environment = {}): Promise<void> {
    return this.b.startSlash64({ ...ENVIRONMENT.b, ...env })
  }

  /** Calls `act` while slash64 on B runs with other settings. */
  async withB(env: Environment, act: () => Promise<void>): Promise<void> {
    await this.b.stopSlash64()
    await this.startB(env)
    try {
      await act()
    } finally {
      await this.b.stopSlash64()
      await this.startB()
    }
  }

  /** Starts slash64 on B when a test that failed did not. */
  async resume(): Promise<void> {
    try {
      this.b.slash64
    } catch {
      await this.startB()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.topology.dispose()
    for (const machine of [this.lan, this.b, this.a]) await machine.dispose()
  }
}

interface ListedRule {
  readonly comment?: string
  readonly expr: readonly { readonly counter?: { readonly packets: number } }[]
}

/** Packets that the rules with this comment have counted on a host. Throws when no rule has it, and a counter. */
export async function counted(host: Host, comment: string): Promise<number> {
  const text = await host.check(['nft', '-j', 'list', 'table', 'inet', 'slash64'])
  const { nftables } = JSON.parse(text) as { nftables: { rule?: ListedRule }[] }
  const rules = nftables.flatMap(({ rule }) => (rule?.comment === comment ? [rule] : []))
  const counters = rules.flatMap(({ expr }) => expr.flatMap(({ counter }) => (counter ? [counter.packets] : [])))
  assert.notEqual(counters.length, 0, `no rule of ${host.name} counts "${comment}"`)
  return counters.reduce((sum, packets) => sum + packets, 0)
}
