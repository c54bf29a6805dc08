// What moby's own tests of remote drivers expect on the wire: daemon/libnetwork/drivers/remote/driver_test.go, ipams/remote/remote_test.go and
// libnetwork_linux_test.go. There a fake plugin meets the real client; here the real plugin meets a client that is as strict (acceptable.ts).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pino } from 'pino'
import { createServer } from '../../../src/http/server.ts'
import { acceptable, type Body } from '../../support/acceptable.ts'
import { endpointId, networkId } from '../../support/commands.ts'
import { Place } from '../../support/place.ts'

/** A plugin with a state of its own; `call` fails where the engine would not take the answer. */
function plugin() {
  const place = new Place()
  const app = createServer({ submit: command => place.submit(command), log: pino({ level: 'silent' }) })
  const call = async (method: string, request?: Body): Promise<{ status: number; body: Body }> => {
    const payload = request === undefined ? {} : { payload: `${JSON.stringify(request)}\n` }
    const response = await app.inject({ method: 'POST', url: `/${method}`, ...payload })
    const body = response.json() as Body
    acceptable(`/${method}`, response.statusCode, body, request)
    return { status: response.statusCode, body }
  }
  const done = async (method: string, request?: Body): Promise<Body> => {
    const { status, body } = await call(method, request)
    assert.equal(status, 200, `${method}: ${body['Err']}`)
    return body
  }
  const refused = async (method: string, request: Body, sentence: RegExp): Promise<void> => {
    const { status, body } = await call(method, request)
    assert.ok(status >= 400, method)
    assert.match(String(body['Err']), sentence)
  }
  return { place, call, done, refused }
}

type Plugin = ReturnType<typeof plugin>

const NETWORK = networkId(1)
const ENDPOINT = endpointId(1)
const IDS = { NetworkID: NETWORK, EndpointID: ENDPOINT }
const options = (more: Body = {}, generic: Body = {}): Body => ({
  ...{ 'com.docker.network.enable_ipv4': false, 'com.docker.network.enable_ipv6': true },
  ...{ 'com.docker.network.generic': generic },
  ...more,
})

/** A network as the engine makes it; its pool. */
async function network({ done }: Plugin, NetworkID: string = NETWORK, generic: Body = {}): Promise<string> {
  await done('NetworkDriver.GwAllocCheck', { Options: options({}, generic) })
  const { Pool } = await done('IpamDriver.RequestPool', {
    AddressSpace: 'slash64',
    Pool: '',
    SubPool: '',
    Options: {},
    V6: true,
  })
  const IPv6Data = [{ AddressSpace: 'slash64', Pool }]
  await done('NetworkDriver.CreateNetwork', { NetworkID, Options: options({}, generic), IPv4Data: [], IPv6Data })
  return String(Pool)
}

async function address({ done }: Plugin, PoolID: string, Address = ''): Promise<string> {
  return String((await done('IpamDriver.RequestAddress', { PoolID, Address, Options: null }))['Address'])
}

describe('moby drivers/remote/driver_test.go', () => {
  it('TestGetEmptyCapabilities: ours say a scope', async () => {
    assert.equal((await plugin().done('NetworkDriver.GetCapabilities'))['Scope'], 'local')
  })

  it('TestGetExtraCapabilities: scope and connectivity scope are two fields', async () => {
    const { Scope, ConnectivityScope } = await plugin().done('NetworkDriver.GetCapabilities')
    assert.deepEqual([Scope, ConnectivityScope], ['local', 'local'])
  })

  it('TestGetInvalidCapabilities: each is one that the engine knows', async () => {
    const body = await plugin().done('NetworkDriver.GetCapabilities')
    for (const name of ['Scope', 'ConnectivityScope']) assert.ok(['local', 'global'].includes(String(body[name])))
  })

  it('TestRemoteDriver: the whole life, whatever the options hold', async () => {
    const one = plugin()
    const before = one.place.dump()
    for (const skip of [{}, { 'com.docker.network.unheard_of': 'x' }]) {
      const body = await one.done('NetworkDriver.GwAllocCheck', { Options: options(skip), Unknown: 1 })
      assert.deepEqual(body, { SkipIPv4: true, SkipIPv6: true })
      await one.done('IpamDriver.ReleasePool', {
        PoolID: (await one.done('IpamDriver.RequestPool', { V6: true }))['PoolID'],
      })
    }
    const pool = await network(one)
    const AddressIPv6 = await address(one, pool)
    const { Interface } = await one.done('NetworkDriver.CreateEndpoint', {
      ...IDS,
      Interface: { Address: '', AddressIPv6, MacAddress: '' },
      Options: { 'com.docker.network.portmap': null },
      Unknown: {},
    })
    assert.deepEqual(Object.keys(Interface as Body), ['MacAddress'])
    const join = { ...IDS, SandboxKey: '/var/run/docker/netns/1', Options: { foo: 'fooValue' }, HostsPath: '/x' }
    const { GatewayIPv6, InterfaceName } = await one.done('NetworkDriver.Join', join)
    assert.match(String(GatewayIPv6), /^fe80::/)
    assert.deepEqual(InterfaceName, { SrcName: '', DstPrefix: '' }, 'the link is in the sandbox already')
    await one.done('NetworkDriver.ProgramExternalConnectivity', {
      ...IDS,
      Options: { 'com.docker.network.portmap': [] },
    })
    assert.deepEqual((await one.done('NetworkDriver.EndpointOperInfo', IDS))['Value'], {})
    for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint'])
      await one.done(`NetworkDriver.${method}`, IDS)
    await one.done('IpamDriver.ReleaseAddress', { PoolID: pool, Address: AddressIPv6.replace('/128', '') })
    await one.done('IpamDriver.ReleasePool', { PoolID: pool })
    await one.done('NetworkDriver.DeleteNetwork', { NetworkID: NETWORK })
    for (const method of ['DiscoverNew', 'DiscoverDelete'])
      await one.done(`NetworkDriver.${method}`, {
        DiscoveryType: 1,
        DiscoveryData: { Address: '192.168.1.1', Self: true },
      })
    assert.deepEqual(one.place.dump(), before)
  })

  it('TestDriverError: an error never has status 200', async () => {
    const { refused } = plugin()
    await refused('NetworkDriver.CreateEndpoint', { ...IDS, Interface: null, Options: null }, /knows no network/)
    await refused('NetworkDriver.Join', { ...IDS, SandboxKey: '/a', Options: null }, /knows no network/)
  })

  it('TestMissingValues: null and absent fields are empty ones', async () => {
    const one = plugin()
    const AddressIPv6 = await address(one, await network(one))
    await one.done('NetworkDriver.CreateEndpoint', { ...IDS, Interface: { AddressIPv6 }, Options: null })
    await one.done('NetworkDriver.Join', { ...IDS, SandboxKey: '/var/run/docker/netns/1' })
  })

  it('TestMissingValues: an endpoint without any address is refused', async () => {
    const one = plugin()
    await network(one)
    await one.refused('NetworkDriver.CreateEndpoint', { ...IDS, Interface: null, Options: null }, /no IPv6 address/)
  })

  it('TestRollback: the delete that follows an answer that was not taken leaves nothing', async () => {
    const one = plugin()
    const pool = await network(one)
    const before = one.place.dump()
    const AddressIPv6 = await address(one, pool)
    await one.done('NetworkDriver.CreateEndpoint', { ...IDS, Interface: { AddressIPv6 }, Options: {} })
    for (const _ of [1, 2]) await one.done('NetworkDriver.DeleteEndpoint', IDS)
    for (const _ of [1, 2])
      await one.done('IpamDriver.ReleaseAddress', { PoolID: pool, Address: AddressIPv6.replace('/128', '') })
    const after = one.place.dump()
    assert.deepEqual(after.kernel, before.kernel)
    assert.deepEqual(after.store.endpoints, before.store.endpoints)
    assert.equal(after.state.pools.values().next().value?.leases.size, 0)
  })
})

describe('moby ipams/remote/remote_test.go', () => {
  it('TestGetCapabilities: neither MAC addresses nor a replay are asked for', async () => {
    const body = await plugin().done('IpamDriver.GetCapabilities')
    assert.deepEqual(body, { RequiresMACAddress: false, RequiresRequestReplay: false })
  })

  it('TestGetCapabilitiesFromLegacyDriver: what is no method of ours is 404', async () => {
    assert.equal((await plugin().call('IpamDriver.GetCapability')).status, 404)
  })

  it('TestGetDefaultAddressSpaces', async () => {
    const body = await plugin().done('IpamDriver.GetDefaultAddressSpaces')
    assert.deepEqual(Object.values(body), ['slash64', 'slash64'])
  })

  it('TestRemoteDriver: pools that are chosen and asked for, addresses that are chosen and asked for, and foreign ones', async () => {
    const one = plugin()
    const chosen = await network(one)
    await one.done('NetworkDriver.GwAllocCheck', { Options: options() })
    const wanted = '2001:db8:1:a:0:11:1:0/112'
    const { PoolID, Pool } = await one.done('IpamDriver.RequestPool', { Pool: wanted, V6: true, Options: null })
    assert.deepEqual([PoolID, Pool], [wanted, wanted], 'a pool is its own id, so that it is the same on every request')
    await one.done('NetworkDriver.CreateNetwork', {
      NetworkID: networkId(2),
      Options: options(),
      IPv4Data: null,
      IPv6Data: [{ Pool }],
    })
    const sub = { Pool: wanted, SubPool: '2001:db8:1:a:0:11:1:0/120', V6: true }
    await one.done('NetworkDriver.GwAllocCheck', { Options: options() })
    await one.refused('IpamDriver.RequestPool', sub, /--ip-range/)
    assert.equal(await address(one, wanted), '2001:db8:1:a:0:11:1:1/128')
    assert.equal(await address(one, wanted, '2001:db8:1:a:0:11:1:20'), '2001:db8:1:a:0:11:1:20/128')
    await one.refused(
      'IpamDriver.RequestAddress',
      { PoolID: wanted, Address: 'fd00::1' },
      /no endpoint address of the pool/,
    )
    await one.refused('IpamDriver.RequestAddress', { PoolID: 'fd00::/112', Address: '' }, /knows no pool/)
    await one.done('IpamDriver.ReleaseAddress', { PoolID: 'fd00::/112', Address: 'fd00::1' })
    await one.done('IpamDriver.ReleasePool', { PoolID: 'fd00::/112' })
    assert.notEqual(chosen, wanted)
  })

  it('TestRemoteDriver: a foreign address is released without harm', async () => {
    const one = plugin()
    const pool = await network(one)
    const held = await address(one, pool)
    await one.call('IpamDriver.ReleaseAddress', { PoolID: pool, Address: '1.2.3.4' })
    assert.equal(one.place.state.pools.values().next().value?.leases.size, 1)
    assert.notEqual(await address(one, pool), held)
  })
})

describe('moby libnetwork_linux_test.go', () => {
  it('TestInvalidRemoteDriver: ours says that it is both kinds', async () => {
    const body = await plugin().done('Plugin.Activate')
    assert.deepEqual(body, { Implements: ['NetworkDriver', 'IpamDriver'] })
  })

  it('TestValidRemoteDriver: create and delete of a network', async () => {
    const one = plugin()
    await network(one)
    await one.done('NetworkDriver.DeleteNetwork', { NetworkID: NETWORK })
    assert.equal(one.place.state.networks.size, 0)
  })
})
