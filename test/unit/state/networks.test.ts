import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { namedGroup } from '../../../src/address/group.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import { formatAllow } from '../../../src/policy/allow.ts'
import type { PoolId } from '../../../src/state/model.ts'
import {
  check,
  createNetwork,
  deleteNetwork,
  networkId,
  optionsOf,
  PREFIX,
  poolOf,
  releasePool,
  requestAddress,
  requestPool,
  World,
} from '../../support/commands.ts'

const WEB = poolOf('web')
const DB = poolOf('db')

describe('CreateNetwork', () => {
  it('closes the creation and keeps what the options say', () => {
    const world = new World()
    const options = { allow: 'api:1-2/udp', 'com.docker.network.driver.mtu': '1280' }
    world.network(1, 'web', options)
    assert.equal(world.state.creation, undefined)
    const [network] = world.store.load().networks
    assert.deepEqual(
      { ...network, allow: formatAllow(network?.allow ?? []) },
      {
        ...{ id: networkId(1), pool: WEB, prefix: PREFIX.text, group: namedGroup('web').bits },
        ...{ groupName: 'web', allow: 'api:1-2/udp', mtu: 1280 },
      },
    )
  })

  it('gives a second network of a group the list that the group has', () => {
    const world = new World()
    world.network(1, 'web', { allow: 'api' })
    world.network(2, 'web')
    assert.equal(formatAllow(world.state.networks.get(networkId(2))?.allow ?? []), 'api')
  })

  it('is the same when repeated, and closes a creation that was opened for the repetition', () => {
    const world = new World()
    const pool = world.network(1, 'web')
    assert.deepEqual(world.decide(createNetwork(1, pool)).changes, [])
    const before = world.store.load()
    world.run(check({ group: 'web' }))
    world.run(requestPool())
    world.run(createNetwork(1, pool, { options: optionsOf({ group: 'web' }) }))
    assert.equal(world.state.creation, undefined)
    assert.deepEqual(world.store.load(), before)
  })

  it('succeeds without its creation, which took too long: the options come with it', () => {
    const world = new World()
    world.run(check({ group: 'web', allow: 'db' }))
    world.run(requestPool())
    world.run(releasePool(WEB))
    world.run(createNetwork(1, WEB, { options: optionsOf({ group: 'web', allow: 'db' }) }))
    assert.equal(world.state.groups.get(namedGroup('web').bits)?.name, 'web')
    assert.deepEqual(world.run(requestAddress(WEB)), { address: WEB.replace(':0/112', ':1/128') })
  })

  it('takes nothing but the name from a creation that somebody else opened for the same pool', () => {
    const world = new World()
    world.run(check({ group: 'web', allow: 'db', 'com.docker.network.driver.mtu': '1400' }))
    world.run(requestPool())
    world.run(createNetwork(1, WEB, { options: optionsOf({ group: 'web' }) }))
    const network = world.state.networks.get(networkId(1))
    assert.deepEqual([network?.allow, network?.mtu], [[], undefined])
  })

  it('takes a pool in another spelling for the same pool', () => {
    const world = new World()
    world.run(check({ group: 'web' }))
    world.run(requestPool())
    world.run(createNetwork(1, WEB.toUpperCase(), { options: optionsOf({ group: 'web' }) }))
    assert.deepEqual([...world.state.pools.keys()], [WEB])
    assert.equal(world.state.creation, undefined)
  })

  const data = (pool: string, over = {}) => ({ pool, gateway: '', auxiliary: [], ...over })
  const GATEWAY = `${WEB.replace(':0/112', ':1')}/112`
  const refusals: readonly [string, Partial<Parameters<typeof createNetwork>[2]>, ErrorCode, ...string[]][] = [
    ['an IPv4 pool', { ipv4: [data('172.18.0.0/16')] }, 'IPV4_ON', '--ipv4=false'],
    ['no pool', { ipv6: [] }, 'IPV4_ON', '--ipv6'],
    ['IPv4 on', { options: optionsOf({}, { ipv4: true }) }, 'IPV4_ON', '--ipv4=false'],
    ['an old engine', { options: { driver: {}, ipv6: true, internal: false } }, 'ENGINE_OLD', '28'],
    ['two pools', { ipv6: [data(WEB), data(DB)] }, 'POOL_SECOND', `"${WEB}"`, `"${DB}"`, 'write one --subnet'],
    ['a gateway', { ipv6: [data(WEB, { gateway: GATEWAY })] }, 'GATEWAY', `"${GATEWAY}"`, 'leave it out'],
    ['--aux-address', { ipv6: [data(WEB, { auxiliary: [GATEWAY] })] }, 'AUXILIARY', `"${GATEWAY}"`, 'leave it out'],
    [
      'the pool of another IPAM',
      { ipv6: [data('fd00:1:2:3::/64')] },
      'POOL_INVALID',
      '"fd00:1:2:3::/64"',
      'write a /112',
    ],
    ['the pool of another group', { ipv6: [data(DB)] }, 'POOL_GROUP', `"${DB}"`, '"web"', `--subnet ${WEB}`],
    ['an unknown option', { options: optionsOf({ nonsense: '' }) }, 'OPTION_UNKNOWN', '"nonsense"', 'known: group'],
  ]
  for (const [what, parts, code, ...words] of refusals) {
    it(`refuses ${what}`, () => {
      const world = new World()
      world.run(check({ group: 'web' }))
      world.run(requestPool())
      world.fails(createNetwork(1, WEB, { options: optionsOf({ group: 'web' }), ...parts }), code, ...words)
    })
  }

  it('refuses a known network with another pool', () => {
    const world = new World()
    world.network(1, 'web')
    world.fails(createNetwork(1, DB), 'NETWORK_KNOWN', networkId(1).slice(0, 12), WEB, DB, 'remove it first')
  })
})

describe('the end of a creation', () => {
  it('is ReleasePool alone when CreateNetwork failed', () => {
    const world = new World()
    world.run(check({ group: 'web' }))
    world.run(requestPool())
    world.fails(createNetwork(1, DB, { options: optionsOf({ group: 'web' }) }), 'POOL_GROUP')
    world.run(releasePool(WEB))
    assert.deepEqual(world.state, new World().state)
    assert.deepEqual(world.store.load(), new World().store.load())
    world.run(releasePool(WEB))
    world.run(deleteNetwork(1))
  })

  it('leaves the pool to the networks that are in it', () => {
    const world = new World()
    world.network(1, 'web')
    world.run(check({ group: 'web' }))
    world.run(requestPool())
    world.run(releasePool(WEB))
    assert.deepEqual([...world.state.pools.keys()], [WEB])
    assert.equal(world.state.creation, undefined)
  })

  it('takes both pools of two --subnet away', () => {
    const world = new World()
    world.run(check())
    world.run(requestPool({ pool: WEB }))
    world.run(requestPool({ pool: DB }))
    for (const pool of [WEB, DB]) world.run(releasePool(pool))
    assert.deepEqual([world.state.pools.size, world.state.creation], [0, undefined])
  })

  it('forgets a crashed creation', () => {
    const world = new World()
    world.run(check({ group: 'web' }))
    world.run(requestPool())
    world.crash()
    assert.deepEqual([world.state.pools.size, world.state.creation], [0, undefined])
  })
})

describe('network rm', () => {
  it('is ReleasePool, which does nothing, then DeleteNetwork', () => {
    const world = new World()
    world.network(1, 'web')
    assert.deepEqual(world.decide(releasePool(WEB)).changes, [])
    world.run(deleteNetwork(1))
    assert.deepEqual(world.state, new World().state)
    assert.deepEqual(world.store.load(), new World().store.load())
  })

  it('succeeds for what is unknown', () => {
    const world = new World()
    assert.deepEqual(world.decide(deleteNetwork(1)).changes, [])
    assert.deepEqual(world.decide(releasePool('nonsense' as PoolId)).changes, [])
  })

  it('takes the endpoints along that the engine forgot', () => {
    const world = new World()
    const pool = world.network(1, 'web')
    world.network(2, 'web')
    world.endpoint(1, 1, pool)
    world.endpoint(2, 2, pool)
    world.run(deleteNetwork(1))
    assert.equal(world.state.endpoints.size, 1)
    assert.deepEqual([...(world.state.pools.get(pool)?.freed ?? [])], [1])
  })

  it('keeps the pool for a creation that came between ReleasePool and DeleteNetwork', () => {
    const world = new World()
    world.network(1, 'web')
    world.run(releasePool(WEB))
    world.run(check({ group: 'web' }))
    world.run(requestPool())
    world.run(deleteNetwork(1))
    assert.ok(world.state.pools.has(WEB))
    world.run(createNetwork(2, WEB, { options: optionsOf({ group: 'web' }) }))
    assert.deepEqual([...(world.state.pools.get(WEB)?.networks ?? [])], [networkId(2)])
    assert.equal(world.run(requestAddress(WEB)).address, WEB.replace(':0/112', ':1/128'))
  })

  it('leaves a group without a name when only networks chosen by number are left, as after a restart', () => {
    const world = new World()
    world.run(check())
    world.run(requestPool({ pool: WEB }))
    world.run(createNetwork(1, WEB))
    world.network(2, 'web')
    assert.equal(world.state.groups.get(namedGroup('web').bits)?.name, 'web')
    world.run(deleteNetwork(2))
    const { groups } = world.state
    world.crash()
    assert.deepEqual(groups, world.state.groups)
  })
})
