import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { commandRoutes, constantRoutes } from '../../../src/http/routes.ts'
import { ENDPOINT, fakeDaemon, NETWORK, POOL } from './fake-daemon.ts'

const withBody = [...Object.values(commandRoutes), ...constantRoutes.filter(route => route.body)].map(row => row.path)
const withoutBody = constantRoutes.filter(route => !route.body).map(route => route.path)
const IDS = { NetworkID: NETWORK, EndpointID: ENDPOINT }
const PORTMAP = 'com.docker.network.portmap'

/** A refusal: that status, the sentence under both keys, nothing asked of the daemon. */
async function refused(path: string, body: unknown, status: number, sentence: RegExp): Promise<void> {
  const { post, commands } = fakeDaemon()
  const answer = await post(path, body)
  assert.equal(answer.status, status, `${path} ${JSON.stringify(body)?.slice(0, 200)}`)
  assert.deepEqual(Object.keys(answer.body), ['Err', 'Error'])
  assert.equal(answer.body.Err, answer.body.Error)
  assert.match(answer.body.Err, sentence)
  assert.deepEqual(commands, [])
}

test('where arguments are due, an empty body is refused', async () => {
  for (const path of withBody) {
    for (const body of [undefined, '', '\n', ' \r\n\t']) await refused(path, body, 400, /empty body \(engine retry\)/)
  }
})

test('where none are due, anything is taken', async () => {
  const { post } = fakeDaemon()
  for (const path of withoutBody.filter(one => !one.endsWith('AllocateNetwork'))) {
    for (const body of [undefined, '', 'null', '[]', '{"a":', '\0']) assert.equal((await post(path, body)).status, 200)
  }
})

test('what is no object is refused', async () => {
  for (const path of withBody) {
    for (const body of ['null', '[]', '""', '5', 'true', '[{}]'])
      await refused(path, body, 400, /the body is|is missing/)
  }
})

test('an id that is missing is refused, on every method that needs one', async () => {
  const needy = withBody.filter(path => path.startsWith('/NetworkDriver.') && !path.endsWith('GwAllocCheck'))
  assert.equal(needy.length, 12)
  for (const path of needy) await refused(path, '{}', 400, /(NetworkID|DiscoveryType) is missing/)
})

test('what is no JSON is refused, with the place', async () => {
  const path = '/NetworkDriver.Leave'
  await refused(path, '{"NetworkID":1,}', 400, /^slash64: NetworkDriver\.Leave: the body is not JSON: .*position 15/)
  await refused(path, '{"NetworkID"', 400, /not JSON: .*position 12/)
  await refused(path, 'hello', 400, /not JSON: Unexpected token 'h', "hello"/)
  await refused(path, '[', 400, /not JSON/)
  await refused(path, `${'['.repeat(100_000)}`, 400, /not JSON/)
})

test('deep nesting is refused like anything else', async () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  await refused('/NetworkDriver.Leave', deep, 400, /the body is an array/)
  await refused('/NetworkDriver.Leave', `{"NetworkID":${deep}}`, 400, /NetworkID is an array/)
  const options = `{"NetworkID":"${NETWORK}","Options":{"com.docker.network.generic":{"a":${deep}}}}`
  await refused('/NetworkDriver.CreateNetwork', options, 400, /generic \/ a is an array; send a string/)
})

const fields: [path: string, body: object, sentence: RegExp][] = [
  ['/NetworkDriver.Leave', { ...IDS, NetworkID: 'short' }, /NetworkID is "short"; send the 64 hex digits/],
  ['/NetworkDriver.Leave', { ...IDS, NetworkID: '../../../etc/passwd12345678' }, /NetworkID is "\.\.\/\.\./],
  ['/NetworkDriver.Leave', { ...IDS, NetworkID: `${NETWORK}\0` }, /NetworkID/],
  ['/NetworkDriver.Leave', { ...IDS, NetworkID: `${NETWORK}\n` }, /NetworkID/],
  ['/NetworkDriver.Leave', { ...IDS, EndpointID: ENDPOINT.toUpperCase() }, /EndpointID/],
  ['/NetworkDriver.Leave', { ...IDS, EndpointID: `${ENDPOINT}0` }, /EndpointID/],
  ['/NetworkDriver.Leave', { ...IDS, EndpointID: 'x'.repeat(1_000_000) }, /EndpointID is "x{80}…"/],
  ['/NetworkDriver.Join', { ...IDS, SandboxKey: 'run/netns' }, /SandboxKey is "run\/netns"; send an absolute path/],
  ['/NetworkDriver.Join', { ...IDS, SandboxKey: '/run/../etc' }, /SandboxKey/],
  ['/NetworkDriver.Join', { ...IDS, SandboxKey: '/run/a\0b' }, /SandboxKey/],
  ['/NetworkDriver.Join', { ...IDS, SandboxKey: `/${'a'.repeat(5000)}` }, /SandboxKey/],
  ['/NetworkDriver.Join', { ...IDS }, /SandboxKey is missing/],
  ['/NetworkDriver.Join', { ...IDS, SandboxKey: '/a', Options: [] }, /Options is an array/],
  ['/NetworkDriver.Join', { ...IDS, SandboxKey: '/a', Options: { [PORTMAP]: {} } }, /portmap is an object/],
  ['/NetworkDriver.Join', { ...IDS, SandboxKey: '/a', Options: { [PORTMAP]: [{ Proto: 256 }] } }, /0 \/ Proto is 256/],
  ['/NetworkDriver.Join', { ...IDS, SandboxKey: '/a', Options: { [PORTMAP]: [{ Proto: 6, Port: 65536 }] } }, /Port is/],
  [
    '/NetworkDriver.Join',
    { ...IDS, SandboxKey: '/a', Options: { [PORTMAP]: [{ Proto: 6, Port: 1.5 }] } },
    /Port is 1.5/,
  ],
  ['/NetworkDriver.CreateEndpoint', { ...IDS, Options: { [PORTMAP]: 'x' } }, /portmap is "x"/],
  ['/NetworkDriver.CreateEndpoint', { ...IDS, Options: { a: 'b\0' } }, /send no NUL/],
  ['/NetworkDriver.CreateEndpoint', { ...IDS, Options: { a: 'b'.repeat(65_537) } }, /send at most 65536 characters/],
  ['/NetworkDriver.CreateEndpoint', { ...IDS, Options: { ['a'.repeat(257)]: '' } }, /name of at most 256/],
  ['/NetworkDriver.CreateEndpoint', { ...IDS, Interface: [] }, /Interface is an array/],
  ['/NetworkDriver.CreateEndpoint', { ...IDS, Interface: { Address: '\x01' } }, /printable ASCII/],
  ['/NetworkDriver.CreateNetwork', { NetworkID: NETWORK, IPv6Data: {} }, /IPv6Data is an object/],
  [
    '/NetworkDriver.CreateNetwork',
    { NetworkID: NETWORK, Options: { 'com.docker.network.enable_ipv4': 'no' } },
    /enable_ipv4 is "no"; send true or false/,
  ],
  ['/IpamDriver.RequestPool', { Options: { a: 1 } }, /Options \/ a is 1; send a string/],
  ['/IpamDriver.RequestPool', { Options: 'a' }, /Options is "a"; send an object/],
  [
    '/IpamDriver.RequestPool',
    { Options: Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [index, ''])) },
    /at most 1000 options/,
  ],
  ['/IpamDriver.RequestAddress', { PoolID: POOL, Address: 'a'.repeat(129) }, /at most 128/],
  ['/IpamDriver.ReleasePool', { PoolID: `${POOL}\0` }, /PoolID/],
]

for (const [index, [path, body, sentence]] of fields.entries()) {
  test(`${path} refuses ${JSON.stringify(body).slice(0, 60)} (${index})`, () => refused(path, body, 400, sentence))
}

test('a body over 4 MiB is 413, one below is read', async () => {
  await refused('/NetworkDriver.Leave', JSON.stringify('x'.repeat(4 * 1024 * 1024)), 413, /larger than 4 MiB/)
  await refused('/NetworkDriver.GetCapabilities', ' '.repeat(4 * 1024 * 1024 + 1), 413, /larger than 4 MiB/)
  await refused('/NetworkDriver.Leave', JSON.stringify('x'.repeat(4 * 1024 * 1024 - 2)), 400, /the body is "xxx/)
})

test('other paths and methods are 404', async () => {
  await refused('/NetworkDriver.Nonsense', {}, 404, /POST "\/NetworkDriver\.Nonsense" is no method of this plugin/)
  await refused('/', undefined, 404, /no method/)
  await refused('/NetworkDriver.Leave/', IDS, 404, /no method/)
  await refused('/%ff', undefined, 400, /^slash64: the request cannot be read: /)
  const response = await fakeDaemon().app.inject({ method: 'GET', url: '/Plugin.Activate' })
  assert.equal(response.statusCode, 404)
  assert.match(response.json().Err, /GET "\/Plugin.Activate"/)
})

test('any Content-Type will do', async () => {
  const { app } = fakeDaemon()
  for (const type of ['application/json', 'application/vnd.docker.plugins.v1.2+json', 'text/plain; charset=utf-8']) {
    const request = { method: 'POST', url: '/NetworkDriver.Leave', headers: { 'content-type': type } } as const
    assert.equal((await app.inject({ ...request, payload: JSON.stringify(IDS) })).statusCode, 200, type)
    assert.equal((await app.inject({ ...request, payload: '' })).statusCode, 400, type)
  }
})

// Values near the real ones, so that the depths of the schemas are reached too.
const key = fc.constantFrom(
  ...['NetworkID', 'EndpointID', 'Options', 'Interface', 'SandboxKey', 'IPv6Data', 'PoolID', 'Address', 'Pool', 'V6'],
  ...['com.docker.network.generic', PORTMAP, 'com.docker.network.internal', 'Proto', 'Port', 'HostIP', '__proto__'],
  ...['constructor', 'toString', 'DiscoveryType', 'MacAddress', 'AuxAddresses', 'RequestAddressType'],
)
const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(NETWORK, ENDPOINT, POOL, '/run/netns/a', null, true, 0, 1, 6, 1e308, -1, '', '\0', '\ud800'),
    fc.jsonValue(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 8 }).map(entries => Object.fromEntries(entries)),
  ),
}))
const body = fc
  .tuple(value, fc.boolean())
  .map(([random, known]) =>
    known ? { ...IDS, PoolID: POOL, SandboxKey: '/run/netns/a', DiscoveryType: 1, ...Object(random) } : random,
  )

test('no JSON value gets more than a 4xx', async () => {
  const { post } = fakeDaemon()
  const statuses = new Set<number>()
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...withBody), body, async (path, json) => {
      const answer = await post(path, json)
      statuses.add(answer.status)
      assert.ok([200, 400].includes(answer.status), `${path} ${answer.status} ${answer.body.Err}`)
      if (answer.status === 400) assert.equal(answer.body.Err, answer.body.Error)
    }),
    { numRuns: 600 },
  )
  assert.deepEqual([...statuses].toSorted(), [200, 400])
})

test('no string of bytes gets more than a 4xx', async () => {
  const { post } = fakeDaemon()
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...withBody), fc.string({ unit: 'binary' }), async (path, text) => {
      assert.ok([200, 400].includes((await post(path, text)).status))
    }),
    { numRuns: 200 },
  )
})
