import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { namedGroup } from '../../../src/address/group.ts'
import { containerMac, gatewayAddress, groupKey, hostMac } from '../../../src/address/plan.ts'
import { parseHostPrefix } from '../../../src/address/prefix.ts'
import { diff } from '../../../src/dataplane/diff.ts'
import { conditionOf, type Item, keyOf } from '../../../src/dataplane/item.ts'
import { endpointItems, prefixItems, project, projectChanges } from '../../../src/dataplane/project.ts'
import { PluginError } from '../../../src/errors.ts'
import type { Change } from '../../../src/state/model.ts'
import { loadedState } from '../../../src/state/state.ts'
import {
  addressIn,
  deleteEndpoint,
  deleteNetwork,
  endpointId,
  join,
  leave,
  networkId,
  PREFIX,
  poolOf,
  published,
  releasePool,
  World,
} from '../../support/commands.ts'
import { dumpOf, FakeKernel } from '../../support/fake-kernel.ts'
import { conversation, type Event } from '../../support/sequences.ts'

const WEB = poolOf('web')
const SANDBOX = '/var/run/docker/netns/14489458cf8c'
const LINK = 's64000000000001'
const key = (group: string) => groupKey(namedGroup(group).bits)

const HOST: readonly Item[] = [
  { kind: 'table', family: 'inet', name: 'slash64', digest: 'd' },
  { kind: 'sysctl', path: ['net', 'ipv6', 'conf', 'all', 'forwarding'], setting: '1' },
  ...prefixItems(PREFIX),
]

function joinedWorld(): World {
  const world = new World()
  world.network(1, 'web', { allow: 'db:80,api', 'com.docker.network.driver.mtu': '1400' })
  world.endpoint(1, 1, WEB)
  world.run(join(1, 1, SANDBOX, [published(443), published(53, { protocol: 17 })]))
  return world
}

function itemsOf(world: World): Item[] {
  const [endpoint, network] = [world.state.endpoints.get(endpointId(1)), world.state.networks.get(networkId(1))]
  assert.ok(endpoint && network)
  return endpointItems(endpoint, network)
}

describe('endpointItems', () => {
  it('of a joined endpoint are its link, neighbour, route and elements', () => {
    const address = addressIn(WEB, 1)
    const mac = containerMac(endpointId(1))
    assert.deepEqual(itemsOf(joinedWorld()), [
      {
        ...{ kind: 'link', name: LINK, alias: `slash64/${networkId(1)}/${endpointId(1)}`, mac: hostMac(endpointId(1)) },
        ...{ mtu: 1400, gateway: gatewayAddress(networkId(1)), sandbox: SANDBOX },
        peer: { name: 'net0', mac },
      },
      {
        ...{ kind: 'end', link: LINK, sandbox: SANDBOX, mac, address, prefixes: [WEB], internal: false },
        gateway: { address: gatewayAddress(networkId(1)), mac: hostMac(endpointId(1)) },
        born: { sysctls: [] },
      },
      { kind: 'neighbour', link: LINK, address, mac },
      { kind: 'route', address, link: LINK },
      { kind: 'element', set: 'links', key: [LINK, address] },
      { kind: 'element', set: 'published', key: [address, 'tcp', 443] },
      { kind: 'element', set: 'published', key: [address, 'udp', 53] },
    ])
  })

  it('are none before Join, and only the link after Leave', () => {
    const world = new World()
    world.network(1, 'web')
    world.endpoint(1, 1, WEB)
    assert.deepEqual(itemsOf(world), [])
    world.run(join(1, 1, SANDBOX, [published(443)]))
    world.run(leave(1, 1))
    assert.deepEqual(itemsOf(world).map(keyOf), [`link ${LINK}`])
  })

  it('give a link a name that a kernel takes: 15 characters, none of eth', () => {
    const [link] = itemsOf(joinedWorld())
    assert.ok(link?.kind === 'link' && link.name.length <= 15)
    assert.doesNotMatch(link.peer.name, /^eth/)
  })
})

describe('project', () => {
  it('opens a group inside and to its list, and takes no notice of groups that are only listed', () => {
    const elements = project(joinedWorld().state, []).filter(item => item.kind === 'element')
    assert.deepEqual(
      elements.filter(item => item.set.startsWith('allow')).map(item => [item.set, ...item.key, item.comment]),
      [
        ['allow_group', key('web'), key('web'), 'web'],
        ['allow_group', key('api'), key('web'), 'api -> web'],
        ['allow_port', key('db'), key('web'), 'tcp', 80, 'db -> web'],
      ],
    )
  })

  it('holds every prefix in use', () => {
    const world = joinedWorld()
    const prefix = parseHostPrefix('2001:db8:2:b::/64', { allowDocumentation: true })
    world.context = { ...world.context, prefix }
    world.network(2, 'web')
    const keys = project(world.state, []).map(keyOf)
    for (const item of [...prefixItems(PREFIX), ...prefixItems(prefix)]) assert.ok(keys.includes(keyOf(item)))
  })

  it('is what the host holds anyway where nothing runs', () => {
    assert.deepEqual(project(new World().state, HOST), HOST)
  })

  it('says the same twice, and of the same state loaded again', () => {
    fc.assert(
      fc.property(conversation, events => {
        const world = worldAfter(events)
        const first = dumpOf(project(world.state, HOST))
        assert.deepEqual(dumpOf(project(world.state, HOST)), first)
        assert.deepEqual(dumpOf(project(loadedState(world.store.load()), HOST)), first)
      }),
      { numRuns: 60 },
    )
  })

  it('never wants one object in two ways', () => {
    fc.assert(
      fc.property(conversation, events => {
        const conditions = new Map<string, string>()
        for (const item of project(worldAfter(events).state, HOST)) {
          const before = conditions.get(keyOf(item)) ?? conditionOf(item)
          assert.equal(conditionOf(item), before, keyOf(item))
          conditions.set(keyOf(item), before)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('projectChanges', () => {
  it('summed up over a conversation is project of the whole state, at every step and in a strict kernel', () => {
    fc.assert(
      fc.property(conversation, events => {
        const world = new World()
        const kernel = new FakeKernel(HOST)
        for (const event of events) {
          step(world, event, changes => {
            const { before, after } = projectChanges(world.state, changes)
            kernel.apply(diff(before, after))
          })
          assert.deepEqual(kernel.dump(), dumpOf(project(world.state, HOST)), event.type)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('touches nothing but the object that changes', () => {
    const world = joinedWorld()
    world.network(2, 'db')
    world.endpoint(2, 2, poolOf('db'))
    const { before, after } = projectChanges(world.state, world.decide(join(2, 2, '/other')).changes)
    assert.deepEqual(before, [])
    assert.ok(after.length > 0 && after.every(item => !JSON.stringify(item).includes(LINK)))
  })

  it('has nothing to do for pools, leases and creations', () => {
    const world = joinedWorld()
    for (const command of [releasePool(WEB), deleteEndpoint(9, 9)]) {
      const { changes } = world.decide<typeof command.type>(command)
      assert.deepEqual(projectChanges(world.state, changes), { before: [], after: [] })
    }
  })

  it('closes everything of a network that goes with endpoints on it', () => {
    const world = joinedWorld()
    const { before, after } = projectChanges(world.state, world.decide(deleteNetwork(1)).changes)
    assert.deepEqual(after, [])
    assert.deepEqual(
      diff(before, after)
        .map(({ verb, item }) => `${verb} ${item.kind}`)
        .slice(0, 1),
      ['remove element'],
    )
    assert.equal(before.length, itemsOf(world).length + 3)
  })

  it('keeps a group open while another network of it is there', () => {
    const world = joinedWorld()
    world.network(2, 'web')
    const { before, after } = projectChanges(world.state, world.decide(deleteNetwork(2)).changes)
    assert.deepEqual(diff(before, after), [])
  })
})

/** One event; `look` sees the changes before they are committed. */
function step(world: World, event: Event, look: (changes: readonly Change[]) => void): void {
  if (event.type === 'crash') world.crash()
  if (event.type === 'crash' || event.type === 'wait') return
  const open = world.state.creation?.pool
  if (event.type === 'checkGatewayAllocation' && open !== undefined) world.run(releasePool(open))
  try {
    look(world.decide(event as never).changes)
    world.run(event as never)
  } catch (error) {
    if (!(error instanceof PluginError)) throw error
  }
}

function worldAfter(events: readonly Event[]): World {
  const world = new World()
  for (const event of events) step(world, event, () => {})
  return world
}
