// The edge filter of docs/security.md, on the router in front of two hosts: without it a forged datagram gets in, with it none does.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { repository } from '../lab/setup.ts'
import { assertArrives, token } from '../support/forged.ts'
import { Door, inside, insideContainer } from '../support/inside.ts'
import { ip6, udp } from '../support/packet.ts'
import { capture } from '../support/packet-socket.ts'
import { probe, probeFrom } from '../support/stage.ts'
import { TwoHosts } from '../support/two-hosts.ts'

const stage = await TwoHosts.up()
after(() => stage[Symbol.asyncDispose]())
const { a, b, topology } = stage
const { router, internet } = topology
const { front, store } = await stage.settle()
const target = { host: b, ns: await insideContainer(b, 'store'), address: store, port: 5432 }

/** The rules of the page, for the links of this router. */
function edgeRules(): string {
  const page = readFileSync(join(repository, 'docs/security.md'), 'utf8')
  const [, rules = ''] = /^```nft\n(.*?)^```$/ms.exec(page) ?? []
  assert.match(rules, /iifname "wan0"/)
  return rules.replaceAll('"wan0"', '"internet"')
}

/** Packets that the router's rules with this comment have dropped. */
async function dropped(comment: string): Promise<number> {
  const chain = await router.check(['nft', 'list', 'chain', 'inet', 'edge', 'prerouting'])
  return Number(new RegExp(`counter packets (\\d+) bytes \\d+ drop comment "${comment}"`).exec(chain)?.[1])
}

async function assertDropped(door: Door, rule: string): Promise<void> {
  const data = token()
  using there = capture(target.ns, 'net0', frame => frame.bytes.includes(data))
  const before = await dropped(rule)
  door.send(ip6({ source: front, destination: store }, udp({ sport: 40_001, dport: 5432, data })))
  assert.equal(await there.first(100), undefined, 'the forged datagram arrived')
  assert.equal((await dropped(rule)) - before, 1)
}

test('a member of group web, forged in the internet, gets in without an edge filter and not with it', async () => {
  using world = Door.open(inside(internet), 'eth0', inside(router), 'internet')
  await assertArrives(target, world, front)
  await router.check(['nft', '-f', '-'], { input: edgeRules() })
  await assertDropped(world, 'the fleet from the world')
})

test('a host of the fleet is kept to its own prefix', async () => {
  using other = Door.open(inside(b), 'eth0', inside(router), 'host-b')
  await assertDropped(other, 'not host-b')
})

test('honest packets pass the filter: between the hosts, and from the world to what is published', async () => {
  const [allowed] = await probe(a, 'front', [{ protocol: 'tcp', address: store, port: 5432 }])
  assert.equal(allowed?.answer, front)
  const [published] = await probeFrom(internet, [{ protocol: 'tcp', address: store, port: 8443 }])
  assert.equal(published?.outcome, 'answered')
})
