// Everything at once, over a real socket and a real daemon: unknown ids, repeats, nothing, nonsense and far too much beside whole lives.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { pino } from 'pino'
import { project } from '../../../src/dataplane/project.ts'
import { listen } from '../../../src/http/listen.ts'
import { commandRoutes, constantRoutes } from '../../../src/http/routes.ts'
import { createServer } from '../../../src/http/server.ts'
import { acceptable, type Body } from '../../support/acceptable.ts'
import { endpointId, networkId, poolOf } from '../../support/commands.ts'
import { dumpOf } from '../../support/fake-kernel.ts'
import { HOST, Place } from '../../support/place.ts'

const NETWORKS = 12
const ENDPOINTS = 3

const place = new Place()
const folder = mkdtempSync(join(tmpdir(), 'slash64-crowd-'))
const socketPath = join(folder, 'slash64.sock')
const app = createServer({ submit: command => place.submit(command), log: pino({ level: 'silent' }) })
await listen(app, socketPath)
const agent = new Agent({ keepAlive: true, maxSockets: 40 })
after(async () => {
  agent.destroy()
  await app.close()
  rmSync(folder, { recursive: true })
})

let calls = 0

/** Sends bytes as they are; fails where the engine would not take the answer. */
async function send(path: string, text: string): Promise<{ status: number; body: Body }> {
  calls++
  const outgoing = request({ socketPath, path, method: 'POST', agent }).end(text)
  const [response] = await once(outgoing, 'response')
  const body = JSON.parse(Buffer.concat(await response.toArray()).toString()) as Body
  acceptable(path, response.statusCode, body, parsed(text))
  return { status: response.statusCode, body }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

async function done(method: string, body: Body): Promise<Body> {
  const answer = await send(`/${method}`, `${JSON.stringify(body)}\n`)
  assert.equal(answer.status, 200, `${method}: ${answer.body['Err']}`)
  return answer.body
}

async function fails(path: string, text: string, ...statuses: readonly number[]): Promise<void> {
  const { status } = await send(path, text)
  assert.ok(statuses.includes(status), `${path} ${text.slice(0, 80)}: ${status}`)
}

/** A network with its containers, from the creation to the second that all of them run. */
async function life(number: number): Promise<void> {
  const group = `crowd-${number}`
  const Options = {
    ...{ 'com.docker.network.enable_ipv4': false, 'com.docker.network.enable_ipv6': true },
    'com.docker.network.generic': { group },
  }
  await done('NetworkDriver.GwAllocCheck', { Options })
  const { Pool } = await done('IpamDriver.RequestPool', { Pool: '', SubPool: '', Options: {}, V6: true })
  assert.equal(Pool, poolOf(group), 'a creation gets the pool of its own group')
  const NetworkID = networkId(number)
  const creation = { NetworkID, Options, IPv4Data: [], IPv6Data: [{ Pool }] }
  await Promise.all([done('NetworkDriver.CreateNetwork', creation), done('NetworkDriver.CreateNetwork', creation)])
  await Promise.all(Array.from({ length: ENDPOINTS }, (_, i) => container(NetworkID, String(Pool), number * 100 + i)))
}

async function container(NetworkID: string, PoolID: string, number: number): Promise<void> {
  const ids = { NetworkID, EndpointID: endpointId(number) }
  const { Address } = await done('IpamDriver.RequestAddress', { PoolID, Address: '', Options: null })
  const creation = { ...ids, Interface: { Address: '', AddressIPv6: Address, MacAddress: '' }, Options: {} }
  await Promise.all([done('NetworkDriver.CreateEndpoint', creation), done('NetworkDriver.CreateEndpoint', creation)])
  const join = { ...ids, SandboxKey: `/var/run/docker/netns/${number}`, Options: {} }
  await Promise.all([done('NetworkDriver.Join', join), done('NetworkDriver.Join', join)])
  for (const method of ['ProgramExternalConnectivity', 'EndpointOperInfo']) await done(`NetworkDriver.${method}`, ids)
}

const methods = [...Object.values(commandRoutes), ...constantRoutes.filter(route => route.body)].map(({ path }) => path)
const UNKNOWN = { NetworkID: networkId(9999), EndpointID: endpointId(9999) }

/** Calls that no engine should make, each with the status that it has to get. */
function nonsense(): Promise<void>[] {
  const everywhere = methods.flatMap(path => [
    fails(path, '', 400),
    fails(path, '{"NetworkID":', 400),
    fails(path, '[]', 400),
  ])
  const huge = JSON.stringify({ ...UNKNOWN, Options: { x: 'x'.repeat(5 * 1024 * 1024) } })
  const unknown = [
    'Leave',
    'DeleteEndpoint',
    'EndpointOperInfo',
    'ProgramExternalConnectivity',
    'RevokeExternalConnectivity',
  ]
  return [
    ...everywhere,
    ...['Join', 'CreateEndpoint', 'Leave'].map(name => fails(`/NetworkDriver.${name}`, huge, 413)),
    ...unknown.map(async name =>
      assert.deepEqual(await done(`NetworkDriver.${name}`, UNKNOWN), name === 'EndpointOperInfo' ? { Value: {} } : {}),
    ),
    ...[1, 2].map(async () => assert.deepEqual(await done('NetworkDriver.DeleteNetwork', UNKNOWN), {})),
    fails('/NetworkDriver.Join', JSON.stringify({ ...UNKNOWN, SandboxKey: '/a' }), 404),
    fails(
      '/NetworkDriver.CreateEndpoint',
      JSON.stringify({ ...UNKNOWN, Interface: { AddressIPv6: 'fd00::1/128' } }),
      404,
    ),
    fails('/IpamDriver.RequestAddress', '{"PoolID":"fd00::/112"}', 404),
    fails('/IpamDriver.RequestPool', '{"V6":false}', 400),
    fails('/NetworkDriver.Nothing', '{}', 404),
  ]
}

/** Connections that end in the middle of a request, or never say anything. */
function broken(): void {
  for (const bytes of [
    '',
    'POST /NetworkDriver.Join HTTP/1.1\r\n',
    'POST /NetworkDriver.Join HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n{"Net',
  ]) {
    const socket = connect(socketPath, () => socket.write(bytes, () => socket.destroy()))
    socket.on('error', () => undefined)
  }
}

it('more than 200 calls of all kinds at once: each has the right answer, and nothing is lost or left', {
  timeout: 20_000,
}, async () => {
  broken()
  const lives = Array.from({ length: NETWORKS }, (_, i) => life(i + 1))
  await Promise.all([...lives, ...nonsense()])
  assert.ok(calls > 200, `${calls} calls`)
  const { state, kernel } = place
  assert.deepEqual([state.networks.size, state.endpoints.size], [NETWORKS, NETWORKS * ENDPOINTS])
  assert.equal(new Set([...state.endpoints.values()].map(({ address }) => address)).size, NETWORKS * ENDPOINTS)
  assert.equal(state.creation, undefined)
  assert.deepEqual(kernel.dump(), dumpOf(project(state, HOST)))
})

it('and so has the end of them all, said twice', { timeout: 20_000 }, async () => {
  const endpoints = [...place.state.endpoints.values()]
  const ends = endpoints.map(async ({ network, id, pool, address }) => {
    const ids = { NetworkID: network, EndpointID: id }
    for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint'])
      await Promise.all([done(`NetworkDriver.${method}`, ids), done(`NetworkDriver.${method}`, ids)])
    for (const _ of [1, 2]) await done('IpamDriver.ReleaseAddress', { PoolID: pool, Address: address })
  })
  await Promise.all([...ends, ...nonsense()])
  const networks = [...place.state.networks.values()]
  await Promise.all(
    networks.flatMap(({ id, pool }) =>
      [1, 2].map(async () => {
        await done('IpamDriver.ReleasePool', { PoolID: pool })
        await done('NetworkDriver.DeleteNetwork', { NetworkID: id })
      }),
    ),
  )
  assert.deepEqual([place.state.networks.size, place.state.endpoints.size, place.state.pools.size], [0, 0, 0])
  assert.deepEqual(place.kernel.dump(), dumpOf(HOST))
})
