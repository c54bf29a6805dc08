import type { GroupBits } from '../../../src/address/group.ts'
import { namedGroup } from '../../../src/address/group.ts'
import type { Change, Endpoint, EndpointId, Network, NetworkId, Pool, PoolId } from '../../../src/state/model.ts'

const hex = (number: number, length: number): string => number.toString(16).padStart(length, '0')

export function network(number: number, more: Partial<Network> = {}): Network {
  const id = hex(number, 64) as NetworkId
  return { id, pool: pool(number).id, prefix: '2001:db8:1:a::/64', group: number as GroupBits, allow: [], ...more }
}

/** With every field that may be absent. */
export function fullNetwork(number: number): Network {
  const peer = namedGroup('web')
  const ports = { protocol: 'tcp', first: 80, last: 90 } as const
  return network(number, { groupName: 'db', allow: [{ peer, ports }, { peer: namedGroup('api') }], mtu: 1400 })
}

export function endpoint(number: number, more: Partial<Endpoint> = {}): Endpoint {
  return {
    id: hex(number, 64) as EndpointId,
    network: network(1).id,
    pool: pool(1).id,
    number,
    address: `2001:db8:1:a:0:0:1:${number.toString(16)}`,
    mac: '02:00:00:00:00:01',
    published: [],
    phase: 'created',
    boot: 'a7b0b3f0-0000-4000-8000-000000000000',
    ...more,
  }
}

export function joined(number: number): Endpoint {
  const published = [{ protocol: 'udp', port: 53 } as const]
  return endpoint(number, { phase: 'joined', sandbox: '/var/run/docker/netns/c28d51a144c0', published })
}

export function pool(number: number, reserved = 0): Pool {
  const group = number as GroupBits
  return { id: `2001:db8:1:a:0:0:${number.toString(16)}:0/112` as PoolId, prefix: '2001:db8:1:a::/64', group, reserved }
}

type Stored = { network: Network; endpoint: Endpoint; pool: Pool }

export function change<K extends keyof Stored>(kind: K, before?: Stored[K], after?: Stored[K]): Change {
  return { kind, id: (after ?? before)?.id, before, after } as unknown as Change
}
