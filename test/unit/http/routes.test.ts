import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandRoutes, constantRoutes } from '../../../src/http/routes.ts'
import type { Command } from '../../../src/state/command.ts'
import { ENDPOINT, fakeDaemon, NETWORK, POOL } from './fake-daemon.ts'

const IDS = { NetworkID: NETWORK, EndpointID: ENDPOINT }
const ids = { network: NETWORK, endpoint: ENDPOINT }
const PORT = { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 8080, HostPortEnd: 8081 }
const port = { protocol: 6, port: 80, hostIp: '', hostPort: 8080, hostPortEnd: 8081 }
const GENERIC = 'com.docker.network.generic'
const PORTMAP = 'com.docker.network.portmap'

interface Row {
  path: string
  body?: unknown
  command?: Record<string, unknown>
  reply: unknown
}

const rows: Row[] = [
  { path: '/Plugin.Activate', reply: { Implements: ['NetworkDriver', 'IpamDriver'] } },
  {
    path: '/NetworkDriver.GetCapabilities',
    reply: { Scope: 'local', ConnectivityScope: 'local', GwAllocChecker: true },
  },
  {
    path: '/NetworkDriver.GwAllocCheck',
    body: { Options: { [GENERIC]: { group: 'web' }, 'com.docker.network.enable_ipv4': false } },
    command: { type: 'checkGatewayAllocation', options: { driver: { group: 'web' }, ipv4: false, internal: false } },
    reply: { SkipIPv4: true, SkipIPv6: true },
  },
  { path: '/NetworkDriver.FreeNetwork', body: { NetworkID: NETWORK }, reply: {} },
  {
    path: '/NetworkDriver.CreateNetwork',
    body: {
      NetworkID: NETWORK,
      Options: {
        'com.docker.network.enable_ipv4': 'false',
        'com.docker.network.enable_ipv6': 'True',
        'com.docker.network.internal': true,
        [GENERIC]: null,
        unknown: { of: ['a', 'later', 'engine'] },
      },
      IPv4Data: null,
      IPv6Data: [{ AddressSpace: 'slash64', Pool: POOL, Gateway: 'fe80::1/64', AuxAddresses: { a: '::1/128' } }],
      Later: 1,
    },
    command: {
      type: 'createNetwork',
      network: NETWORK,
      options: { driver: {}, ipv4: false, ipv6: true, internal: true },
      ipv4: [],
      ipv6: [{ pool: POOL, gateway: 'fe80::1/64', auxiliary: ['::1/128'] }],
    },
    reply: {},
  },
  {
    path: '/NetworkDriver.DeleteNetwork',
    body: { NetworkID: 'abcdefghij0123456789klmno' },
    command: { type: 'deleteNetwork', network: 'abcdefghij0123456789klmno' },
    reply: {},
  },
  {
    path: '/NetworkDriver.CreateEndpoint',
    body: {
      ...IDS,
      Interface: { Address: '', AddressIPv6: '2001:db8::3/128', MacAddress: '02:00:00:00:aa:01' },
      Options: {
        [PORTMAP]: [PORT],
        'com.docker.network.endpoint.exposedports': [{ Proto: 6, Port: 80 }],
        'com.docker.network.endpoint.macaddress': 'AgAAAKoB',
        'com.docker.network.endpoint.dnsservers': ['2001:db8::53'],
        'com.docker.network.endpoint.ifname': 'lab0',
        allow: 'web:80/tcp',
      },
    },
    command: {
      type: 'createEndpoint',
      ...ids,
      address: '',
      addressIPv6: '2001:db8::3/128',
      mac: '02:00:00:00:aa:01',
      ports: [port],
      options: { 'com.docker.network.endpoint.ifname': 'lab0', allow: 'web:80/tcp' },
    },
    reply: { Interface: { MacAddress: '02:00:00:00:00:01' } },
  },
  {
    path: '/NetworkDriver.EndpointOperInfo',
    body: IDS,
    command: { type: 'settle', ...ids },
    reply: { Value: {} },
  },
  {
    path: '/NetworkDriver.Join',
    body: { ...IDS, SandboxKey: '/var/run/docker/netns/c28d51a144c0', Options: { [PORTMAP]: [PORT] } },
    command: { type: 'join', ...ids, sandbox: '/var/run/docker/netns/c28d51a144c0', ports: [port] },
    reply: {
      InterfaceName: { SrcName: '', DstPrefix: '' },
      GatewayIPv6: 'fe80::1',
      StaticRoutes: [],
      DisableGatewayService: true,
    },
  },
  { path: '/NetworkDriver.Leave', body: IDS, command: { type: 'leave', ...ids }, reply: {} },
  { path: '/NetworkDriver.DeleteEndpoint', body: IDS, command: { type: 'deleteEndpoint', ...ids }, reply: {} },
  { path: '/NetworkDriver.ProgramExternalConnectivity', body: { ...IDS, Options: null }, reply: {} },
  { path: '/NetworkDriver.RevokeExternalConnectivity', body: IDS, reply: {} },
  { path: '/NetworkDriver.DiscoverNew', body: { DiscoveryType: 1, DiscoveryData: { Self: true } }, reply: {} },
  { path: '/NetworkDriver.DiscoverDelete', body: { DiscoveryType: 1, DiscoveryData: null }, reply: {} },
  { path: '/IpamDriver.GetCapabilities', reply: { RequiresMACAddress: false, RequiresRequestReplay: false } },
  {
    path: '/IpamDriver.GetDefaultAddressSpaces',
    reply: { LocalDefaultAddressSpace: 'slash64', GlobalDefaultAddressSpace: 'slash64' },
  },
  {
    path: '/IpamDriver.RequestPool',
    body: { AddressSpace: 'slash64', Pool: '', SubPool: '', Options: { group: 'web' }, V6: true },
    command: { type: 'requestPool', pool: '', subPool: '', ipv6: true, options: { group: 'web' } },
    reply: { PoolID: POOL, Pool: POOL, Data: {} },
  },
  {
    path: '/IpamDriver.ReleasePool',
    body: { PoolID: POOL },
    command: { type: 'releasePool', pool: POOL },
    reply: {},
  },
  {
    path: '/IpamDriver.RequestAddress',
    body: { PoolID: POOL, Address: '', Options: { RequestAddressType: 'com.docker.network.gateway' } },
    command: { type: 'requestAddress', pool: POOL, address: '', gateway: true },
    reply: { Address: '2001:db8:1:a:0:5c1f:8e02:3/128', Data: {} },
  },
  {
    path: '/IpamDriver.ReleaseAddress',
    body: { PoolID: POOL, Address: '2001:db8::3' },
    command: { type: 'releaseAddress', pool: POOL, address: '2001:db8::3' },
    reply: {},
  },
]

/** Options come without a prototype, which deepEqual would tell apart. */
const plain = (commands: readonly Command[]): unknown => JSON.parse(JSON.stringify(commands))

for (const { path, body, command, reply } of rows) {
  test(`${path} is answered`, async () => {
    const { post, commands } = fakeDaemon()
    assert.deepEqual(await post(path, body), { status: 200, body: reply })
    assert.deepEqual(plain(commands), command ? [command] : [])
  })
}

test('every route is in the table above, but for the one that is refused', () => {
  const paths = [...Object.values(commandRoutes), ...constantRoutes].map(route => route.path)
  assert.deepEqual(paths.toSorted(), [...rows.map(row => row.path), '/NetworkDriver.AllocateNetwork'].toSorted())
})

test('AllocateNetwork is refused with a sentence', async () => {
  const { status, body } = await fakeDaemon().post('/NetworkDriver.AllocateNetwork', { NetworkID: NETWORK })
  assert.equal(status, 400)
  assert.match(body.Err, /swarm manager .*--config-only/)
})

test('nil maps and slices, and the interface that is none', async () => {
  const { post, commands } = fakeDaemon({ answer: command => (command.type === 'createEndpoint' ? {} : undefined) })
  const created = await post('/NetworkDriver.CreateEndpoint', { ...IDS, Interface: null, Options: null })
  assert.deepEqual(created, { status: 200, body: { Interface: {} } })
  await post('/NetworkDriver.CreateNetwork', { NetworkID: NETWORK, Options: null, IPv4Data: null, IPv6Data: null })
  const none = { address: '', addressIPv6: '', mac: '', ports: [], options: {} }
  assert.deepEqual(plain(commands), [
    { type: 'createEndpoint', ...ids, ...none },
    { type: 'createNetwork', network: NETWORK, options: { driver: {}, internal: false }, ipv4: [], ipv6: [] },
  ])
})

test('an address of a container is not a gateway', async () => {
  const { post, commands } = fakeDaemon()
  await post('/IpamDriver.RequestAddress', { PoolID: POOL, Address: '2001:db8::5', Options: null })
  await post('/IpamDriver.RequestAddress', { PoolID: POOL, Address: '', Options: { RequestAddressType: 'x' } })
  assert.deepEqual(plain(commands), [
    { type: 'requestAddress', pool: POOL, address: '2001:db8::5', gateway: false },
    { type: 'requestAddress', pool: POOL, address: '', gateway: false },
  ])
})

test('__proto__ is an option like any other and changes nothing else', async () => {
  const { post, commands } = fakeDaemon()
  const network = `{"NetworkID":"${NETWORK}","__proto__":{"a":1},"Options":{"${GENERIC}":{"__proto__":"x"}}}`
  assert.equal((await post('/NetworkDriver.CreateNetwork', network)).status, 200)
  const endpoint = `{"NetworkID":"${NETWORK}","EndpointID":"${ENDPOINT}","Options":{"__proto__":{"polluted":"x"},"a":"b"}}`
  assert.equal((await post('/NetworkDriver.CreateEndpoint', endpoint)).status, 200)
  const [first, second] = commands
  assert.ok(first?.type === 'createNetwork' && second?.type === 'createEndpoint')
  assert.deepEqual(Object.entries(first.options.driver), [['__proto__', 'x']])
  assert.equal(Object.getPrototypeOf(first.options.driver), null)
  assert.equal(Object.getPrototypeOf(second.options), null)
  assert.deepEqual(Object.entries(second.options), [['a', 'b']])
  assert.equal(Reflect.get({}, 'polluted'), undefined)
})
