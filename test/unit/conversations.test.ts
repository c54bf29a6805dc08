// Every conversation that was recorded with Docker 28.5.2 and another driver, replayed through the real HTTP server, the real daemon, a strict kernel
// and a strict store: each answer is one that the engine takes, each refusal is one of refusals.json, and in the end there is what the engine has.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, it } from 'node:test'
import { acceptable } from '../support/acceptable.ts'
import { dumpOf } from '../support/fake-kernel.ts'
import { HOST } from '../support/place.ts'
import { parseRow } from '../support/recording.ts'
import { Replay } from '../support/replay.ts'

const FOLDER = `${import.meta.dirname}/../golden/conversations`
const REFUSALS: Record<string, string[]> = JSON.parse(readFileSync(`${FOLDER}/refusals.json`, 'utf8'))
/** Networks and endpoints that these leave behind: the engine sent no delete, because the other driver had failed or was not there. */
const LEFTOVERS: Record<string, [networks: number, endpoints: number]> = {
  'network-create-driver-error': [1, 0],
  'network-create-http-error': [3, 0],
  'plugin-down-run': [1, 1],
}

const names = readdirSync(FOLDER)
  .filter(file => file.endsWith('.jsonl'))
  .map(file => basename(file, '.jsonl'))

describe('the recorded conversation', () => {
  for (const name of names) {
    it(name, async () => {
      const replay = new Replay(readFileSync(`${FOLDER}/${name}.jsonl`, 'utf8').trim().split('\n').map(parseRow))
      await replay.run(() => assertSame(replay))
      assert.deepEqual([...replay.refusals], REFUSALS[name] ?? [])
      assert.deepEqual([replay.networks.size, replay.endpoints.size], LEFTOVERS[name] ?? [0, 0])
      assert.equal(replay.place.state.creation, undefined)
    })
  }
})

/** State, store and kernel hold what the engine thinks that they do. */
function assertSame({ place, networks, endpoints, held }: Replay): void {
  const { state, store, kernel } = place
  assert.deepEqual([...state.networks.keys()].toSorted(), [...networks.keys()].toSorted())
  assert.deepEqual([...state.endpoints.keys()].toSorted(), [...endpoints.keys()].toSorted())
  const pools = [...networks.values(), ...(state.creation?.pool === undefined ? [] : [state.creation.pool])]
  assert.deepEqual([...state.pools.keys()].toSorted(), [...new Set(pools)].toSorted())
  const taken = [...state.pools].flatMap(([pool, { leases, endpoints }]) =>
    [...leases.keys(), ...endpoints.keys()].map(number => pool.replace(/:0\/112$/, `:${number.toString(16)}`)),
  )
  assert.deepEqual(taken.toSorted(), held)
  const stored = store.load()
  assert.deepEqual([stored.networks.length, stored.endpoints.length], [networks.size, endpoints.size])
  if (networks.size === 0) assert.deepEqual(kernel.dump(), dumpOf(HOST))
}

describe('the engine does not take', () => {
  const joined = {
    InterfaceName: { SrcName: '', DstPrefix: '' },
    GatewayIPv6: 'fe80::1',
    StaticRoutes: [],
    DisableGatewayService: true,
  }
  const route = { Destination: 'fe80::1/128', RouteType: 1, NextHop: '' }
  const asked = { Interface: { Address: '', AddressIPv6: 'fd00::1/128', MacAddress: '' } }
  const cases: [path: string, status: number, body: object, request?: object][] = [
    ['/NetworkDriver.Leave', 200, { Err: 'slash64: an error that has status 200' }],
    ['/NetworkDriver.Leave', 500, { Err: 'slash64: an error with one key only' }],
    ['/NetworkDriver.Leave', 500, { Err: 'EOF', Error: 'EOF' }],
    ['/NetworkDriver.GetCapabilities', 200, { GwAllocChecker: true }],
    ['/IpamDriver.RequestAddress', 200, { Address: '' }],
    ['/IpamDriver.RequestAddress', 200, { Address: 'fd00::1' }],
    ['/IpamDriver.RequestAddress', 200, { Address: 'fd00::2/128' }, { Address: 'fd00::1' }],
    ['/IpamDriver.RequestPool', 200, { PoolID: '', Pool: 'fd00::/112' }],
    ['/IpamDriver.RequestPool', 200, { PoolID: 'a', Pool: 'fd00::/129' }],
    [
      '/IpamDriver.RequestPool',
      200,
      { PoolID: 'a', Pool: 'fd00::/112', Data: { 'com.docker.network.gateway': 'fe80::1' } },
    ],
    ['/NetworkDriver.CreateEndpoint', 200, { Interface: { AddressIPv6: 'fd00::1/128' } }, asked],
    ['/NetworkDriver.CreateEndpoint', 200, { Interface: { MacAddress: '01:00:00:00:00:01' } }, asked],
    ['/NetworkDriver.Join', 200, { ...joined, GatewayIPv6: 'fe80::1/64' }],
    ['/NetworkDriver.Join', 200, { ...joined, DisableGatewayService: false }],
    ['/NetworkDriver.Join', 200, { ...joined, StaticRoutes: [{ ...route, RouteType: '1' }] }],
    [
      '/NetworkDriver.Join',
      200,
      { ...joined, StaticRoutes: [{ ...route, Destination: '::/0', RouteType: 0, NextHop: 'fe80::1' }] },
    ],
    ['/NetworkDriver.Join', 200, { ...joined, InterfaceName: { SrcName: 'a-name-too-long-for-it', DstPrefix: 'eth' } }],
    ['/NetworkDriver.Join', 200, { ...joined, InterfaceName: { SrcName: 's64c', DstPrefix: 'eth' } }],
  ]
  for (const [path, status, body, request = {}] of cases) {
    it(`${path.slice(1)} ${status} ${JSON.stringify(body)}`, () => {
      assert.throws(() => acceptable(path, status, body, request), { name: 'AssertionError' })
    })
  }

  it('but what we answer', () => {
    acceptable('/NetworkDriver.Join', 200, { ...joined, StaticRoutes: [route] }, {})
    acceptable('/NetworkDriver.CreateEndpoint', 200, { Interface: { MacAddress: '02:00:00:00:00:01' } }, asked)
  })
})
