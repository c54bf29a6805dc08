// Plays dockerd on a driver's socket: the calls of a container's start and stop, in the engine's order, over kept connections, each timed.
import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'

/** The calls that a container's start and stop make, in their order. */
export const METHODS = [
  'RequestAddress',
  'CreateEndpoint',
  'Join',
  'EndpointOperInfo',
  'Leave',
  'DeleteEndpoint',
  'ReleaseAddress',
] as const

export type Method = (typeof METHODS)[number]

/** An endpoint that was started. */
export interface Endpoint {
  readonly id: string
  readonly address: string
}

/** Milliseconds that each call took, from the request's first byte to the answer's last. */
export type Times = { readonly [M in Method]: number[] }

export function noTimes(): Times {
  return Object.fromEntries(METHODS.map(method => [method, []])) as unknown as Times
}

const VERSION = 'application/vnd.docker.plugins.v1.2+json'

export class Engine {
  readonly #socketPath: string
  readonly #agent = new Agent({ keepAlive: true })
  #network = ''
  #pool = ''

  private constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** With one network. Throws the sentence of a refusal. */
  static async start(socketPath: string): Promise<Engine> {
    const engine = new Engine(socketPath)
    await engine.#createNetwork()
    return engine
  }

  /** Starts a container with two published ports in a sandbox; the calls' times are added to `times`. Throws the sentence of a refusal. */
  async start(sandbox: string, times: Times = noTimes()): Promise<Endpoint> {
    const id = randomId()
    const ids = { NetworkID: this.#network, EndpointID: id }
    const timed = this.#timed(times)
    const request = { PoolID: this.#pool, Address: '', Options: null }
    const { Address = '' } = await timed('RequestAddress', 'IpamDriver', request)
    const Interface = { Address: '', AddressIPv6: Address, MacAddress: '' }
    await timed('CreateEndpoint', 'NetworkDriver', { ...ids, Interface, Options: PORTS })
    await timed('Join', 'NetworkDriver', { ...ids, SandboxKey: sandbox, Options: PORTS })
    await timed('EndpointOperInfo', 'NetworkDriver', ids)
    return { id, address: Address.replace(/\/128$/, '') }
  }

  /** Stops it. */
  async stop({ id, address }: Endpoint, times: Times = noTimes()): Promise<void> {
    const ids = { NetworkID: this.#network, EndpointID: id }
    const timed = this.#timed(times)
    await timed('Leave', 'NetworkDriver', ids)
    await timed('DeleteEndpoint', 'NetworkDriver', ids)
    await timed('ReleaseAddress', 'IpamDriver', { PoolID: this.#pool, Address: address })
  }

  close(): void {
    this.#agent.destroy()
  }

  async #createNetwork(): Promise<void> {
    const Options = {
      'com.docker.network.enable_ipv4': false,
      'com.docker.network.enable_ipv6': true,
      'com.docker.network.generic': { group: 'bench' },
    }
    this.#network = randomId()
    await this.#call('NetworkDriver.GwAllocCheck', { Options })
    const wanted = { AddressSpace: '', Pool: '', SubPool: '', Options: {}, V6: true }
    const { Pool = '', PoolID = '' } = await this.#call('IpamDriver.RequestPool', wanted)
    this.#pool = PoolID
    const IPv6Data = [{ AddressSpace: '', Pool }]
    await this.#call('NetworkDriver.CreateNetwork', { NetworkID: this.#network, Options, IPv4Data: [], IPv6Data })
  }

  #timed(times: Times) {
    return async (method: Method, driver: string, body: object): Promise<Record<string, string>> => {
      const began = performance.now()
      const answer = await this.#call(`${driver}.${method}`, body)
      times[method].push(performance.now() - began)
      return answer
    }
  }

  async #call(rpc: string, body: object): Promise<Record<string, string>> {
    const { status, text } = await this.#post(rpc, JSON.stringify(body))
    if (status !== 200) throw new Error(`${rpc}: ${status} ${text}`)
    return JSON.parse(text)
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

/** `-p 8000:8000 -p 8001:8001`. */
const PORTS = {
  'com.docker.network.portmap': [8000, 8001].map(port => ({
    Proto: 6,
    IP: '',
    Port: port,
    HostIP: '',
    HostPort: port,
    HostPortEnd: port,
  })),
  'com.docker.network.endpoint.exposedports': [],
}

function randomId(): string {
  return randomBytes(32).toString('hex')
}
