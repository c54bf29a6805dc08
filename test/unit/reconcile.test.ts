import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { pino } from 'pino'
import type { Inventory } from '../../src/docker/inventory.ts'
import { GRACE_MS, Reconciler } from '../../src/reconcile.ts'
import type { Command } from '../../src/state/command.ts'
import type { State } from '../../src/state/state.ts'
import { loadedState } from '../../src/state/state.ts'

const network = { id: 'n'.repeat(64), pool: 'p', prefix: '', group: 1, allow: [] }
const endpoint = { id: 'e'.repeat(64), network: network.id, pool: 'p', number: 1, address: 'fd00::1', published: [] }
const engine = 'ENGINE'

let now: number
let sent: Command[]
let docker: Inventory | Error
let remembered: string[]

beforeEach(() => {
  now = 1_000_000
  sent = []
  remembered = []
  docker = { engine, networks: new Set([network.id]), endpoints: new Set([endpoint.id]) }
})

function reconciler(known: string | undefined = engine): Reconciler {
  const stored = {
    networks: [network],
    endpoints: [endpoint],
    pools: [{ id: 'p', prefix: '', group: 1, reserved: 256 }],
  }
  return new Reconciler({
    state: loadedState(stored as unknown as Parameters<typeof loadedState>[0]) as State,
    submit: async command => {
      sent.push(command as Command)
      return undefined as never
    },
    inventory: async () => {
      if (docker instanceof Error) throw docker
      return docker
    },
    engine: known,
    rememberEngine: id => remembered.push(id),
    log: pino({ level: 'silent' }),
    now: () => now,
  })
}

const types = (): string[] => sent.map(({ type }) => type)

test('what Docker has stays', async () => {
  const one = reconciler()
  await one.look()
  now += GRACE_MS
  await one.look()
  assert.deepEqual(sent, [])
})

test('what Docker has no more goes after the grace period, as dockerd would have deleted it', async () => {
  docker = { engine, networks: new Set(), endpoints: new Set() }
  const one = reconciler()
  await one.look()
  now += GRACE_MS - 1
  await one.look()
  assert.deepEqual(sent, [])
  now += 1
  await one.look()
  assert.deepEqual(types(), ['leave', 'deleteEndpoint', 'releaseAddress', 'deleteNetwork'])
})

test('what comes back in between starts the grace period anew', async () => {
  const there = docker
  const gone = { engine, networks: new Set([network.id]), endpoints: new Set<string>() }
  const one = reconciler()
  for (const inventory of [gone, there, gone]) {
    docker = inventory
    await one.look()
    now += GRACE_MS - 1
  }
  docker = gone
  await one.look()
  assert.deepEqual(sent, [])
})

test('another engine has none of our networks, and is not believed', async () => {
  docker = { engine: 'OTHER', networks: new Set(['x'.repeat(64)]), endpoints: new Set() }
  const one = reconciler()
  for (let i = 0; i < 3; i++) {
    await one.look()
    now += GRACE_MS
  }
  assert.deepEqual([sent, remembered], [[], []])
})

test('the engine that has one of our networks is ours, and is remembered', async () => {
  docker = { engine: 'NEW', networks: new Set([network.id]), endpoints: new Set() }
  const one = reconciler('OLD')
  await one.look()
  now += GRACE_MS
  await one.look()
  assert.deepEqual(remembered, ['NEW'])
  assert.deepEqual(types(), ['leave', 'deleteEndpoint', 'releaseAddress'])
})

test('an engine that does not answer changes nothing', async () => {
  docker = new Error('connect ENOENT')
  const one = reconciler()
  await one.look()
  now += GRACE_MS
  await one.look()
  assert.deepEqual(sent, [])
})
