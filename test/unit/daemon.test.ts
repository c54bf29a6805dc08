import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import fc from 'fast-check'
import { pino } from 'pino'
import { CREATION_MS, Daemon } from '../../src/daemon.ts'
import type { Item } from '../../src/dataplane/item.ts'
import { prefixItems, project } from '../../src/dataplane/project.ts'
import type { Command, CommandOf, CommandType, Replies } from '../../src/state/command.ts'
import type { PoolId } from '../../src/state/model.ts'
import { emptyState, loadedState, type State } from '../../src/state/state.ts'
import {
  addressIn,
  check,
  contextOf,
  createEndpoint,
  createNetwork,
  deleteEndpoint,
  deleteNetwork,
  join,
  leave,
  networkId,
  optionsOf,
  PREFIX,
  poolOf,
  published,
  releaseAddress,
  releasePool,
  requestAddress,
  requestPool,
} from '../support/commands.ts'
import { dumpOf, FakeKernel } from '../support/fake-kernel.ts'
import { FakeStore } from '../support/fake-store.ts'
import { conversation } from '../support/sequences.ts'

const HOST: readonly Item[] = [{ kind: 'table', family: 'inet', name: 'slash64', digest: 'd' }, ...prefixItems(PREFIX)]
const WEB = poolOf('web')
const ONE = addressIn(WEB, 1)
const SANDBOX = '/var/run/docker/netns/14489458cf8c'
const options = { group: 'web', allow: 'db:80,api:1-300' }

/** A whole life: a network, a container in it, and the end of both. */
const LIFE: readonly Command[] = [
  check(options),
  requestPool(),
  createNetwork(1, WEB, { options: optionsOf(options) }),
  requestAddress(WEB),
  createEndpoint(1, 1, `${ONE}/128`),
  join(1, 1, SANDBOX, [published(80), published(443)]),
  leave(1, 1),
  deleteEndpoint(1, 1),
  releaseAddress(WEB, ONE),
  createEndpoint(1, 2, `${ONE}/128`),
  join(1, 2, '/var/run/docker/netns/2', [published(80)]),
  releasePool(WEB),
  deleteNetwork(1),
]

class Place {
  readonly kernel = new FakeKernel(HOST)
  readonly store = new FakeStore()
  readonly lines: { level: number; msg: string }[] = []
  state: State = emptyState()
  daemon: Daemon
  #random = 0

  constructor() {
    this.daemon = this.#start()
  }

  #start(): Daemon {
    const { state, kernel, store } = this
    const log = pino({ base: null }, { write: (line: string) => this.lines.push(JSON.parse(line)) })
    const context = () => contextOf({ random: this.#random++ })
    return new Daemon({ state, kernel, store, context, log })
  }

  /** The daemon dies; another one loads what is stored. */
  crash(): void {
    this.state = loadedState(this.store.load())
    this.daemon = this.#start()
  }

  submit<T extends CommandType>(command: CommandOf<T>): Promise<Replies[T]> {
    return this.daemon.submit(command)
  }

  /** A copy of everything that there is. */
  dump() {
    return structuredClone({ kernel: this.kernel.dump(), store: this.store.load(), state: this.state })
  }

  async live(commands: readonly Command[]): Promise<void> {
    for (const command of commands) await this.submit(command as never)
  }
}

/** Lets everything go on that waits for promises only. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

/** Whether a promise is still waiting. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  promise.then(
    () => (pending = false),
    () => (pending = false),
  )
  await settle()
  return pending
}

describe('a command', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  it('reaches kernel, store and state before its reply', async () => {
    const place = new Place()
    await place.live(LIFE.slice(0, 6))
    const { kernel, store } = place.dump()
    assert.deepEqual(kernel, dumpOf(project(place.state, HOST)))
    assert.equal(kernel[`route ${ONE}`], 's64000000000001')
    assert.deepEqual([store.networks.length, store.endpoints.length, store.pools.length], [1, 1, 1])
    assert.deepEqual(store.endpoints[0], place.state.endpoints.get(LIFE_ENDPOINT))
  })

  it('leaves nothing behind at the end of a life', async () => {
    const place = new Place()
    const before = place.dump()
    await place.live(LIFE)
    assert.deepEqual(place.dump(), before)
  })

  it('opens the way in last, and closes it first', async () => {
    const place = new Place()
    await place.live(LIFE.slice(0, 5))
    const kinds = async (command: Command) => {
      place.kernel.performed.length = 0
      await place.submit(command as never)
      return place.kernel.performed.map(({ verb, item }) => `${verb} ${item.kind === 'element' ? item.set : item.kind}`)
    }
    const joined = await kinds(LIFE[5] as Command)
    assert.deepEqual([joined[0], joined.at(-1)], ['add link', 'add links'])
    const left = await kinds(LIFE[6] as Command)
    assert.equal(left[0], 'remove links')
    assert.ok(!left.includes('remove link'), 'the link goes with DeleteEndpoint')
    assert.deepEqual(await kinds(LIFE[7] as Command), ['remove link'])
  })

  it('is decided, done and stored at once: nobody comes in between', async () => {
    const place = new Place()
    await place.live(LIFE.slice(0, 3))
    const answers = await Promise.all([1, 2, 3, 4].map(() => place.submit(requestAddress(WEB))))
    assert.deepEqual(
      answers.map(({ address }) => address),
      [1, 2, 3, 4].map(number => `${addressIn(WEB, number)}/128`),
    )
  })

  it('logs what has no meaning here', async () => {
    const place = new Place()
    await place.live(LIFE.slice(0, 5))
    await place.submit(join(1, 1, SANDBOX, [published(80, { hostPort: 8080, hostPortEnd: 8080 })]))
    assert.deepEqual(
      place.lines.map(({ level, msg }) => [level, /host port 8080 has no meaning/.test(msg)]),
      [[40, true]],
    )
  })
})

describe('a command that fails', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  it('changes nothing, at whichever step of the kernel it fails', async () => {
    let injected = 0
    for (const [index, command] of LIFE.entries()) {
      for (let steps = 0; ; steps++) {
        const place = new Place()
        await place.live(LIFE.slice(0, index))
        const before = place.dump()
        place.kernel.failAfter(steps)
        const failed = await place.submit(command as never).then(
          () => false,
          error => /injected/.test(String(error)),
        )
        if (!failed) break
        injected++
        assert.deepEqual(unopened(place), { ...before, ...closed(before) }, `${command.type}, step ${steps}`)
      }
    }
    assert.equal(injected, 28, 'every step of the kernel failed once')
  })

  it('changes nothing where its promise cannot be written, and then is done when repeated', async () => {
    for (const [index, command] of LIFE.entries()) {
      const place = new Place()
      await place.live(LIFE.slice(0, index))
      const before = place.dump()
      place.store.failures = 1
      await assert.rejects(place.submit(command as never), /no space left/)
      assert.deepEqual(unopened(place), { ...before, ...closed(before) }, command.type)
      const again = command.type === 'requestPool' || command.type === 'createNetwork' ? LIFE.slice(0, index) : []
      await place.live([...again, command])
      const other = new Place()
      await other.live(LIFE.slice(0, index + 1))
      assert.deepEqual(place.dump(), other.dump(), command.type)
    }
  })

  it('of a network creation ends the creation even where the disk stays full', async () => {
    const place = new Place()
    await place.live(LIFE.slice(0, 2))
    place.store.failures = 2
    await assert.rejects(place.submit(LIFE[2] as never), /no space left/)
    assert.equal(place.state.creation, undefined)
    assert.ok(place.lines.some(({ level, msg }) => level === 50 && /could not be released/.test(msg)))
    assert.equal(await isPending(place.submit(check({ group: 'db' }))), false, 'the next creation begins')
    await place.live([requestPool(), createNetwork(2, poolOf('db'), { options: optionsOf({ group: 'db' }) })])
    mock.timers.tick(CREATION_MS)
  })

  it('is told with the words of whoever refused', async () => {
    const place = new Place()
    await assert.rejects(place.submit(createEndpoint(1, 1, '')), { code: 'NETWORK_UNKNOWN' })
    await assert.rejects(place.submit(requestPool()), { code: 'POOL_FOREIGN' })
  })

  it('now and then leaves the kernel as the state wants it, whatever the engine says', async () => {
    const fault = fc.oneof(fc.record({ steps: fc.nat({ max: 12 }) }), fc.constant({ store: true }))
    await fc.assert(
      fc.asyncProperty(
        conversation,
        fc.infiniteStream(fc.option(fault, { nil: undefined })),
        async (events, faults) => {
          const place = new Place()
          for (const event of events) {
            if (event.type === 'crash') place.crash()
            if (event.type === 'crash' || event.type === 'wait') continue
            const { value } = faults.next()
            place.kernel.failAfter(value?.steps ?? Number.POSITIVE_INFINITY)
            place.store.failures = value?.store ? 1 : 0
            const before = dumpOf(project(place.state, HOST))
            const work = place.submit(event as never).catch(() => 'failed')
            if (event.type === 'checkGatewayAllocation' && (await isPending(work))) mock.timers.tick(CREATION_MS)
            const failed = (await work) === 'failed'
            assert.deepEqual(place.kernel.dump(), dumpOf(project(place.state, HOST)), event.type)
            if (failed) assert.deepEqual(place.kernel.dump(), before)
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})

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
    ['a CreateNetwork with another IPAM', [check({ group: 'web' }), createNetwork(1, 'fd00::/64')], 'POOL_INVALID'],
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

  it('do not end in a crash: the next daemon begins with none', async () => {
    const place = new Place()
    await place.live([check({ group: 'web' }), requestPool()])
    place.crash()
    assert.equal(await create(place, 1, { group: 'web' }), WEB)
  })
})

const LIFE_ENDPOINT = createEndpoint(1, 1, '').endpoint

function withGateway(): Command {
  return createNetwork(1, WEB, { ipv6: [{ pool: WEB, gateway: `${ONE}/112`, auxiliary: [] }] })
}

/** The dump of a place whose failed command may have ended a creation, as if none had been open. */
function unopened(place: Place) {
  const dump = place.dump()
  return { ...dump, ...closed(dump) }
}

/** State and store without an open creation: what dockerd's giving up leaves of them. */
function closed({ state, store }: ReturnType<Place['dump']>) {
  const idle = new Set([...state.pools.values()].filter(use => use.networks.size === 0).map(use => use.pool.id))
  const pools = new Map([...state.pools].filter(([id]) => !idle.has(id)))
  return {
    state: { ...state, creation: undefined, pools },
    store: { ...store, pools: store.pools.filter(pool => !idle.has(pool.id)) },
  }
}
