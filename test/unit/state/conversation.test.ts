// Whatever an engine says, in whatever order, and whenever the daemon dies in between.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { GroupBits } from '../../../src/address/group.ts'
import { endpointNumber, parseEndpointAddress } from '../../../src/address/plan.ts'
import { project } from '../../../src/dataplane/project.ts'
import { PluginError } from '../../../src/errors.ts'
import { formatAllow } from '../../../src/policy/allow.ts'
import type { Command } from '../../../src/state/command.ts'
import type { EndpointId, NetworkId, PoolId } from '../../../src/state/model.ts'
import { LEASE_MS } from '../../../src/state/numbers.ts'
import type { GroupUse, PoolUse, State } from '../../../src/state/state.ts'
import { releasePool, World } from '../../support/commands.ts'
import { conversation, type Event } from '../../support/sequences.ts'

/** Runs a conversation; refused commands change nothing, which World.decide asserts. Sandboxes keep the mark of a birth, as the kernel's do. */
function converse(events: readonly Event[], look: (world: World, event: Event, before: State) => void): void {
  const world = new World()
  const marked = new Set<string>()
  for (const event of events) {
    const before = structuredClone(world.state)
    if (event.type === 'join') world.context = { ...world.context, sandboxUsed: marked.has(event.sandbox) }
    if (event.type === 'crash') world.crash()
    else if (event.type === 'wait') world.context = { ...world.context, now: world.context.now + event.ms }
    else tolerate(world, event)
    look(world, event, before)
    for (const { sandbox, moved } of world.state.endpoints.values()) if (sandbox && !moved) marked.add(sandbox)
  }
}

function tolerate(world: World, command: Command): void {
  const open = world.state.creation?.pool
  // Creations take turns: the daemon ends one before the next begins.
  if (command.type === 'checkGatewayAllocation' && open !== undefined) world.run(releasePool(open))
  try {
    world.run(command as never)
  } catch (error) {
    if (!(error instanceof PluginError)) throw error
    assert.notEqual(error.kind, 'internal', error.message)
  }
}

const run = (look: Parameters<typeof converse>[1], numRuns = 100) => {
  fc.assert(
    fc.property(conversation, events => converse(events, look)),
    { numRuns },
  )
}

describe('any conversation', () => {
  it('gives no address to two endpoints, and no endpoint’s number to anybody', () => {
    run(({ state }) => {
      const addresses = [...state.endpoints.values()].map(endpoint => endpoint.address)
      assert.equal(new Set(addresses).size, addresses.length)
      for (const use of state.pools.values()) {
        for (const number of use.endpoints.keys()) assert.ok(!use.leases.has(number), `${number} is leased and held`)
      }
    })
  })

  it('never hands out a number that an endpoint or a live lease holds', () => {
    run(({ state, context }, event, before) => {
      if (event.type !== 'requestAddress') return
      const [given] = leasesGiven(before, state, event.pool, context.now)
      if (given === undefined) return
      const use = before.pools.get(event.pool)
      assert.ok(!use?.endpoints.has(given))
      const since = use?.leases.get(given)?.since
      assert.ok(since === undefined || context.now - since >= LEASE_MS)
      if (event.address) assert.equal(parseEndpointAddress(event.address, event.pool), given)
    })
  })

  it('chooses no number twice while there are never-used ones, also across a crash', () => {
    const chosen = new Map<PoolId, Set<number>>()
    fc.assert(
      fc
        .property(conversation, events =>
          converse(events, ({ state, context }, event, before) => {
            // A pool without networks is forgotten, and so are its numbers.
            for (const id of chosen.keys()) if (!state.pools.has(id)) chosen.delete(id)
            if (event.type !== 'requestAddress' || event.address || event.name !== undefined) return
            const numbers = chosen.get(event.pool) ?? new Set()
            for (const given of leasesGiven(before, state, event.pool, context.now)) {
              assert.ok(!numbers.has(given), `${given} was handed out before`)
              assert.ok(!before.pools.get(event.pool)?.freed.has(given), `${given} was used before`)
              chosen.set(event.pool, numbers.add(given))
            }
          }),
        )
        .beforeEach(() => chosen.clear()),
      { numRuns: 100 },
    )
  })

  it('gives a name its own number, if nobody has it', () => {
    run(({ state, context }, event, before) => {
      if (event.type !== 'requestAddress' || event.address || event.name === undefined) return
      const use = before.pools.get(event.pool)
      const own = endpointNumber(event.name)
      const since = use?.leases.get(own)?.since
      if (!use || use.endpoints.has(own) || (since !== undefined && context.now - since < LEASE_MS)) return
      assert.equal(state.pools.get(event.pool)?.leases.get(own)?.since, context.now)
      assert.deepEqual(state.pools.get(event.pool)?.pool, use.pool, 'nothing is reserved for it')
    }, 60)
  })

  it('lets one link at most be born in a sandbox, ever, and one only where none was before', () => {
    const births = new Map<string, EndpointId>()
    fc.assert(
      fc
        .property(conversation, events =>
          converse(events, ({ state }) => {
            for (const { id, network, sandbox, moved } of state.endpoints.values()) {
              if (sandbox === undefined || moved) continue
              assert.notEqual(state.networks.get(network)?.birth, 'engine')
              const first = births.get(sandbox) ?? id
              assert.equal(first, id, `in ${sandbox} a second one`)
              births.set(sandbox, first)
            }
          }),
        )
        .beforeEach(() => births.clear()),
      { numRuns: 60 },
    )
  })

  it('names no two links alike that we make, on the host or in one sandbox', () => {
    run(({ state }) => {
      const links = project(state, []).filter(item => item.kind === 'link')
      const names = links.flatMap(({ name, sandbox = 'host', peer }) => [`host ${name}`, `${sandbox} ${peer.name}`])
      assert.equal(new Set(names).size, names.length, names.join(', '))
    }, 60)
  })

  it('lets a sandbox into each group once, and publishes nothing of an internal one', () => {
    run(({ state }) => {
      for (const [sandbox, ids] of state.sandboxes) {
        const pools = [...ids].map(id => state.endpoints.get(id)?.pool)
        assert.equal(new Set(pools).size, pools.length, `${sandbox} is in ${pools.join(', ')}`)
      }
      for (const { network, published } of state.endpoints.values())
        if (state.networks.get(network)?.internal) assert.deepEqual(published, [])
    }, 60)
  })

  it('settles what the engine moved, once it is asked for it, and nothing else', () => {
    run(({ state }, event, before) => {
      for (const { moved, settled } of state.endpoints.values()) assert.ok(moved || !settled)
      const one = event.type === 'settle' ? state.endpoints.get(event.endpoint) : undefined
      if (one?.phase === 'joined') assert.equal(one.settled, one.moved)
      if (event.type === 'crash' || event.type === 'wait') return
      for (const [id, { settled }] of state.endpoints) {
        const was = before.endpoints.get(id)
        if (settled && !was?.settled) assert.ok(event.type === 'settle' && event.endpoint === id)
        else if (was?.settled) assert.ok(settled)
      }
    }, 60)
  })

  it('keeps the indexes that networks and endpoints make', () => {
    run(({ state }) => {
      assert.deepEqual(groupsOf(state), recomputedGroups(state))
      assert.deepEqual(state.sandboxes, recomputedSandboxes(state))
      for (const [id, use] of state.pools) checkPool(state, id, use)
      for (const { pool } of state.networks.values()) assert.ok(state.pools.has(pool), 'a network has its pool')
      const idle = [...state.pools].filter(([, use]) => use.networks.size === 0).map(([id]) => id)
      assert.deepEqual(idle, state.creation?.pool && idle.length > 0 ? [state.creation.pool] : [])
    })
  })

  it('is remembered over a crash, but for leases and a creation', () => {
    run((world, event) => {
      if (event.type !== 'crash') return
      const { state } = world
      const stored = world.store.load()
      assert.deepEqual([...state.networks.values()], stored.networks)
      assert.deepEqual([...state.endpoints.values()], stored.endpoints)
      assert.equal(state.creation, undefined)
      for (const use of state.pools.values()) assert.equal(use.leases.size, 0)
    })
  })

  it('changes networks and endpoints in memory exactly as it stores them', () => {
    run(({ state, store }) => {
      const stored = store.load()
      assert.deepEqual(new Map(stored.networks.map(one => [one.id, one])), new Map(state.networks))
      assert.deepEqual(new Map(stored.endpoints.map(one => [one.id, one])), new Map(state.endpoints))
    })
  })
})

describe('a conversation of this kind', () => {
  it('gets somewhere: networks, endpoints, joins, and refusals of many kinds', () => {
    const seen = new Set<string>()
    for (const events of fc.sample(conversation, { numRuns: 150, seed: 1 })) {
      converse(events, ({ state }) => {
        if (state.networks.size > 2) seen.add('networks')
        if (state.endpoints.size > 2) seen.add('endpoints')
        if (state.sandboxes.size > 1) seen.add('sandboxes')
        const joined = [...state.sandboxes.values()].map(ids => [...ids].flatMap(id => state.endpoints.get(id) ?? []))
        if (joined.some(one => one.length > 2)) seen.add('shared sandboxes')
        if (joined.some(one => one.some(end => end.settled) && one.some(end => !end.moved))) seen.add('born and moved')
        if (joined.some(one => one.every(end => end.moved))) seen.add('only moved')
        if ([...state.groups.values()].some(group => group.internal)) seen.add('internal groups')
        if ([...state.groups.values()].some(group => group.networks.size > 1)) seen.add('shared groups')
        if ([...state.groups.values()].some(group => group.allow.length > 0)) seen.add('lists')
        if ([...state.pools.values()].some(use => use.freed.size > 0)) seen.add('freed numbers')
      })
    }
    assert.deepEqual([...seen].toSorted(), [
      'born and moved',
      'endpoints',
      'freed numbers',
      'internal groups',
      'lists',
      'networks',
      'only moved',
      'sandboxes',
      'shared groups',
      'shared sandboxes',
    ])
  })
})

/** The numbers that one RequestAddress leased. */
function leasesGiven(before: State, after: State, pool: PoolId, now: number): number[] {
  const was = before.pools.get(pool)?.leases
  const is = after.pools.get(pool)?.leases ?? new Map<number, { since: number }>()
  return [...is].filter(([number, { since }]) => since === now && was?.get(number)?.since !== now).map(([one]) => one)
}

function groupsOf(state: State) {
  return new Map([...state.groups].map(([bits, group]) => [bits, { ...group, allow: formatAllow(group.allow) }]))
}

function recomputedGroups(state: State): ReturnType<typeof groupsOf> {
  const groups = new Map<
    GroupBits,
    Omit<GroupUse, 'allow' | 'networks'> & { allow: string; networks: Set<NetworkId> }
  >()
  for (const { id, group, groupName, allow, internal } of state.networks.values()) {
    const before = groups.get(group)
    const networks = (before?.networks ?? new Set<NetworkId>()).add(id)
    groups.set(group, {
      name: before?.name ?? groupName,
      allow: formatAllow(allow),
      internal: internal === true,
      networks,
    })
  }
  return groups
}

function recomputedSandboxes(state: State): State['sandboxes'] {
  const sandboxes = new Map<string, Set<EndpointId>>()
  for (const { id, sandbox } of state.endpoints.values()) {
    if (sandbox !== undefined) sandboxes.set(sandbox, (sandboxes.get(sandbox) ?? new Set()).add(id))
  }
  return sandboxes
}

function checkPool(state: State, id: PoolId, use: PoolUse): void {
  const networks = [...state.networks.values()].filter(network => network.pool === id)
  assert.deepEqual(use.networks, new Set(networks.map(network => network.id)))
  const endpoints = [...state.endpoints.values()].filter(endpoint => endpoint.pool === id)
  assert.deepEqual(use.endpoints, new Map(endpoints.map(endpoint => [endpoint.number, endpoint.id])))
  const held = (number: number) => use.endpoints.has(number) || use.leases.has(number)
  for (let number = 1; number < use.next; number++) {
    assert.equal(use.freed.has(number), !held(number), `${number} is either held or free`)
  }
  for (const number of use.freed) assert.ok(number < use.next)
  for (const number of use.asked) assert.ok(number > use.next)
  for (const number of [...use.endpoints.keys(), ...use.leases.keys()]) {
    assert.ok(number < use.next || use.asked.has(number), `${number} is known to be used`)
  }
}
