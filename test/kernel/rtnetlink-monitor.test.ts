import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { NetlinkSocket } from 'nftables-js/netlink'
import { addAddress, deleteAddress } from '../../src/kernel/rtnetlink/address.ts'
import { deleteLink, setLink } from '../../src/kernel/rtnetlink/link.ts'
import { type Listeners, watch } from '../../src/kernel/rtnetlink/monitor.ts'
import { addNeighbour, deleteNeighbour } from '../../src/kernel/rtnetlink/neighbour.ts'
import { addRoute, deleteRoute } from '../../src/kernel/rtnetlink/route.ts'
import { addRule, deleteRule } from '../../src/kernel/rtnetlink/rule.ts'
import { far, near, PROTOCOL, send, withPair } from './rtnetlink-pair.ts'

/** Waits until `log` holds `entry`; fails after 2 seconds with what it holds instead. */
async function seen(log: readonly string[], entry: string): Promise<void> {
  for (let tries = 0; tries < 200 && !log.includes(entry); tries++) await sleep(10)
  assert.ok(log.includes(entry), `no "${entry}" in ${JSON.stringify(log)}`)
}

function recorder(log: string[]): Listeners {
  return {
    link: (link, change) => log.push(`link ${link.name} ${change} ${link.up ? 'up' : 'down'}`),
    address: (address, change) => log.push(`address ${address.address} ${change}`),
    route: (route, change) => log.push(`route ${route.destination} ${change} ${route.table}`),
    neighbour: (neighbour, change) => log.push(`neighbour ${neighbour.address} ${change}`),
    rule: (rule, change) => log.push(`rule ${rule.priority} ${change}`),
    overflow: () => log.push('overflow'),
  }
}

it('every kind of change is told, with what changed', () =>
  withPair(async (ns, socket, { index }) => {
    const log: string[] = []
    using events = ns.socket('route')
    watch(events, recorder(log))
    const address = { index, address: '2001:db8::3', prefixLength: 128 }
    const route = { index, destination: '2001:db8:1::/64', protocol: PROTOCOL }
    const neighbour = { index, address: '2001:db8::9' }
    const rule = { table: 1000, priority: 100 }
    send(socket, batch => {
      addAddress(batch, { ...address, nodad: true })
      addRoute(batch, route)
      addNeighbour(batch, { ...neighbour, mac: far.mac })
      addRule(batch, rule)
    })
    // The kernel tells of a new address from a work queue, and not at all when it is gone by then.
    await seen(log, 'address 2001:db8::3 new')
    send(socket, batch => {
      deleteRule(batch, rule)
      deleteNeighbour(batch, neighbour)
      deleteRoute(batch, route)
      deleteAddress(batch, address)
      setLink(batch, near, { up: false })
      deleteLink(batch, near)
    })
    await seen(log, `link ${near.name} deleted down`)
    const order = ['address 2001:db8::3', 'route 2001:db8:1::/64', 'neighbour 2001:db8::9', 'rule 100']
    for (const what of order) {
      const entries = log.filter(entry => entry.startsWith(`${what} `) && !entry.endsWith(' 255'))
      const changes = entries.map(entry => entry.slice(what.length + 1).split(' ')[0])
      assert.deepEqual([changes[0], changes.at(-1)], ['new', 'deleted'], what)
    }
    assert.ok(log.includes(`link ${near.name} new down`))
    assert.ok(!log.includes('overflow'))
  }))

it('only what has a listener is told, and a bridge that loses a port deletes no link', () =>
  withPair(async (ns, socket, { index }) => {
    const log: string[] = []
    using events = ns.socket('route')
    watch(events, { link: (link, change) => log.push(`${link.name} ${change}`), overflow: () => log.push('overflow') })
    ns.ip('link add name br0 type bridge')
    ns.ip('link set dev s64near master br0')
    ns.ip('link set dev s64near nomaster')
    send(socket, batch => addAddress(batch, { index, address: '2001:db8::3', prefixLength: 128, nodad: true }))
    ns.ip('link delete dev br0')
    await seen(log, 'br0 deleted')
    assert.deepEqual(
      log.filter(entry => entry.endsWith(' deleted')),
      ['br0 deleted'],
    )
  }))

it('a listener that falls behind is told of the overflow, and goes on hearing', () =>
  withPair(async (ns, socket) => {
    const log: string[] = []
    using events = ns.enter(() => NetlinkSocket.open('route', { receiveBuffer: 4096 }))
    watch(events, recorder(log))
    send(socket, batch => {
      for (let number = 0; number < 50; number++) setLink(batch, near, { alias: `alias ${number}` })
    })
    await seen(log, 'overflow')
    send(socket, batch => setLink(batch, near, { up: false }))
    await seen(log, `link ${near.name} new down`)
  }))

it('notifications survive a garbage collection', () =>
  withPair(async (ns, socket) => {
    const log: string[] = []
    using events = ns.socket('route')
    watch(events, recorder(log))
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    for (const alias of ['one', 'two', 'three']) {
      send(socket, batch => setLink(batch, near, { alias }))
      await seen(log, `link ${near.name} new up`)
      log.length = 0
      collect()
      // Finalizers run in a later turn of the event loop.
      await sleep(10)
    }
  }))
