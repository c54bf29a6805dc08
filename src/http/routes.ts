// Every method of the two APIs that the engine may call: path, the body it sends, what we answer.
// Wire format: moby daemon/libnetwork/drivers/remote/api/api.go and daemon/libnetwork/ipams/remote/api/api.go.
import { z } from 'zod'
import { PluginError } from '../errors.ts'
import type { CommandOf, CommandType, NetworkOptions, Replies } from '../state/command.ts'
import {
  endpointId,
  endpointOptions,
  flag,
  networkId,
  plain,
  poolData,
  poolId,
  portMap,
  sandboxKey,
  stringMap,
} from './fields.ts'

/** A method that asks something of the daemon. `body` parses the engine's JSON into the command. */
export interface CommandRoute<T extends CommandType> {
  readonly path: string
  readonly body: z.ZodType<CommandOf<T>>
  readonly reply: (result: Replies[T]) => object
}

/** A method whose answer needs nobody. Without `body` it takes no arguments, and whatever was sent is not looked at. */
export interface ConstantRoute {
  readonly path: string
  readonly body?: z.ZodType
  readonly reply: () => object
}

/** One name for both scopes: pools lie in the host's prefix, whoever asks. */
const ADDRESS_SPACE = 'slash64'

const empty = (): object => ({})
const endpoint = z.object({ NetworkID: networkId, EndpointID: endpointId })
const network = z.object({ NetworkID: networkId })
const discovery = z.object({ DiscoveryType: z.int() })

const networkOptions = z
  .object({
    'com.docker.network.generic': stringMap,
    'com.docker.network.enable_ipv4': flag,
    'com.docker.network.enable_ipv6': flag,
    'com.docker.network.internal': flag,
  })
  .nullish()
  .transform((options): NetworkOptions => {
    const ipv4 = options?.['com.docker.network.enable_ipv4']
    const ipv6 = options?.['com.docker.network.enable_ipv6']
    return {
      driver: options?.['com.docker.network.generic'] ?? Object.create(null),
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
      internal: options?.['com.docker.network.internal'] ?? false,
    }
  })

const portOptions = z
  .object({ 'com.docker.network.portmap': portMap })
  .nullish()
  .transform(options => options?.['com.docker.network.portmap'] ?? [])

const endpointInterface = z.object({ Address: plain, AddressIPv6: plain, MacAddress: plain }).nullish()

const addressOptions = z
  .object({ RequestAddressType: plain, 'com.docker.network.endpoint.name': plain })
  .nullish()
  .transform(options => {
    const name = options?.['com.docker.network.endpoint.name'] ?? ''
    const gateway = options?.RequestAddressType === 'com.docker.network.gateway'
    return { gateway, ...(name === '' ? {} : { name }) }
  })

/** One route for each command. */
export const commandRoutes: { readonly [T in CommandType]: CommandRoute<T> } = {
  checkGatewayAllocation: {
    path: '/NetworkDriver.GwAllocCheck',
    body: z
      .object({ Options: networkOptions })
      .transform(body => ({ type: 'checkGatewayAllocation', options: body.Options })),
    reply: () => ({ SkipIPv4: true, SkipIPv6: true }),
  },
  createNetwork: {
    path: '/NetworkDriver.CreateNetwork',
    body: z
      .object({ NetworkID: networkId, Options: networkOptions, IPv4Data: poolData, IPv6Data: poolData })
      .transform(body => ({
        type: 'createNetwork',
        network: body.NetworkID,
        options: body.Options,
        ipv4: body.IPv4Data,
        ipv6: body.IPv6Data,
      })),
    reply: empty,
  },
  deleteNetwork: {
    path: '/NetworkDriver.DeleteNetwork',
    body: network.transform(body => ({ type: 'deleteNetwork', network: body.NetworkID })),
    reply: empty,
  },
  createEndpoint: {
    path: '/NetworkDriver.CreateEndpoint',
    body: endpoint.extend({ Interface: endpointInterface, Options: endpointOptions }).transform(body => ({
      type: 'createEndpoint',
      network: body.NetworkID,
      endpoint: body.EndpointID,
      address: body.Interface?.Address ?? '',
      addressIPv6: body.Interface?.AddressIPv6 ?? '',
      mac: body.Interface?.MacAddress ?? '',
      ...body.Options,
    })),
    // Only a field that came in empty may be answered; the engine takes anything else for an error.
    reply: ({ mac }) => ({ Interface: mac === undefined ? {} : { MacAddress: mac } }),
  },
  deleteEndpoint: {
    path: '/NetworkDriver.DeleteEndpoint',
    body: endpoint.transform(body => ({
      type: 'deleteEndpoint',
      network: body.NetworkID,
      endpoint: body.EndpointID,
    })),
    reply: empty,
  },
  join: {
    path: '/NetworkDriver.Join',
    body: endpoint.extend({ SandboxKey: sandboxKey, Options: portOptions }).transform(body => ({
      type: 'join',
      network: body.NetworkID,
      endpoint: body.EndpointID,
      sandbox: body.SandboxKey,
      ports: body.Options,
    })),
    // No SrcName: the link is in the sandbox already. Without DisableGatewayService the engine adds docker_gwbridge. The connected route (RouteType 1)
    // is what lets the engine find the gateway's link when there are several.
    reply: ({ gateway, moved }) => ({
      InterfaceName: { SrcName: moved?.link ?? '', DstPrefix: moved?.namePrefix ?? '' },
      ...(gateway === undefined ? {} : { GatewayIPv6: gateway }),
      StaticRoutes: moved ? [{ Destination: moved.connected, RouteType: 1, NextHop: '' }] : [],
      DisableGatewayService: true,
    }),
  },
  settle: {
    path: '/NetworkDriver.EndpointOperInfo',
    body: endpoint.transform(body => ({ type: 'settle', network: body.NetworkID, endpoint: body.EndpointID })),
    reply: () => ({ Value: {} }),
  },
  leave: {
    path: '/NetworkDriver.Leave',
    body: endpoint.transform(body => ({ type: 'leave', network: body.NetworkID, endpoint: body.EndpointID })),
    reply: empty,
  },
  requestPool: {
    path: '/IpamDriver.RequestPool',
    body: z.object({ Pool: plain, SubPool: plain, V6: flag, Options: stringMap }).transform(body => ({
      type: 'requestPool',
      pool: body.Pool,
      subPool: body.SubPool,
      ipv6: body.V6 ?? false,
      options: body.Options,
    })),
    reply: ({ id, pool }) => ({ PoolID: id, Pool: pool, Data: {} }),
  },
  releasePool: {
    path: '/IpamDriver.ReleasePool',
    body: z.object({ PoolID: poolId }).transform(body => ({ type: 'releasePool', pool: body.PoolID })),
    reply: empty,
  },
  requestAddress: {
    path: '/IpamDriver.RequestAddress',
    body: z
      .object({ PoolID: poolId, Address: plain, Options: addressOptions })
      .transform(body => ({ type: 'requestAddress', pool: body.PoolID, address: body.Address, ...body.Options })),
    reply: ({ address }) => ({ Address: address, Data: {} }),
  },
  releaseAddress: {
    path: '/IpamDriver.ReleaseAddress',
    body: z
      .object({ PoolID: poolId, Address: plain })
      .transform(body => ({ type: 'releaseAddress', pool: body.PoolID, address: body.Address })),
    reply: empty,
  },
}

/** The methods that change nothing. */
export const constantRoutes: readonly ConstantRoute[] = [
  { path: '/Plugin.Activate', reply: () => ({ Implements: ['NetworkDriver', 'IpamDriver'] }) },
  {
    path: '/NetworkDriver.GetCapabilities',
    reply: () => ({ Scope: 'local', ConnectivityScope: 'local', GwAllocChecker: true }),
  },
  {
    path: '/NetworkDriver.AllocateNetwork',
    reply: () => {
      throw new PluginError('SWARM_UNSUPPORTED')
    },
  },
  { path: '/NetworkDriver.FreeNetwork', body: network, reply: empty },
  // What `-p` opens comes with Join: these two follow the engine's choice of a gateway, not what the user published.
  { path: '/NetworkDriver.ProgramExternalConnectivity', body: endpoint, reply: empty },
  { path: '/NetworkDriver.RevokeExternalConnectivity', body: endpoint, reply: empty },
  { path: '/NetworkDriver.DiscoverNew', body: discovery, reply: empty },
  { path: '/NetworkDriver.DiscoverDelete', body: discovery, reply: empty },
  {
    path: '/IpamDriver.GetCapabilities',
    reply: () => ({ RequiresMACAddress: false, RequiresRequestReplay: false }),
  },
  {
    path: '/IpamDriver.GetDefaultAddressSpaces',
    reply: () => ({ LocalDefaultAddressSpace: ADDRESS_SPACE, GlobalDefaultAddressSpace: ADDRESS_SPACE }),
  },
]
