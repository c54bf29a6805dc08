// At most one link is born in a sandbox: its mark, and the daemon that goes by it.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pino } from 'pino'
import { movedName } from '../../src/address/plan.ts'
import { Daemon } from '../../src/daemon.ts'
import type { Command, CommandOf, CommandType, Replies } from '../../src/state/command.ts'
import { loadedState } from '../../src/state/state.ts'
import {
  contextOf,
  createEndpoint,
  deleteEndpoint,
  endpointId,
  join,
  leave,
  settle,
  World,
} from '../support/commands.ts'
import { FakeStore } from '../support/fake-store.ts'
import type { Host } from '../support/host.ts'
import { withHost } from '../support/two-groups.ts'

/** One daemon after the other on a real kernel, and the engine's side of it. */
class Engine {
  readonly store = new FakeStore()
  readonly #host: Host
  #daemon: Daemon

  constructor(host: Host) {
    this.#host = host
    this.#daemon = this.#start()
  }

  #start(): Daemon {
    const { kernel } = this.#host
    const parts = { kernel, store: this.store, context: () => contextOf(), log: pino({ level: 'silent' }) }
    return new Daemon({ ...parts, state: loadedState(this.store.load()) })
  }

  restart(): void {
    this.#daemon = this.#start()
  }

  submit<T extends CommandType>(command: CommandOf<T>): Promise<Replies[T]> {
    return this.#host.ns.enter(() => this.#daemon.submit(command))
  }

  /** Networks 1 to `count` with an endpoint of the same number each. */
  async arrange(count: number): Promise<void> {
    const world = new World()
    for (let n = 1; n <= count; n++) world.endpoint(n, n, world.network(n, `group${n}`))
    const { networks, pools } = world.store.load()
    this.store.write(pools.map(after => ({ kind: 'pool', id: after.id, before: undefined, after })))
    this.store.write(networks.map(after => ({ kind: 'network', id: after.id, before: undefined, after })))
    this.restart()
    for (const { id, address } of world.state.endpoints.values()) {
      const n = Number.parseInt(id.slice(0, 12), 16)
      await this.submit(createEndpoint(n, n, `${address}/128`))
    }
  }
}

suite('the mark of a sandbox', () => {
  test('says that a link was born in it, also when it is gone', () =>
    withHost(async (host, [, , sandbox, fresh]) => {
      assert.ok(sandbox && fresh)
      const marked = (path: string): boolean => host.ns.enter(() => host.kernel.isMarked(path))
      assert.equal(marked(sandbox.path), false)
      host.endpoint('one', 'web', 7, sandbox)
      host.apply()
      assert.equal(marked(sandbox.path), true)
      host.change('one', undefined)
      host.apply()
      await host.kernel.flush()
      assert.doesNotMatch(sandbox.ip('-o link'), /net0/)
      assert.equal(marked(sandbox.path), true)
      for (const path of [fresh.path, '/run/netns/s64test-none', import.meta.filename, ''])
        assert.equal(marked(path), false, path)
    }))

  test('keeps a second link from being born, whatever came, went or was restarted in between', () =>
    withHost(async (host, [, , sandbox]) => {
      assert.ok(sandbox)
      const engine = new Engine(host)
      await engine.arrange(5)
      /** Joins, and does the engine's part where there is one. */
      const joins = async (n: number, name: string): Promise<void> => {
        const { moved } = await engine.submit(join(n, n, sandbox.path))
        assert.equal(moved?.link, movedName(endpointId(n)), `${n} is moved`)
        assert.equal(moved?.namePrefix, name.replace('0', ''))
        host.ns.ip(`link set ${moved.link} netns ${sandbox.name}`)
        sandbox.ip(`link set ${moved.link} name ${name}`)
        sandbox.ip(`link set ${name} up`)
        sandbox.ip(`route add ${moved.connected} dev ${name}`)
        await engine.submit(settle(n, n))
      }
      const goes = async (n: number): Promise<void> => {
        for (const command of [leave(n, n), deleteEndpoint(n, n)] as Command[]) await engine.submit(command as never)
        await host.kernel.flush()
      }
      const links = (): string[] =>
        sandbox
          .json('link')
          .map(row => String(row['ifname']))
          .toSorted()

      assert.equal((await engine.submit(join(1, 1, sandbox.path))).moved, undefined)
      await joins(2, 'netx0')
      assert.deepEqual(links(), ['lo', 'net0', 'netx0'])
      await goes(1)
      await joins(3, 'nety0')
      await goes(2)
      await goes(3)
      assert.deepEqual(links(), ['lo'])
      await joins(4, 'netx0')
      engine.restart()
      await goes(4)
      await joins(5, 'netx0')
      assert.deepEqual(host.errors, [])
    }))
})
