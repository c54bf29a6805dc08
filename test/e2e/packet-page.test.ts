// docs/packet.md is drawn from packets: every picture is what the kernels of two hosts said of one. Set UPDATE_GOLDEN=1 to draw them anew.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Topology } from '../lab/topology.ts'
import { addressOf } from '../support/container.ts'
import {
  containerPlace,
  drawContainer,
  drawHost,
  drawWay,
  machinePlace,
  Names,
  type Stop,
} from '../support/packet-page.ts'
import { assertGenerated } from '../support/reference.ts'
import { createNetwork, idle, probe, probeFrom, serve } from '../support/stage.ts'
import { Tracer, type Visit } from '../support/trace.ts'
import { TwoHosts } from '../support/two-hosts.ts'

const COLUMNS = 100

const stage = await TwoHosts.up()
after(() => stage[Symbol.asyncDispose]())
const { a, b, topology } = stage
await stage.b.stopSlash64()
await stage.startB({ SLASH64_UPLINKS: '' })
await settle()
const web1 = await addressOf(a, 'web-1', 'web')
const web2 = await addressOf(b, 'web-2', 'web')
const db1 = await addressOf(b, 'db-1', 'db')
const world = Topology.internetAddress

const names = new Names()
const places = {
  a: machinePlace(a),
  b: machinePlace(b),
  router: machinePlace(topology.router),
  world: machinePlace(topology.internet),
  web1: await containerPlace(a, 'web-1'),
  web2: await containerPlace(b, 'web-2'),
  db1: await containerPlace(b, 'db-1'),
}
names.learn(places.a, places.web1, 'web', web1)
names.learn(places.b, places.web2, 'web', web2)
names.learn(places.b, places.db1, 'db', db1)

async function settle(): Promise<void> {
  await Promise.all([
    createNetwork(a, 'web', '-o', 'group=web'),
    createNetwork(b, 'web', '-o', 'group=web').then(() =>
      createNetwork(b, 'db', '-o', 'group=db', '-o', 'allow=web:5432'),
    ),
  ])
  await Promise.all([
    serve(a, 'web-1', 'web', [443], '-p', '443:443'),
    idle(b, 'web-2', 'web'),
    serve(b, 'db-1', 'db', [22, 5432]),
  ])
}

interface Flow {
  readonly client: string
  readonly server: string
  readonly port: number
}

/** The first packet of a flow on a host with exactly these flags, in the flow's own direction or as an answer. */
function seen(tracer: Tracer, { client, server, port }: Flow, flags: string, answer = false): Promise<Visit> {
  const [source, destination] = answer ? [server, client] : [client, server]
  return tracer.find(`${flags} from ${source} to ${destination}`, visit => {
    const ends = visit.source === source && visit.destination === destination
    return ends && (answer ? visit.sourcePort : visit.destinationPort) === port && visit.flags.join(' ') === flags
  })
}

const there = ({ client, server }: Flow) => ({ source: client, destination: server })
const back = ({ client, server }: Flow) => ({ source: server, destination: client })

/** One picture under its caption. Throws when a line is too long for a terminal. */
function picture(...drawn: readonly (readonly [caption: string, text: string])[]): string {
  const blocks = drawn.map(([caption, text]) => `${caption}\n\n\`\`\`text\n${text}\n\`\`\``)
  for (const line of blocks.join('\n').split('\n')) assert.ok(line.length <= COLUMNS, `${line.length} columns: ${line}`)
  return blocks.join('\n\n')
}

const draw = (flow: ReturnType<typeof there>, ...stops: readonly Stop[]): string => drawWay(names, flow, stops)

async function sameHost(tracer: Tracer): Promise<string> {
  const flow: Flow = { client: web2, server: db1, port: 5432 }
  const [found] = await probe(b, 'web-2', [{ protocol: 'tcp', address: db1, port: 5432 }])
  assert.equal(found?.answer, web2)
  const [syn, answer, next] = await Promise.all([
    seen(tracer, flow, 'syn'),
    seen(tracer, flow, 'syn ack', true),
    seen(tracer, flow, 'ack'),
  ])
  const way = (visit: Visit): Stop[] => [
    { place: places.web2 },
    { place: places.b, link: ['net0', 's64-web-2'], visit },
    { place: places.db1, link: ['s64-db-1', 'net0'] },
  ]
  const home: Stop[] = [
    { place: places.db1 },
    { place: places.b, link: ['net0', 's64-db-1'], visit: answer },
    { place: places.web2, link: ['s64-web-2', 'net0'] },
  ]
  return picture(
    ['The first packet, SYN:', draw(there(flow), ...way(syn))],
    ['Its answer, SYN ACK:', draw(back(flow), ...home)],
    ['The next one of the client, ACK:', draw(there(flow), ...way(next))],
  )
}

async function twoHosts(onA: Tracer, onB: Tracer): Promise<string> {
  const flow: Flow = { client: web1, server: db1, port: 5432 }
  const [found] = await probe(a, 'web-1', [{ protocol: 'tcp', address: db1, port: 5432 }])
  assert.equal(found?.answer, web1)
  const [leaves, arrives] = [await seen(onA, flow, 'syn'), await seen(onB, flow, 'syn')]
  const [answered, home] = [await seen(onB, flow, 'syn ack', true), await seen(onA, flow, 'syn ack', true)]
  return picture(
    [
      'The first packet, SYN:',
      draw(
        there(flow),
        { place: places.web1 },
        { place: places.a, link: ['net0', 's64-web-1'], visit: leaves },
        { place: places.router, link: ['eth0', 'host-a'] },
        { place: places.b, link: ['host-b', 'eth0'], visit: arrives },
        { place: places.db1, link: ['s64-db-1', 'net0'] },
      ),
    ],
    [
      'Its answer, SYN ACK:',
      draw(
        back(flow),
        { place: places.db1 },
        { place: places.b, link: ['net0', 's64-db-1'], visit: answered },
        { place: places.router, link: ['eth0', 'host-b'] },
        { place: places.a, link: ['host-a', 'eth0'], visit: home },
        { place: places.web1, link: ['s64-web-1', 'net0'] },
      ),
    ],
  )
}

async function published(tracer: Tracer): Promise<string> {
  const flow: Flow = { client: world, server: web1, port: 443 }
  const [found] = await probeFrom(topology.internet, [{ protocol: 'tcp', address: web1, port: 443 }])
  assert.equal(found?.answer, world)
  const [syn, answer] = [await seen(tracer, flow, 'syn'), await seen(tracer, flow, 'syn ack', true)]
  return picture(
    [
      'The first packet, SYN:',
      draw(
        there(flow),
        { place: places.world },
        { place: places.router, link: ['eth0', 'internet'] },
        { place: places.a, link: ['host-a', 'eth0'], visit: syn },
        { place: places.web1, link: ['s64-web-1', 'net0'] },
      ),
    ],
    [
      'Its answer, SYN ACK:',
      draw(
        back(flow),
        { place: places.web1 },
        { place: places.a, link: ['net0', 's64-web-1'], visit: answer },
        { place: places.router, link: ['eth0', 'host-a'] },
        { place: places.world, link: ['internet', 'eth0'] },
      ),
    ],
  )
}

async function denied(tracer: Tracer): Promise<string> {
  const flow: Flow = { client: web2, server: db1, port: 22 }
  const [found] = await probe(b, 'web-2', [{ protocol: 'tcp', address: db1, port: 22 }])
  assert.equal(found?.outcome, 'ECONNREFUSED')
  const [syn, reset] = [await seen(tracer, flow, 'syn'), await seen(tracer, flow, 'rst ack', true)]
  return picture(
    [
      'The packet, SYN:',
      draw(there(flow), { place: places.web2 }, { place: places.b, link: ['net0', 's64-web-2'], visit: syn }),
    ],
    [
      "The host's answer in the name of the server, RST ACK:",
      draw(back(flow), { place: places.b, visit: reset }, { place: places.web2, link: ['s64-web-2', 'net0'] }),
    ],
  )
}

async function closed(tracer: Tracer): Promise<string> {
  const flow: Flow = { client: world, server: web1, port: 22 }
  const [found] = await probeFrom(topology.internet, [{ protocol: 'tcp', address: web1, port: 22, patience: 300 }])
  assert.equal(found?.outcome, 'timeout')
  const syn = await seen(tracer, flow, 'syn')
  return picture([
    'The packet, SYN:',
    draw(
      there(flow),
      { place: places.world },
      { place: places.router, link: ['eth0', 'internet'] },
      { place: places.a, link: ['host-a', 'eth0'], visit: syn },
    ),
  ])
}

test('docs/packet.md shows what happens', async () => {
  await using onA = await Tracer.open(a)
  await using onB = await Tracer.open(b)
  const pictures = [
    await sameHost(onB),
    await twoHosts(onA, onB),
    await published(onA),
    await denied(onB),
    await closed(onA),
  ]
  const [same, across, open, refused, dropped] = pictures
  const held = [places.web2, places.db1].map(place => drawContainer(names, place))
  assertGenerated('packet.md', {
    containers: `\`\`\`text\n${held.join('\n\n')}\n\`\`\``,
    hosts: `\`\`\`text\n${[places.a, places.b].map(place => drawHost(names, place)).join('\n\n')}\n\`\`\``,
    'same host': same ?? '',
    'two hosts': across ?? '',
    'published port': open ?? '',
    denied: refused ?? '',
    'closed to the world': dropped ?? '',
  })
})
