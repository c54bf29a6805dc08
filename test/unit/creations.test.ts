import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { CREATION_MS } from '../../src/daemon.ts'
import type { Command } from '../../src/state/command.ts'
import type { PoolId } from '../../src/state/model.ts'
import {
  check,
  createEndpoint,
  createNetwork,
  leave,
  networkId,
  optionsOf,
  poolOf,
  releasePool,
  requestAddress,
  requestPool,
} from '../support/commands.ts'

import { isPending, LIFE, ONE, options, Place, settle, WEB } from '../support/place.ts'

describe('network creations', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  async function create(place: Place, number: number, driver: Record<string, string>): Promise<PoolId> {
    await place.submit(check(driver))
    const { id } = await place.submit(requestPool())
    await settle()
    await place.submit(createNetwork(number, id, { options: optionsOf(driver) }))
    return id
  }

  it('take turns: of twenty at once each gets its own pool and group', async () => {
    const place = new Place()
    const numbers = Array.from({ length: 20 }, (_, index) => index + 1)
    const driver = (number: number): Record<string, string> => (number % 2 ? { group: `g${number}` } : {})
    const pools = await Promise.all(numbers.map(number => create(place, number, driver(number))))
    assert.equal(new Set(pools).size, 20)
    for (const [index, number] of numbers.entries()) {
      const network = place.state.networks.get(networkId(number))
      assert.equal(network?.pool, pools[index])
      assert.equal(network?.groupName, driver(number)['group'])
      if (number % 2) assert.equal(network?.pool, poolOf(`g${number}`))
    }
    assert.equal(place.state.groups.size, 20)
    assert.equal(place.state.creation, undefined)
  })

  it('go on after one that is refused at once', async () => {
    const place = new Place()
    const bad = place.submit(check({ nonsense: '' }))
    const good = create(place, 1, { group: 'web' })
    await assert.rejects(bad, { code: 'OPTION_UNKNOWN' })
    assert.equal(await good, WEB)
  })

  it('that never finish stand in the way for a while only, and leave no pool behind', async () => {
    for (const begun of [[check({ group: 'web' })], [check({ group: 'web' }), requestPool()]] as Command[][]) {
      const place = new Place()
      await place.live(begun)
      const next = create(place, 1, { group: 'db' })
      assert.ok(await isPending(next))
      mock.timers.tick(CREATION_MS - 1)
      assert.ok(await isPending(next), 'not a moment too early')
      mock.timers.tick(1)
      assert.equal(await next, poolOf('db'))
      assert.deepEqual([...place.state.pools.keys()], [poolOf('db')])
      assert.deepEqual(
        place.lines.map(({ level, msg }) => [level, msg]),
        [[40, 'dockerd did not finish a network creation']],
      )
    }
  })

  it('that never finish do no harm where the disk is full', async () => {
    const place = new Place()
    await place.live([check({ group: 'web' }), requestPool()])
    place.store.failures = 1
    mock.timers.tick(CREATION_MS)
    assert.equal(place.state.creation, undefined)
    assert.equal(await create(place, 1, { group: 'db' }), poolOf('db'))
  })

  it('may finish after they stood in the way for too long', async () => {
    const place = new Place()
    await place.live([check({ group: 'web' }), requestPool()])
    mock.timers.tick(CREATION_MS)
    const next = place.submit(check({ group: 'db' }))
    await settle()
    await place.submit(createNetwork(1, WEB, { options: optionsOf({ group: 'web' }) }))
    await next
    assert.equal((await place.submit(requestPool())).id, poolOf('db'), 'the next one has kept its turn')
    await place.submit(createNetwork(2, poolOf('db'), { options: optionsOf({ group: 'db' }) }))
    assert.deepEqual([...place.state.networks.keys()], [networkId(1), networkId(2)])
  })

  const ends: readonly [string, readonly Command[], string | undefined][] = [
    ['a RequestPool that is refused', [check({ group: 'web' }), requestPool({ subPool: 'x' })], 'IP_RANGE'],
    ['a second RequestPool', [check({ group: 'web' }), requestPool(), requestPool()], 'POOL_NAMESERVER'],
    ['a CreateNetwork that is refused', [check({ group: 'web' }), requestPool(), withGateway()], 'GATEWAY'],
    [
      'a CreateNetwork whose pool is right, but from another IPAM',
      [check({ group: 'web' }), createNetwork(1, poolOf('web'), { options: optionsOf({ group: 'web' }) })],
      'IPAM_MISSING',
    ],
    ['a CreateNetwork with another IPAM', [check({ group: 'web' }), createNetwork(1, 'fd00::/64')], 'IPAM_MISSING'],
    ['ReleasePool', [check({ group: 'web' }), requestPool(), releasePool(WEB)], undefined],
    ['CreateNetwork', [check(options), requestPool(), LIFE[2] as Command], undefined],
    ['a repeated CreateNetwork', [...LIFE.slice(0, 3), ...LIFE.slice(0, 3)], undefined],
  ]
  for (const [what, commands, code] of ends) {
    it(`end with ${what}`, async () => {
      const place = new Place()
      await place.live(commands.slice(0, -1))
      const next = place.submit(check({ group: 'db' }))
      assert.ok(await isPending(next))
      const last = place.submit(commands.at(-1) as never)
      await (code === undefined ? last : assert.rejects(last, { code }))
      await next
      assert.equal(place.state.creation?.groupName, 'db')
      if (code !== undefined) assert.equal(place.state.pools.size, 0)
    })
  }

  it('do not end with the failure of anybody else', async () => {
    const place = new Place()
    await place.live(LIFE.slice(0, 3))
    await place.live([check({ group: 'db' }), requestPool()])
    const next = place.submit(check({ group: 'api' }))
    const others: readonly [Command, string][] = [
      [createNetwork(9, poolOf('other'), { options: optionsOf({ group: 'web' }) }), 'POOL_GROUP'],
      [requestPool({ ipv6: false, pool: '172.18.0.0/16' }), 'IPV4_ON'],
      [createEndpoint(9, 9, ''), 'NETWORK_UNKNOWN'],
      [requestAddress('x' as PoolId), 'POOL_UNKNOWN'],
    ]
    for (const [command, code] of others) await assert.rejects(place.submit(command as never), { code })
    assert.ok(await isPending(next))
    assert.equal(place.state.creation?.pool, poolOf('db'))
    await place.submit(releasePool(poolOf('db')))
    await next
  })

  it('do not hold up commands of other kinds, nor are they ended by them', async () => {
    const place = new Place()
    await place.live(LIFE.slice(0, 3))
    await place.live([check({ group: 'db' }), requestPool()])
    const next = place.submit(check({ group: 'api' }))
    await place.live(LIFE.slice(3))
    assert.equal(place.state.networks.size, 0)
    assert.ok(await isPending(next))
    await place.submit(createNetwork(2, poolOf('db'), { options: optionsOf({ group: 'db' }) }))
    await next
  })

  it('keep the turn of one that is on its way in, whatever is asked at that moment', async () => {
    const place = new Place()
    await place.live(LIFE.slice(0, 2))
    const [second, third] = [place.submit(check({ group: 'db' })), place.submit(check({ group: 'api' }))]
    await Promise.all([place.submit(LIFE[2] as never), place.submit(leave(9, 9)), second])
    assert.ok(await isPending(third))
    assert.equal(place.state.creation?.groupName, 'db')
    await place.live([requestPool(), releasePool(poolOf('db'))])
    await third
  })

  it('do not end in a crash: the next daemon begins with none', async () => {
    const place = new Place()
    await place.live([check({ group: 'web' }), requestPool()])
    place.crash()
    assert.equal(await create(place, 1, { group: 'web' }), WEB)
  })
})

function withGateway(): Command {
  return createNetwork(1, WEB, { ipv6: [{ pool: WEB, gateway: `${ONE}/112`, auxiliary: [] }] })
}
