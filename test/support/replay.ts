// A recorded conversation of an engine with another driver, said to ours as that engine would have said it to ours: with our pools and addresses, with
// GwAllocCheck (the other one had no such capability) and so without gateway addresses. What ours refuses is said once more as its sentence advises.
import assert from 'node:assert/strict'
import { pino } from 'pino'
import { project } from '../../src/dataplane/project.ts'
import { createServer } from '../../src/http/server.ts'
import { acceptable, type Body } from './acceptable.ts'
import { addressIn } from './commands.ts'
import { dumpOf } from './fake-kernel.ts'
import { HOST, Place } from './place.ts'
import { advised, bare, GENERIC, map, type Row, text } from './recording.ts'

interface Creation {
  readonly options: Body
  readonly request: Body
  readonly pool: string
}

type Answer = { readonly status: number; readonly body: Body }

export class Replay {
  readonly place = new Place()
  /** Each sentence that was answered, once, as `Method: sentence`. */
  readonly refusals = new Set<string>()
  /** Live networks with their pools, live endpoints with their addresses, and the addresses that the engine holds. */
  readonly networks = new Map<string, string>()
  readonly endpoints = new Map<string, string>()
  readonly #held = new Set<string>()
  readonly #rows: readonly Row[]
  readonly #app = createServer({ submit: command => this.place.submit(command), log: pino({ level: 'silent' }) })
  /** Of the recording: pools by id and by text, addresses by our pool. */
  readonly #pools = new Map<string, string>()
  readonly #addresses = new Map<string, string>()
  /** Networks by the gateways that were answered for them. */
  readonly #gateways = new Map<string, string>()
  readonly #methods: Readonly<Record<string, (body: Body, row: Row, index: number) => Promise<unknown>>> = {
    '/IpamDriver.RequestPool': (body, row, index) => this.#requestPool(body, row, index),
    '/IpamDriver.RequestAddress': (body, row) => this.#requestAddress(body, row),
    '/IpamDriver.ReleaseAddress': body => this.#releaseAddress(body),
    '/IpamDriver.ReleasePool': body => this.#releasePool(body),
    '/NetworkDriver.CreateNetwork': body => this.#createNetwork(body),
    '/NetworkDriver.DeleteNetwork': body => this.#deleteNetwork(body),
    '/NetworkDriver.CreateEndpoint': body => this.#createEndpoint(body),
    '/NetworkDriver.Join': body => this.#join(body),
    '/NetworkDriver.DeleteEndpoint': body => this.#deleteEndpoint(body),
  }
  #creation: Creation | undefined

  constructor(rows: readonly Row[]) {
    this.#rows = rows
  }

  /**
   * Says it all, and calls `check` after each row. Throws an AssertionError at an answer that the engine would not take, or a step after which kernel
   * and state differ.
   */
  async run(check: () => void): Promise<void> {
    for (const [index, row] of this.#rows.entries()) {
      if (row.crash) this.#crash()
      else if (row.req === null && row.failed) await this.#refused(row.path, undefined)
      else if (row.req === null) await this.#taken(row.path, undefined)
      else await (this.#methods[row.path]?.(row.req, row, index) ?? this.#taken(row.path, row.req))
      check()
    }
  }

  /** Addresses that are taken, as the engine has it. */
  get held(): string[] {
    return [...new Set([...this.#held, ...this.endpoints.values()])].toSorted()
  }

  async #ask(path: string, request: Body | undefined): Promise<Answer> {
    const payload = request === undefined ? {} : { payload: `${JSON.stringify(request)}\n` }
    const { statusCode: status, body } = await this.#app.inject({ method: 'POST', url: path, ...payload })
    const answer = { status, body: JSON.parse(body) as Body }
    acceptable(path, status, answer.body, request)
    assert.deepEqual(this.place.kernel.dump(), dumpOf(project(this.place.state, HOST)), `after ${path}`)
    if (status !== 200) this.refusals.add(`${path.slice(1)}: ${answer.body['Err']}`)
    return answer
  }

  async #taken(path: string, request: Body | undefined): Promise<Body> {
    const { status, body } = await this.#ask(path, request)
    assert.equal(status, 200, `${path} ${JSON.stringify(request)}: ${body['Err']}`)
    return body
  }

  async #refused(path: string, request: Body | undefined): Promise<void> {
    const { status, body } = await this.#ask(path, request)
    assert.notEqual(status, 200, `${path} ${JSON.stringify(request)}: ${JSON.stringify(body)}`)
  }

  /** Another one starts at once: what nobody had taken up is forgotten. */
  #crash(): void {
    this.place.crash()
    this.#creation = undefined
    this.#held.clear()
    for (const address of this.endpoints.values()) this.#held.add(address)
  }

  async #requestPool(request: Body, { answer, failed }: Row, index: number): Promise<void> {
    if (answer === undefined || failed) return // the other driver's own trouble
    const live = this.#pools.get(text(request['Pool']))
    if (live !== undefined && request['Pool'] !== '') {
      this.#pools.set(answer, live) // a replay, for which ours does not ask (RequiresRequestReplay)
      return
    }
    const next = this.#rows.slice(index).find(row => row.path === '/NetworkDriver.CreateNetwork')
    const unsaid = {
      'com.docker.network.enable_ipv4': !request['V6'],
      'com.docker.network.enable_ipv6': true,
      [GENERIC]: {},
    }
    const pool = await this.#open(map(next?.req?.['Options'] ?? unsaid), { ...request, Pool: '' })
    if (pool === undefined) return
    for (const name of [answer, text(request['Pool'])]) this.#pools.set(name, pool)
  }

  /** Opens a creation and gets its pool; undefined where there is nothing to say instead. */
  async #open(options: Body, request: Body): Promise<string | undefined> {
    const check = await this.#ask('/NetworkDriver.GwAllocCheck', { Options: options })
    if (check.status !== 200) {
      if (Object.keys(map(options[GENERIC])).length === 0) return undefined
      return this.#open({ ...options, [GENERIC]: {} }, request)
    }
    const { status, body } = await this.#ask('/IpamDriver.RequestPool', request)
    if (status !== 200) return this.#open(options, { ...request, SubPool: '', Options: {} })
    const pool = text(body['Pool'])
    this.#creation = { options, request, pool }
    return pool
  }

  /** After a refusal in the middle: the engine gives the pool back, and the user tries again without what was refused. */
  async #reopen({ options, request, pool }: Creation): Promise<void> {
    await this.#taken('/IpamDriver.ReleasePool', { PoolID: pool })
    const again = await this.#open(options, request)
    for (const [recorded, ours] of this.#pools)
      if (ours === pool && again !== undefined) this.#pools.set(recorded, again)
  }

  #ours(pool: string, recorded: string): string {
    const known = this.#addresses.get(`${pool} ${recorded}`)
    return known ?? addressIn(pool, Number.parseInt(recorded.split(':').at(-1) ?? '', 16))
  }

  async #requestAddress(request: Body, { answer, failed }: Row): Promise<void> {
    const pool = this.#pools.get(text(request['PoolID']))
    const wanted = text(request['Address'])
    const gateway = map(request['Options'])['RequestAddressType'] !== undefined
    if (gateway && !/^fd/.test(wanted)) return // GwAllocCheck said that none is needed
    if (pool === undefined) return this.#refused('/IpamDriver.RequestAddress', request)
    const address = wanted === '' ? '' : this.#ours(pool, wanted)
    const ours = { ...request, PoolID: pool, Address: address }
    if (gateway && this.#creation) {
      await this.#refused('/IpamDriver.RequestAddress', ours)
      return this.#reopen(this.#creation)
    }
    if (this.#held.has(address) && failed) return this.#refused('/IpamDriver.RequestAddress', ours)
    if (this.#held.has(address)) return // a replay
    const body = await this.#taken('/IpamDriver.RequestAddress', ours)
    this.#held.add(bare(body['Address']))
    if (answer !== undefined) this.#addresses.set(`${pool} ${bare(answer)}`, bare(body['Address']))
  }

  async #releaseAddress(request: Body): Promise<void> {
    const pool = this.#pools.get(text(request['PoolID']))
    const address = this.#addresses.get(`${pool} ${request['Address']}`)
    if (pool !== undefined && address === undefined) return // a gateway that ours did not have
    await this.#taken('/IpamDriver.ReleaseAddress', {
      PoolID: pool ?? request['PoolID'],
      Address: address ?? request['Address'],
    })
    if (address !== undefined) this.#held.delete(address)
  }

  async #releasePool(request: Body): Promise<void> {
    const pool = this.#pools.get(text(request['PoolID']))
    await this.#taken('/IpamDriver.ReleasePool', { PoolID: pool ?? request['PoolID'] })
    for (const [recorded, ours] of this.#pools) if (ours === pool) this.#pools.delete(recorded)
    if (this.#creation?.pool === pool) this.#creation = undefined
  }

  async #createNetwork(request: Body): Promise<void> {
    const open = this.#creation
    if (!open) {
      await this.#ask('/NetworkDriver.GwAllocCheck', { Options: request['Options'] })
      const IPv6Data = (request['IPv6Data'] as Body[]).map(({ Gateway: _, ...data }) => data)
      return this.#refused('/NetworkDriver.CreateNetwork', { ...request, IPv6Data })
    }
    const [data = {}] = request['IPv6Data'] as Body[]
    const auxiliary = Object.entries(map(data['AuxAddresses']))
    if (auxiliary.length > 0) {
      const AuxAddresses = Object.fromEntries(
        auxiliary.map(([name, one]) => [name, `${this.#ours(open.pool, bare(one))}/128`]),
      )
      await this.#refused('/NetworkDriver.CreateNetwork', networkOf(request, open, { AuxAddresses }))
      for (const [, one] of auxiliary) await this.#releaseAddress({ PoolID: open.pool, Address: bare(one) })
      for (const address of Object.values(AuxAddresses)) this.#held.delete(bare(address))
      await this.#reopen(open)
    }
    await this.#taken('/NetworkDriver.CreateNetwork', networkOf(request, this.#creation ?? open, {}))
    this.networks.set(text(request['NetworkID']), (this.#creation ?? open).pool)
    this.#creation = undefined
  }

  async #deleteNetwork(request: Body): Promise<void> {
    const id = text(request['NetworkID'])
    await this.#taken('/NetworkDriver.DeleteNetwork', request)
    const within = this.networks.get(id)?.replace(/0\/112$/, '')
    if (within === undefined) return
    this.networks.delete(id)
    for (const address of this.#held) if (address.startsWith(within)) this.#held.delete(address)
    for (const [endpoint, address] of this.endpoints) if (address.startsWith(within)) this.endpoints.delete(endpoint)
  }

  async #createEndpoint(request: Body): Promise<void> {
    const pool = this.networks.get(text(request['NetworkID']))
    if (pool === undefined) return this.#refused('/NetworkDriver.CreateEndpoint', request)
    const asked = map(request['Interface'])
    const address = bare(asked['AddressIPv6']) === '' ? '' : this.#ours(pool, bare(asked['AddressIPv6']))
    const AddressIPv6 = address === '' ? '' : `${address}/128`
    const ours = { ...request, Interface: { ...asked, AddressIPv6 } }
    const { status } = await this.#ask('/NetworkDriver.CreateEndpoint', ours)
    if (status !== 200 && address === '') return
    if (status !== 200)
      await this.#taken('/NetworkDriver.CreateEndpoint', { ...ours, Options: advised(map(request['Options'])) })
    this.endpoints.set(text(request['EndpointID']), address)
  }

  async #join(request: Body): Promise<void> {
    if (!this.endpoints.has(text(request['EndpointID']))) return this.#refused('/NetworkDriver.Join', request)
    const body = await this.#taken('/NetworkDriver.Join', request)
    const sandbox = text(request['SandboxKey'])
    const [gateway, network] = [text(body['GatewayIPv6']), text(request['NetworkID'])]
    const other = gateway === '' ? network : (this.#gateways.get(gateway) ?? network)
    assert.equal(other, network, 'two networks with one gateway cannot be in one sandbox (EEXIST)')
    this.#gateways.set(gateway, network)
    if (map(body['InterfaceName'])['SrcName'] !== '') return
    assert.ok(!this.place.kernel.marked.has(sandbox), 'one link at most is born in a sandbox')
    this.place.kernel.marked.add(sandbox)
  }

  async #deleteEndpoint(request: Body): Promise<void> {
    await this.#taken('/NetworkDriver.DeleteEndpoint', request)
    this.endpoints.delete(text(request['EndpointID']))
  }
}

/** CreateNetwork as an engine sends it to a driver that needs no gateway addresses. */
function networkOf(request: Body, { options, pool }: Creation, more: Body): Body {
  return { ...request, Options: options, IPv4Data: [], IPv6Data: [{ AddressSpace: 'slash64', Pool: pool, ...more }] }
}
