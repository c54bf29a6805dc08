import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { namedGroup } from '../../../src/address/group.ts'
import { endpointNumber } from '../../../src/address/plan.ts'
import type { Change, Endpoint, Lease, Network, Pool } from '../../../src/state/model.ts'
import { allocate, claim, LEASE_MS } from '../../../src/state/numbers.ts'
import { commit, LAST_NUMBER, loadedState, type PoolUse, type State } from '../../../src/state/state.ts'
import { addressIn, endpointId, networkId, PREFIX, poolOf } from '../../support/commands.ts'

const WEB = poolOf('web')
const NOW = 1_000_000
const network: Network = {
  ...{ id: networkId(1), pool: WEB, prefix: PREFIX.text, group: namedGroup('web').bits, groupName: 'web', allow: [] },
}

function endpointOf(number: number): Endpoint {
  const address = addressIn(WEB, number)
  const id = endpointId(number)
  return {
    ...{ id, network: network.id, pool: WEB, number, address, mac: '02:00:00:00:00:01' },
    ...{ published: [], phase: 'created', boot: 'boot-1' },
  }
}

function stateOf(reserved: number, held: readonly number[] = []): State {
  const pool: Pool = { id: WEB, prefix: PREFIX.text, group: network.group, reserved }
  return loadedState({ networks: [network], pools: [pool], endpoints: held.map(endpointOf) })
}

function useOf(state: State): PoolUse {
  const use = state.pools.get(WEB)
  assert.ok(use)
  return use
}

function take(state: State, now = NOW, name?: string): number {
  const { number, changes } = allocate(useOf(state), now, name)
  commit(state, changes)
  return number
}

function free(state: State, number: number): void {
  const before: Lease | undefined = useOf(state).leases.get(number)
  commit(state, [{ kind: 'lease', id: WEB, number, before, after: undefined }])
}

describe('allocate', () => {
  it('reserves numbers on disk in steps of 256, before they are handed out', () => {
    const state = stateOf(0)
    const reserved = (changes: readonly Change[]) =>
      changes.flatMap(change => (change.kind === 'pool' ? [change.after?.reserved] : []))
    for (let number = 1; number <= 600; number++) {
      const decision = allocate(useOf(state), NOW)
      assert.equal(decision.number, number)
      assert.deepEqual(reserved(decision.changes), { 1: [256], 257: [512], 513: [768] }[number] ?? [])
      commit(state, decision.changes)
      assert.ok(useOf(state).pool.reserved >= number)
    }
  })

  it('never reserves a number that is none', () => {
    const state = stateOf(LAST_NUMBER - 1)
    const { number, changes } = allocate(useOf(state), NOW)
    assert.equal(number, LAST_NUMBER)
    commit(state, changes)
    assert.equal(useOf(state).pool.reserved, LAST_NUMBER)
  })

  it('goes on behind what was reserved after a restart', () => {
    assert.equal(take(stateOf(256, [1, 2, 5])), 257)
  })

  it('leaves out what was asked for by address, before and after a restart', () => {
    const state = stateOf(0)
    commit(state, [claim(useOf(state), 2, addressIn(WEB, 2), NOW)])
    assert.deepEqual([take(state), take(state)], [1, 3])
    const loaded = stateOf(256, [258, 257, 1])
    assert.deepEqual([take(loaded), take(loaded)], [259, 260])
  })

  it('takes the freed numbers when none is left that was never used, the one that is free for longest first', () => {
    const numbers = fc.integer({ min: 1, max: 20 })
    const step = fc.oneof(
      fc.constant('take' as const),
      numbers.map(free => ({ free })),
      numbers.map(ask => ({ ask })),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const state = stateOf(LAST_NUMBER, range(21, LAST_NUMBER))
        const line = range(1, 20)
        for (const one of steps) {
          if (one === 'take') {
            const next = line.shift()
            if (next === undefined) assert.throws(() => take(state), { code: 'POOL_EXHAUSTED' })
            else assert.equal(take(state), next)
          } else if ('free' in one) {
            free(state, one.free)
            if (!line.includes(one.free)) line.push(one.free)
          } else if (line.includes(one.ask)) {
            commit(state, [claim(useOf(state), one.ask, addressIn(WEB, one.ask), NOW)])
            line.splice(line.indexOf(one.ask), 1)
          } else {
            assert.throws(() => claim(useOf(state), one.ask, addressIn(WEB, one.ask), NOW), { code: 'ADDRESS_TAKEN' })
          }
          assert.deepEqual([...useOf(state).freed], line)
        }
      }),
      { numRuns: 8 },
    )
  })
})

describe('allocate for a name', () => {
  const OWN = endpointNumber('postgres')

  it('gives the same number again, after a release, a restart, in whatever order', () => {
    const state = stateOf(0)
    assert.equal(take(state, NOW, 'postgres'), OWN)
    free(state, OWN)
    take(state)
    assert.equal(take(state, NOW, 'nginx'), endpointNumber('nginx'))
    assert.equal(take(state, NOW, 'postgres'), OWN)
    assert.equal(take(stateOf(256, [1, 2]), NOW, 'postgres'), OWN)
    // One that counts as used, because of a restart.
    assert.equal(take(stateOf(LAST_NUMBER), NOW, 'postgres'), OWN)
  })

  it('is of the name alone: the same in every version', () => {
    assert.deepEqual(['postgres', 'web-1'].map(endpointNumber), [40962, 8499])
  })

  it('reserves nothing on disk', () => {
    const state = stateOf(256, [1])
    const { number, changes } = allocate(useOf(state), NOW, 'postgres')
    assert.ok(number > 256)
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ['lease'],
    )
    commit(state, changes)
    assert.equal(useOf(state).pool.reserved, 256)
    assert.equal(take(state), 257, 'and the next never used one is still the next')
    assert.equal(useOf(state).pool.reserved, 512)
  })

  it('takes the next never used number where an endpoint or somebody who starts has its own', () => {
    const held = stateOf(0, [OWN])
    assert.equal(take(held, NOW, 'postgres'), 1)
    const starting = stateOf(0)
    assert.deepEqual(
      [1, 2, 3].map(() => take(starting, NOW, 'postgres')),
      [OWN, 1, 2],
    )
    assert.equal(take(starting, NOW + LEASE_MS - 1, 'postgres'), 3)
    assert.equal(take(starting, NOW + LEASE_MS, 'postgres'), OWN, 'a lease that nobody took up')
  })

  it('takes the next never used number where another name has the same', () => {
    const [first, second] = colliding()
    const state = stateOf(0)
    assert.equal(take(state, NOW, first), endpointNumber(first))
    assert.equal(take(state, NOW, second), 1)
    free(state, endpointNumber(first))
    assert.equal(take(state, NOW, second), endpointNumber(first), 'whoever comes first')
    assert.equal(take(state, NOW, first), 2)
  })

  it('is passed over by those who come without a name', () => {
    const state = stateOf(OWN - 3)
    assert.equal(take(state, NOW, 'postgres'), OWN)
    assert.deepEqual(
      [1, 2, 3].map(() => take(state)),
      [OWN - 2, OWN - 1, OWN + 1],
    )
  })

  it('never hands out what is held, whatever the names', () => {
    const name = fc.constantFrom(undefined, 'postgres', 'nginx', ...colliding())
    const step = fc.oneof(
      name.map(asks => ({ asks })),
      fc.nat({ max: 9 }).map(ends => ({ ends })),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const state = stateOf(0)
        const held: number[] = []
        for (const one of steps) {
          if ('ends' in one) {
            const [number] = held.splice(one.ends, 1)
            if (number !== undefined) free(state, number)
            continue
          }
          const own = one.asks === undefined ? undefined : endpointNumber(one.asks)
          const number = take(state, NOW, one.asks)
          assert.ok(!held.includes(number), `${number} is held`)
          if (own !== undefined && !held.includes(own)) assert.equal(number, own)
          held.push(number)
        }
      }),
      { numRuns: 50 },
    )
  })
})

/** Two names with the same number. */
function colliding(): [string, string] {
  const names = new Map<number, string>()
  for (let n = 0; ; n++) {
    const number = endpointNumber(`c${n}`)
    const other = names.get(number)
    if (other !== undefined) return [other, `c${n}`]
    names.set(number, `c${n}`)
  }
}

describe('a pool in which every number is held', () => {
  let state: State
  before(() => {
    state = stateOf(LAST_NUMBER, range(1, LAST_NUMBER - 2))
    assert.deepEqual([take(state, NOW), take(state, NOW + 1)], [LAST_NUMBER - 1, LAST_NUMBER])
  })

  it('says so while every lease is young', () => {
    assert.throws(() => allocate(useOf(state), NOW + LEASE_MS - 1), {
      code: 'POOL_EXHAUSTED',
      message: new RegExp(`all 65534 addresses of the pool ${WEB} are in use; remove containers`),
    })
  })

  it('then takes a lease that nobody took up, and never an endpoint', () => {
    assert.equal(take(state, NOW + LEASE_MS), LAST_NUMBER - 1)
    assert.throws(() => allocate(useOf(state), NOW + LEASE_MS), { code: 'POOL_EXHAUSTED' })
    assert.equal(take(state, NOW + LEASE_MS + 1), LAST_NUMBER)
    assert.throws(() => allocate(useOf(state), NOW + LEASE_MS + 1), { code: 'POOL_EXHAUSTED' })
  })

  it('goes on with what is released', () => {
    free(state, LAST_NUMBER)
    assert.equal(take(state, NOW), LAST_NUMBER)
  })
})

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
