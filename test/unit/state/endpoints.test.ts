import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { containerMac, gatewayAddress } from '../../../src/address/plan.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import type { Command } from '../../../src/state/command.ts'
import { forgetEndpoint } from '../../../src/state/endpoints.ts'
import type { PoolId } from '../../../src/state/model.ts'
import { LEASE_MS } from '../../../src/state/numbers.ts'
import {
  addressIn,
  createEndpoint,
  deleteEndpoint,
  endpointId,
  join,
  leave,
  networkId,
  poolOf,
  published,
  releaseAddress,
  requestAddress,
  settle,
  World,
} from '../../support/commands.ts'

const WEB = poolOf('web')
const at = (number: number) => addressIn(WEB, number)
const SANDBOX = '/var/run/docker/netns/14489458cf8c'

function webWorld(): World {
  const world = new World()
  world.network(1, 'web')
  return world
}

const SYSCTLS = 'com.docker.network.endpoint.sysctls'

describe('RequestAddress', () => {
  it('hands out the numbers from 1 on, always as a /128', () => {
    const world = webWorld()
    const answers = [1, 2, 3].map(() => world.run(requestAddress(WEB)).address)
    assert.deepEqual(answers, [`${at(1)}/128`, `${at(2)}/128`, `${at(3)}/128`])
  })

  it('gives the address that was asked for, in its canonical text, and does not hand it out again', () => {
    const world = webWorld()
    assert.deepEqual(world.run(requestAddress(WEB, at(2).toUpperCase())), { address: `${at(2)}/128` })
    const answers = [1, 2].map(() => world.run(requestAddress(WEB)).address)
    assert.deepEqual(answers, [`${at(1)}/128`, `${at(3)}/128`])
  })

  it('takes a released number last', () => {
    const world = webWorld()
    world.run(requestAddress(WEB))
    world.run(releaseAddress(WEB, at(1)))
    assert.equal(world.run(requestAddress(WEB)).address, `${at(2)}/128`)
  })

  it('lets a lost lease go after a while, to who asks for it', () => {
    const world = webWorld()
    world.run(requestAddress(WEB, at(5)))
    world.context = { ...world.context, now: world.context.now + LEASE_MS - 1 }
    world.fails(requestAddress(WEB, at(5)), 'ADDRESS_TAKEN', at(5), 'a container that is starting', '--ip6')
    world.context = { ...world.context, now: world.context.now + 1 }
    assert.equal(world.run(requestAddress(WEB, at(5))).address, `${at(5)}/128`)
    world.fails(requestAddress(WEB, at(5)), 'ADDRESS_TAKEN')
  })

  it('never lets an endpoint go, however old', () => {
    const world = webWorld()
    world.endpoint(1, 1, WEB)
    world.context = { ...world.context, now: world.context.now + 100 * LEASE_MS }
    world.fails(requestAddress(WEB, at(1)), 'ADDRESS_TAKEN', at(1), 'endpoint 000000000001', 'write another one')
  })

  const refusals: readonly [string, Command, ErrorCode, ...string[]][] = [
    ['a gateway', requestAddress(WEB, at(1), true), 'GATEWAY', at(1), 'leave it out'],
    ['an unknown pool', requestAddress('fd00::/112' as PoolId), 'POOL_UNKNOWN', '"fd00::/112"', 'create it again'],
    ['no address', requestAddress(WEB, 'eth0'), 'ADDRESS_INVALID', '"eth0"', 'write'],
    ['IPv4', requestAddress(WEB, '192.0.2.1'), 'ADDRESS_INVALID', '"192.0.2.1"', 'write an IPv6 address'],
    ['the first address', requestAddress(WEB, at(0)), 'ENDPOINT_ADDRESS_INVALID', WEB, `${at(1)} to ${at(0xfffe)}`],
    ['the last address', requestAddress(WEB, at(0xffff)), 'ENDPOINT_ADDRESS_INVALID', at(0xffff), 'write one of'],
    ['another pool’s', requestAddress(WEB, '2001:db8::1'), 'ENDPOINT_ADDRESS_INVALID', '"2001:db8::1"', 'write one of'],
  ]
  for (const [what, command, code, ...words] of refusals) {
    it(`refuses ${what}`, () => webWorld().fails(command, code, ...words))
  }
})

describe('CreateEndpoint', () => {
  it('takes the lease, answers a MAC and makes nothing else', () => {
    const world = webWorld()
    const { address } = world.run(requestAddress(WEB))
    assert.deepEqual(world.run(createEndpoint(1, 1, address, { ports: [published(80)] })), {
      mac: containerMac(endpointId(1)),
    })
    assert.equal(world.state.pools.get(WEB)?.leases.size, 0)
    assert.deepEqual(world.store.load().endpoints, [
      {
        ...{ id: endpointId(1), network: networkId(1), pool: WEB, number: 1, address: at(1) },
        ...{ mac: containerMac(endpointId(1)), published: [], phase: 'created', boot: 'boot-1' },
      },
    ])
  })

  it('answers no MAC where the engine gave one, and keeps that one', () => {
    const world = webWorld()
    assert.deepEqual(world.run(createEndpoint(1, 1, `${at(1)}/128`, { mac: '02:11:22:33:44:55' })), {})
    assert.equal(world.state.endpoints.get(endpointId(1))?.mac, '02:11:22:33:44:55')
  })

  it('is the same when repeated', () => {
    const world = webWorld()
    const address = world.endpoint(1, 1, WEB)
    const repeated = world.decide(createEndpoint(1, 1, address))
    assert.deepEqual(repeated, { changes: [], reply: { mac: containerMac(endpointId(1)) } })
  })

  it('takes an address that was leased before the daemon died, and hands it to nobody else', () => {
    const world = webWorld()
    const { address } = world.run(requestAddress(WEB))
    world.crash()
    world.run(createEndpoint(1, 1, address))
    world.fails(requestAddress(WEB, at(1)), 'ADDRESS_TAKEN')
    assert.notEqual(world.run(requestAddress(WEB)).address, address)
  })

  it('takes an address that was never leased at all', () => {
    const world = webWorld()
    world.run(createEndpoint(1, 1, `${at(1)}/128`))
    assert.equal(world.run(requestAddress(WEB)).address, `${at(2)}/128`)
  })

  const one = `${at(1)}/128`
  const refusals: readonly [string, Command, ErrorCode, ...string[]][] = [
    ['an unknown network', createEndpoint(9, 2, one), 'NETWORK_UNKNOWN', '000000000009', 'create it again'],
    ['no address', createEndpoint(1, 2, ''), 'ENDPOINT_NO_IPV6', 'disable_ipv6=1', 'start it without'],
    ['a taken address', createEndpoint(1, 2, one), 'ADDRESS_TAKEN', one, 'endpoint 000000000001', 'write another one'],
    ['a known endpoint elsewhere', createEndpoint(2, 1, one), 'ENDPOINT_KNOWN', '000000000001', at(1), 'delete it'],
    ['a known endpoint at another address', createEndpoint(1, 1, `${at(2)}/128`), 'ENDPOINT_KNOWN', at(1), 'delete it'],
    ['another length', createEndpoint(1, 2, `${at(2)}/112`), 'ADDRESS_INVALID', `${at(2)}/112`, 'write'],
    ['another pool', createEndpoint(1, 2, '2001:db8::1/128'), 'ENDPOINT_ADDRESS_INVALID', '"2001:db8::1"', WEB],
    ['an option', option('allow', 'web'), 'OPTION_LATER', '"allow"', 'leave it out'],
    ['a typing error', option('alow', 'web'), 'OPTION_UNKNOWN', '"alow"', 'known: com.docker.network.endpoint.sysctls'],
    ['a sysctl that is none', option(SYSCTLS, 'x'), 'OPTION_SYSCTL', '"x"', 'write net.ipv6.conf.IFNAME.NAME=VALUE'],
    ['a sysctl of another link', option(SYSCTLS, 'net.ipv6.conf.eth0.a=1'), 'OPTION_SYSCTL', 'eth0', 'IFNAME'],
    ['a sysctl with a path', option(SYSCTLS, 'net.ipv6.conf.ifname.../x=1'), 'OPTION_SYSCTL', 'IFNAME'],
    ['disable_ipv6', option(SYSCTLS, 'net.ipv6.conf.ifname.disable_ipv6=1'), 'OPTION_SYSCTL', 'leave it out'],
    ['a name for the link', option('com.docker.network.endpoint.ifname', 'lab0'), 'OPTION_IFNAME', '"lab0"', '-o com'],
    ['a host address', ports({ hostIp: '192.0.2.1' }), 'PUBLISH_ADDRESS', '"192.0.2.1"', 'write -p 80:80'],
    ['a protocol', ports({ protocol: 47 }), 'PUBLISH_PROTOCOL', '"47"', 'write tcp, udp or sctp'],
    ['port 0', ports({ port: 0 }), 'PUBLISH_PORT', '"0/tcp"', 'write a port'],
  ]
  for (const [what, command, code, ...words] of refusals) {
    it(`refuses ${what}`, () => {
      const world = webWorld()
      world.network(2, 'web')
      world.endpoint(1, 1, WEB)
      world.fails(command, code, ...words)
    })
  }

  function option(name: string, value: string) {
    return createEndpoint(1, 2, `${at(2)}/128`, { options: { [name]: value } })
  }
  function ports(over: object) {
    return createEndpoint(1, 2, `${at(2)}/128`, { ports: [published(80, over)] })
  }
})

describe('Join', () => {
  function created(): World {
    const world = webWorld()
    world.endpoint(1, 1, WEB)
    world.endpoint(1, 2, WEB)
    return world
  }

  it('keeps the sandbox and what -p opens, and answers the gateway of the network', () => {
    const world = created()
    const ports = [
      published(443),
      published(80, { hostPort: 8080, hostPortEnd: 8080 }),
      published(1, { hostIp: '::1' }),
    ]
    const { reply, notes = [] } = world.decide(join(1, 1, SANDBOX, ports))
    assert.deepEqual(reply, { gateway: gatewayAddress(networkId(1)) })
    assert.equal(notes.length, 2)
    assert.match(notes[0] ?? '', /80\/tcp .* host port 8080 has no meaning/)
    assert.match(notes[1] ?? '', /::1 opens 1\/tcp to nobody/)
    world.run(join(1, 1, SANDBOX, ports))
    const endpoint = world.state.endpoints.get(endpointId(1))
    assert.deepEqual([endpoint?.sandbox, endpoint?.phase], [SANDBOX, 'joined'])
    assert.deepEqual(endpoint?.published, [
      { protocol: 'tcp', port: 80 },
      { protocol: 'tcp', port: 443 },
    ])
  })

  it('is the same when repeated', () => {
    const world = created()
    const { gateway } = world.run(join(1, 1, SANDBOX))
    assert.deepEqual(world.decide(join(1, 1, SANDBOX)), { changes: [], reply: { gateway } })
  })

  it('has the engine move every link but the first of a sandbox, also after a restart', () => {
    const world = created()
    world.endpoint(2, 3, world.network(2, 'db'))
    world.run(join(1, 1, SANDBOX))
    world.crash()
    const { moved } = world.run(join(2, 3, SANDBOX))
    assert.equal(moved?.link, `c64${'3'.padStart(12, '0')}`)
    assert.match(moved?.connected ?? '', /^fe80::.*\/128$/)
    assert.equal(world.state.endpoints.get(endpointId(3))?.moved, true)
  })

  it('gives every link of a sandbox a name of its own, also where the engine does not know the others', () => {
    const world = created()
    world.run(join(1, 1, SANDBOX))
    const prefixOf = (number: number) => world.run(join(number, number, SANDBOX)).moved?.namePrefix
    for (const number of [3, 4, 5]) world.endpoint(number, number, world.network(number, `db${number}`))
    assert.deepEqual([prefixOf(3), prefixOf(4)], ['netx', 'nety'])
    world.run(leave(3, 3))
    world.run(deleteEndpoint(3, 3))
    world.crash()
    assert.equal(prefixOf(5), 'netx')
    assert.equal(prefixOf(4), 'nety', 'the same when repeated')
  })

  it('has the engine move a link into a sandbox in which one was born before, and where the network wants it', () => {
    const used = created()
    used.context = { ...used.context, sandboxUsed: true }
    assert.ok(used.run(join(1, 1, SANDBOX)).moved)
    const wanted = created()
    wanted.context = { ...wanted.context, birth: 'engine' }
    assert.ok(wanted.run(join(1, 1, SANDBOX)).moved)
  })

  it('refuses two addresses of one group in one sandbox', () => {
    const world = created()
    world.run(join(1, 1, SANDBOX))
    world.fails(join(1, 2, SANDBOX), 'GROUP_DOUBLE', '"web"', 'one network of a group only')
  })

  it('settles a moved link once, and a born one never', () => {
    const world = created()
    world.run(join(1, 1, SANDBOX))
    assert.deepEqual(world.decide(settle(1, 1)).changes, [])
    world.endpoint(2, 3, world.network(2, 'db'))
    world.run(join(2, 3, SANDBOX))
    assert.equal(world.decide(settle(2, 3)).changes.length, 1)
    world.run(settle(2, 3))
    assert.deepEqual(world.decide(settle(2, 3)).changes, [])
    assert.deepEqual(world.decide(settle(2, 9)).changes, [])
  })

  it('refuses what is not there or elsewhere', () => {
    const world = created()
    world.network(2, 'db')
    world.fails(join(9, 1, SANDBOX), 'NETWORK_UNKNOWN', '000000000009', 'create it again')
    world.fails(join(1, 9, SANDBOX), 'ENDPOINT_UNKNOWN', '000000000009', '000000000001', 'connect it again')
    world.fails(join(2, 1, SANDBOX), 'ENDPOINT_UNKNOWN', '000000000001', '000000000002', 'connect it again')
    world.run(join(1, 1, SANDBOX))
    world.fails(join(1, 1, '/other'), 'ENDPOINT_JOINED', '000000000001', `"${SANDBOX}"`, 'delete it')
    world.fails(join(1, 2, '/other', [published(80, { hostIp: '192.0.2.1' })]), 'PUBLISH_ADDRESS', '192.0.2.1')
    world.run(leave(1, 1))
    world.fails(join(1, 1, SANDBOX), 'ENDPOINT_JOINED', '000000000001', `"${SANDBOX}"`, 'delete it')
  })
})

describe('the end of an endpoint', () => {
  function joined(): World {
    const world = webWorld()
    world.endpoint(1, 1, WEB)
    world.run(join(1, 1, SANDBOX, [published(80)]))
    return world
  }

  it('is Leave, DeleteEndpoint, ReleaseAddress: the number is free only then', () => {
    const world = joined()
    world.run(leave(1, 1))
    assert.equal(world.state.endpoints.get(endpointId(1))?.phase, 'left')
    world.fails(requestAddress(WEB, at(1)), 'ADDRESS_TAKEN', 'endpoint 000000000001')
    world.run(deleteEndpoint(1, 1))
    world.fails(requestAddress(WEB, at(1)), 'ADDRESS_TAKEN', 'a container that is starting')
    world.run(releaseAddress(WEB, at(1)))
    assert.deepEqual([...(world.state.pools.get(WEB)?.freed ?? [])], [1])
    assert.equal(world.run(requestAddress(WEB, at(1))).address, `${at(1)}/128`)
  })

  it('is the same when each of them is repeated, or comes alone', () => {
    const world = joined()
    for (const command of [leave(1, 1), deleteEndpoint(1, 1), releaseAddress(WEB, at(1))] as Command[]) {
      world.run(command)
      assert.deepEqual(world.decide(command).changes, [], command.type)
    }
    for (const command of [leave(9, 9), deleteEndpoint(9, 9), releaseAddress('x' as PoolId, 'y')] as Command[]) {
      assert.deepEqual(world.decide(command), { changes: [], reply: undefined }, command.type)
    }
  })

  it('may leave out Leave, and lets the sandbox go', () => {
    const world = joined()
    world.run(deleteEndpoint(1, 1))
    assert.equal(world.state.endpoints.size, 0)
    assert.equal(world.state.sandboxes.size, 0)
  })

  it('does not free the number of an endpoint when its address is released too early, or twice', () => {
    const world = joined()
    world.run(releaseAddress(WEB, at(1)))
    world.fails(requestAddress(WEB, at(1)), 'ADDRESS_TAKEN', 'endpoint 000000000001')
    world.run(deleteEndpoint(1, 1))
    world.run(releaseAddress(WEB, at(1)))
    world.run(requestAddress(WEB, at(1)))
    world.run(createEndpoint(1, 2, `${at(1)}/128`))
    world.run(releaseAddress(WEB, at(1)))
    assert.equal(world.state.pools.get(WEB)?.endpoints.get(1), endpointId(2))
  })

  it('bears a lost ReleaseAddress: the number comes back after a while', () => {
    const world = joined()
    world.run(deleteEndpoint(1, 1))
    assert.equal(world.run(requestAddress(WEB)).address, `${at(2)}/128`)
    world.context = { ...world.context, now: world.context.now + LEASE_MS }
    assert.equal(world.run(requestAddress(WEB, at(1))).address, `${at(1)}/128`)
  })

  it('refuses to release what is no address of the pool', () => {
    const world = joined()
    world.fails(releaseAddress(WEB, ''), 'ADDRESS_INVALID', '""', 'write')
    world.fails(releaseAddress(WEB, '2001:db8::1'), 'ENDPOINT_ADDRESS_INVALID', '"2001:db8::1"')
  })

  it('frees the number at once when the endpoint is forgotten', () => {
    const world = joined()
    const endpoint = world.state.endpoints.get(endpointId(1))
    assert.ok(endpoint)
    world.store.write([forgetEndpoint(endpoint)])
    world.crash()
    assert.equal(world.run(requestAddress(WEB, at(1))).address, `${at(1)}/128`)
    assert.equal(world.state.sandboxes.size, 0)
  })
})

describe('a start that fails', () => {
  it('after RequestAddress: ReleaseAddress alone', () => {
    const world = webWorld()
    world.run(requestAddress(WEB))
    world.run(releaseAddress(WEB, at(1)))
    assert.deepEqual([...(world.state.pools.get(WEB)?.freed ?? [])], [1])
  })

  it('after CreateEndpoint: Leave, DeleteEndpoint, ReleaseAddress', () => {
    const world = webWorld()
    world.endpoint(1, 1, WEB)
    world.runAll(leave(1, 1), deleteEndpoint(1, 1), releaseAddress(WEB, at(1)))
    assert.equal(world.state.endpoints.size, 0)
    assert.deepEqual([...(world.state.pools.get(WEB)?.freed ?? [])], [1])
  })
})
