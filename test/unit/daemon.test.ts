import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import fc from 'fast-check'
import { CREATION_MS } from '../../src/daemon.ts'
import { project } from '../../src/dataplane/project.ts'
import type { Command } from '../../src/state/command.ts'
import {
  addressIn,
  check,
  createEndpoint,
  createNetwork,
  join,
  optionsOf,
  poolOf,
  published,
  requestAddress,
  requestPool,
} from '../support/commands.ts'
import { dumpOf } from '../support/fake-kernel.ts'
import { HOST, isPending, LIFE, ONE, Place, SANDBOX, WEB } from '../support/place.ts'
import { conversation } from '../support/sequences.ts'

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
    assert.equal(injected, 32, 'every step of the kernel failed once')
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

const LIFE_ENDPOINT = createEndpoint(1, 1, '').endpoint

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
