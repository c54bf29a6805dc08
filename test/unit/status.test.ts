import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseHostPrefix } from '../../src/address/prefix.ts'
import { answers } from '../../src/http/control-answers.ts'
import { loadedState } from '../../src/state/state.ts'
import { type GroupStatus, type Status, statusOf } from '../../src/state/status.ts'
import { FACTS, NAMES, town } from '../support/cli.ts'
import { endpointId, networkId, PREFIX, poolOf } from '../support/commands.ts'

const groupOf = (status: Status, name: string | undefined): GroupStatus | undefined =>
  status.groups.find(group => group.name === name)

describe('status', () => {
  const status = statusOf(town().state, FACTS, NAMES)

  it('says what the daemon is', () => {
    const { version, prefix, fleet, uplinks, docker } = status
    assert.deepEqual(
      { version, prefix, fleet, uplinks, docker },
      {
        version: '0.1.0',
        prefix: PREFIX.text,
        fleet: ['2001:db8:1::/48'],
        uplinks: ['eth0'],
        docker: { state: 'answering', version: '28.5.2' },
      },
    )
    assert.deepEqual(
      status.prefixes.map(({ prefix: text, current, networks }) => [text, current, networks.length]),
      [[PREFIX.text, true, 5]],
    )
  })

  it('has groups with names first, in their order, each with its /112, its number and its rights', () => {
    assert.deepEqual(
      status.groups.map(({ name, internal, local, allow }) => [name, internal, local, allow]),
      [
        ['db', false, false, ['web:5432/tcp', 'web:53/udp']],
        ['vault', true, false, []],
        ['web', false, false, []],
        [undefined, false, true, []],
      ],
    )
    for (const { name, number, pool } of status.groups) {
      if (name !== undefined) assert.equal(pool, poolOf(name))
      assert.ok(pool.includes(`:${number.replace(/\b0+(?=.)/g, '')}:0/112`), `${number} in ${pool}`)
    }
  })

  it('names networks and containers as Docker does, and leaves out what Docker does not name', () => {
    const networks = groupOf(status, 'web')?.networks.map(({ id, name }) => [id, name])
    assert.deepEqual(networks, [
      [networkId(5), 'again'],
      [networkId(1), 'web'],
    ])
    const [unnamed] = groupOf(status, 'db')?.networks ?? []
    assert.ok(unnamed && !('name' in unnamed) && !('container' in (unnamed.endpoints[0] ?? {})))
    assert.equal(groupOf(status, 'vault')?.networks[0]?.endpoints[0]?.container, 'safe')
  })

  it('shows where each endpoint is: phase, link, birth, what -p opens', () => {
    const endpoints = status.groups.flatMap(({ networks }) => networks.flatMap(network => network.endpoints))
    const facts = endpoints.map(({ id, link, phase, birth, published }) => [id, link, phase, birth, published])
    assert.deepEqual(facts, [
      [endpointId(13), 's6400000000000d', 'joined', 'moved', []],
      [endpointId(14), 's6400000000000e', 'left', 'in place', []],
      [endpointId(11), 's6400000000000b', 'joined', 'in place', ['443/tcp', '8000/tcp', '8001/tcp', '8002/tcp']],
      [endpointId(12), undefined, 'created', undefined, []],
    ])
  })

  it('names the networks that stay in a prefix which is no longer that of the host', () => {
    const prefix = parseHostPrefix('2001:db8:2:b::/64', { allowDocumentation: true })
    const moved = statusOf(town().state, { ...FACTS, prefix }, NAMES)
    const [current, old] = moved.prefixes
    assert.deepEqual([current?.prefix, current?.current, current?.networks], [prefix.text, true, []])
    assert.deepEqual([old?.prefix, old?.current], [PREFIX.text, false])
    assert.deepEqual(
      old?.networks.map(({ name, id }) => name ?? id),
      [networkId(2), 'again', 'scratch', 'vault', 'web'],
    )
    const web = groupOf(moved, 'web')
    assert.equal(web?.pool, poolOf('web', prefix))
    assert.equal(web?.networks[0]?.pool, poolOf('web'))
  })

  it('says why there are no names', () => {
    for (const state of ['not answering', 'not asked'] as const) {
      const nameless = statusOf(town().state, FACTS, state)
      assert.deepEqual(nameless.docker, { state })
      assert.doesNotMatch(JSON.stringify(nameless.groups), /"container":|"name":"again"/)
    }
  })

  it('fits the schema that the command holds it against', () => {
    assert.deepEqual(answers['/status'].parse(JSON.parse(JSON.stringify(status))), status)
  })

  it('is the same in whatever order things came to be', () => {
    const { state } = town()
    const [networks, endpoints] = [[...state.networks.values()], [...state.endpoints.values()]]
    const pools = [...state.pools.values()].map(({ pool }) => pool)
    const shuffled = <T>(all: T[]): fc.Arbitrary<T[]> => fc.shuffledSubarray(all, { minLength: all.length })
    const stored = fc.tuple(shuffled(networks), shuffled(endpoints), shuffled(pools))
    fc.assert(
      fc.property(stored, ([n, e, p]) => {
        const loaded = loadedState({ networks: n, endpoints: e, pools: p })
        assert.deepEqual(statusOf(loaded, FACTS, NAMES), status)
      }),
      { numRuns: 50 },
    )
  })
})
