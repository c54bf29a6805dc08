// Plays dockerd on the plugin's socket: the same calls in the same order over one kept connection, each timed.
import { Agent, request } from 'node:http'

/** The calls that a container's start and stop make. */
export type Rpc = `${'NetworkDriver' | 'IpamDriver'}.${string}`

export interface Network {
  readonly network: string
  readonly pool: string
}

export interface Row {
  readonly name: string
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

const VERSION = 'application/vnd.docker.plugins.v1.2+json'

export class Engine {
  readonly #socketPath: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 6 })
  readonly #times = new Map<string, number[]>()
  readonly #addresses = new Map<string, string>()

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** Sends one call and resolves to its answer; the time counts for its row. Throws the sentence of a refusal. */
  async call(rpc: Rpc, body: object): Promise<Record<string, string>> {
    const began = performance.now()
    const { status, text } = await this.#post(rpc, JSON.stringify(body))
    const list = this.#times.get(rpc) ?? []
    list.push(performance.now() - began)
    this.#times.set(rpc, list)
    if (status !== 200) throw new Error(`${rpc}: ${status} ${text}`)
    return JSON.parse(text)
  }

  async createNetwork(network: string): Promise<Network> {
    const Options = {
      'com.docker.network.enable_ipv4': false,
      'com.docker.network.enable_ipv6': true,
      'com.docker.network.generic': { group: 'bench' },
    }
    await this.call('NetworkDriver.GwAllocCheck', { Options })
    const { Pool = '' } = await this.call('IpamDriver.RequestPool', {
      AddressSpace: 'slash64',
      Pool: '',
      SubPool: '',
      Options: {},
      V6: true,
    })
    const IPv6Data = [{ AddressSpace: 'slash64', Pool }]
    await this.call('NetworkDriver.CreateNetwork', { NetworkID: network, Options, IPv4Data: [], IPv6Data })
    return { network, pool: Pool }
  }

  async start({ network, pool }: Network, endpoint: string, sandbox: string, ports: number): Promise<void> {
    const { Address = '' } = await this.call('IpamDriver.RequestAddress', { PoolID: pool, Address: '', Options: null })
    this.#addresses.set(endpoint, Address)
    const Interface = { Address: '', AddressIPv6: Address, MacAddress: '' }
    const Options = { 'com.docker.network.portmap': portMap(ports), 'com.docker.network.endpoint.exposedports': [] }
    const ids = { NetworkID: network, EndpointID: endpoint }
    await this.call('NetworkDriver.CreateEndpoint', { ...ids, Interface, Options })
    await this.call('NetworkDriver.Join', { ...ids, SandboxKey: sandbox, Options })
  }

  async stop({ network, pool }: Network, endpoint: string): Promise<void> {
    const ids = { NetworkID: network, EndpointID: endpoint }
    await this.call('NetworkDriver.Leave', ids)
    await this.call('NetworkDriver.DeleteEndpoint', ids)
    const Address = (this.#addresses.get(endpoint) ?? '').replace(/\/128$/, '')
    await this.call('IpamDriver.ReleaseAddress', { PoolID: pool, Address })
  }

  /** Ids of the endpoints that were started. */
  endpoints(): string[] {
    return [...this.#addresses.keys()]
  }

  /** One row for each name: the times of its calls, added up per container where they are several. */
  rows(wanted: readonly (readonly [name: string, rpcs: readonly Rpc[]])[]): Row[] {
    return wanted.map(([name, rpcs]) => {
      const lists = rpcs.map(rpc => this.#times.get(rpc) ?? [])
      const sums = (lists[0] ?? []).map((_, index) => lists.reduce((sum, list) => sum + (list[index] ?? 0), 0))
      sums.sort((a, b) => a - b)
      const at = (share: number): number =>
        sums[Math.min(sums.length - 1, Math.floor(sums.length * share))] ?? Number.NaN
      return { name, p50: at(0.5), p99: at(0.99) }
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  #post(path: string, body: string): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
    const headers = { Accept: VERSION, Host: 'plugin.moby.localhost', 'Content-Length': Buffer.byteLength(body) }
    const question = request(
      { socketPath: this.#socketPath, path: `/${path}`, method: 'POST', agent: this.#agent, headers },
      answer => {
        let text = ''
        answer.on('data', chunk => {
          text += chunk
        })
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      },
    )
    question.on('error', reject)
    question.end(body)
    return promise
  }
}

function portMap(ports: number): object[] {
  return Array.from({ length: ports }, (_, index) => {
    const port = 8000 + index
    return { Proto: 6, IP: '', Port: port, HostIP: '', HostPort: port, HostPortEnd: port }
  })
}
