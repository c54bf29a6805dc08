// Whether an engine would take an answer, checked as strictly as it is anywhere between its JSON decoder and the link in the container.
import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'

/** An answer as JSON says it. */
export type Body = Readonly<Record<string, unknown>>

type Rule = (body: Body, request: Body) => void

const scopes = ['local', 'global']
/** Longest name of a link (IFNAMSIZ less its NUL), and room for the number that the engine adds. */
const LONGEST_LINK = 15
const LONGEST_PREFIX = 13

/** By method; what is not here answers an empty object. Sources: moby daemon/libnetwork/drivers/remote/driver.go, ipams/remote/remote.go. */
const rules: Readonly<Record<string, Rule>> = {
  'Plugin.Activate': body => assert.deepEqual(body['Implements'], ['NetworkDriver', 'IpamDriver']),
  'NetworkDriver.GetCapabilities': body => {
    assert.ok(scopes.includes(String(body['Scope'])), 'a driver without a scope is not registered')
    assert.ok(['', ...scopes].includes(String(body['ConnectivityScope'] ?? '')))
    assert.equal(typeof body['GwAllocChecker'], 'boolean')
  },
  'NetworkDriver.GwAllocCheck': body => {
    assert.equal(typeof body['SkipIPv4'], 'boolean')
    assert.equal(typeof body['SkipIPv6'], 'boolean')
  },
  'NetworkDriver.CreateEndpoint': acceptableInterface,
  'NetworkDriver.EndpointOperInfo': body => isObject(body['Value']),
  'NetworkDriver.Join': acceptableJoin,
  'IpamDriver.GetCapabilities': body => {
    assert.equal(typeof body['RequiresMACAddress'], 'boolean')
    assert.equal(typeof body['RequiresRequestReplay'], 'boolean')
  },
  'IpamDriver.GetDefaultAddressSpaces': body => {
    for (const name of ['LocalDefaultAddressSpace', 'GlobalDefaultAddressSpace']) assert.match(String(body[name]), /./)
  },
  'IpamDriver.RequestPool': body => {
    assert.match(String(body['PoolID']), /./)
    isCidr(body['Pool'])
    const { 'com.docker.network.gateway': gateway } = isObject(body['Data'] ?? {})
    if (gateway !== undefined) isCidr(gateway)
  },
  'IpamDriver.RequestAddress': (body, request) => {
    isCidr(body['Address'])
    const [address] = String(body['Address']).split('/')
    if (request['Address']) assert.equal(address, request['Address'], 'the address that was asked for')
  },
}

/**
 * Throws an AssertionError where the engine would fail, or would show the user something else than a sentence. `path` as in
 * `/NetworkDriver.Join`, `request` the body that was sent.
 */
export function acceptable(path: string, status: number, body: unknown, request: unknown): void {
  const rpc = path.slice(1)
  const answer = isObject(body, rpc)
  if (status !== 200) {
    assertRefusal(answer)
    return
  }
  assert.deepEqual(
    [answer['Err'], answer['Error']],
    [undefined, undefined],
    `${rpc}: 200 with an error is an error of one kind only`,
  )
  const rule = rules[rpc]
  if (rule) rule(answer, isObject(request ?? {}))
  else assert.deepEqual(answer, {}, rpc)
}

/** Network drivers are read by `Err`, IPAM drivers by `Error` at status 200 and `Err` at others (pkg/plugins/client.go). */
function assertRefusal(answer: Body): void {
  assert.deepEqual(Object.keys(answer), ['Err', 'Error'])
  assert.equal(answer['Err'], answer['Error'])
  assert.match(String(answer['Err']), /^slash64: .{20,}/)
}

function isObject(value: unknown, what = 'a map'): Body {
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value), `${what} is an object`)
  return value as Body
}

/** netip.ParsePrefix: an address and a length, nothing before or after them. */
function isCidr(value: unknown): void {
  const [, address = '', length = ''] = /^([0-9a-f:]+)\/(0|[1-9]\d{0,2})$/.exec(String(value)) ?? []
  assert.ok(isIPv6(address) && Number(length) <= 128, `${JSON.stringify(value)} is no CIDR`)
}

/** Only what came in empty may be answered (driver.go, CreateEndpoint): else the engine takes the endpoint back. */
function acceptableInterface(body: Body, request: Body): void {
  if (body['Interface'] === null || body['Interface'] === undefined) return
  const answered = isObject(body['Interface'])
  const asked = isObject(request['Interface'] ?? {})
  for (const [name, value] of Object.entries(answered)) {
    assert.ok(['Address', 'AddressIPv6', 'MacAddress'].includes(name), `${name} means nothing`)
    assert.equal(typeof value, 'string')
    if (value !== '') assert.equal(asked[name] ?? '', '', `${name} was given`)
  }
  // Unicast and locally administered, or somebody else may own it.
  if (answered['MacAddress']) assert.match(String(answered['MacAddress']), /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/)
}

function acceptableJoin(body: Body): void {
  const { SrcName: source = '', DstPrefix: prefix = '' } = isObject(body['InterfaceName'] ?? {})
  assert.ok(String(source).length <= LONGEST_LINK && String(prefix).length <= LONGEST_PREFIX)
  assert.equal(source === '', prefix === '', 'a link to move has a name to get')
  const gateway = String(body['GatewayIPv6'] ?? '')
  if (gateway !== '') assert.ok(isIPv6(gateway) && !gateway.includes('%'), `${gateway} is no plain address`)
  assert.equal(body['Gateway'] ?? '', '', 'there is no IPv4')
  assert.equal(body['DisableGatewayService'], true, 'or the engine adds docker_gwbridge')
  assert.ok(Array.isArray(body['StaticRoutes']))
  const routes = body['StaticRoutes'].map(route => acceptableRoute(isObject(route)))
  // The engine looks the gateway up in the sandbox: with several fe80::/64 only a route of its own finds the right link.
  if (source !== '' && gateway !== '') assert.ok(routes.includes(`${gateway}/128`))
}

function acceptableRoute(route: Body): string {
  isCidr(route['Destination'])
  assert.ok(route['RouteType'] === 0 || route['RouteType'] === 1, 'NEXTHOP or CONNECTED')
  assert.ok(route['NextHop'] === '' || isIPv6(String(route['NextHop'])))
  assert.ok(route['Destination'] !== '::/0' || route['RouteType'] === 1, 'a NEXTHOP default route breaks the start')
  return String(route['Destination'])
}
