import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Batch } from 'nftables-js/netlink'
import { addVeth, listLinks, setLink } from '../../src/kernel/rtnetlink/link.ts'
import { Reaper } from '../../src/kernel/rtnetlink/reaper.ts'
import { type Netns, withNetns } from '../support/netns.ts'
import { far, near, send } from './rtnetlink-pair.ts'

const GROUP = 0x733634

function names(count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, number) => `s64-${first + number}`)
}

function make(ns: Netns, links: readonly string[]): void {
  using socket = ns.socket('route')
  for (const name of links) {
    socket.request(addVeth(new Batch(), { ...near, name }, { ...far, name: `p${name}` }))
    send(socket, batch => {
      setLink(batch, { name }, { up: true })
      setLink(batch, { name: `p${name}` }, { up: true })
    })
  }
}

/** The longest time in ms in which the event loop did not turn while `act` ran. */
async function longestStall(act: () => Promise<void>): Promise<number> {
  let last = performance.now()
  let longest = 0
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }, 1)
  await act()
  clearInterval(timer)
  return Math.max(longest, performance.now() - last)
}

it('a hundred links go without stalling the event loop', () =>
  withNetns(async ns => {
    using socket = ns.socket('route')
    const errors: unknown[] = []
    const reaper = new Reaper(socket, GROUP, error => errors.push(error))
    const stalls: number[] = []
    // The machine may be busy with something else: a Reaper that blocks would stall (for 50 ms and more) every time.
    for (let round = 0; round < 3 && !stalls.some(stall => stall < 30); round++) {
      make(ns, names(100))
      stalls.push(
        await longestStall(async () => {
          reaper.bury(names(100))
          await reaper.flush()
        }),
      )
      assert.deepEqual(listLinks(socket, { kind: 'veth' }), [])
    }
    assert.ok(Math.min(...stalls) < 30, `the event loop stood still for ${stalls} ms`)
    assert.deepEqual(errors, [])
  }))

it('links are buried by name, by index, twice, and when they are gone', () =>
  withNetns(async ns => {
    using socket = ns.socket('route')
    const errors: unknown[] = []
    const reaper = new Reaper(socket, GROUP, error => errors.push(error))
    make(ns, names(3))
    const [index] = listLinks(socket).flatMap(link => (link.name === 's64-1' ? [link.index] : []))
    assert.ok(index !== undefined)
    reaper.bury(['s64-0', index, 's64-0', 'nosuch', 9999])
    await reaper.flush()
    assert.deepEqual(
      listLinks(socket, { kind: 'veth' })
        .map(({ name }) => name)
        .sort(),
      ['ps64-2', 's64-2'],
    )
    assert.deepEqual(errors, [])
  }))

it('what an earlier process left in the group goes too', () =>
  withNetns(async ns => {
    make(ns, names(2))
    for (const name of names(2)) ns.ip(`link set dev ${name} group ${GROUP}`)
    using socket = ns.socket('route')
    await new Reaper(socket, GROUP, error => assert.fail(String(error))).flush()
    assert.deepEqual(listLinks(socket, { kind: 'veth' }), [])
  }))

it('a link that cannot be deleted is heard of and rejects flush', () =>
  withNetns(async ns => {
    using socket = ns.socket('route')
    const errors: unknown[] = []
    const reaper = new Reaper(socket, GROUP, error => errors.push(error))
    reaper.bury(['lo'])
    await assert.rejects(reaper.flush(), { code: 'EOPNOTSUPP', operation: `delete link group ${GROUP}` })
    assert.ok(errors.length > 0)
  }))
