// acl.*: one element of a set of policy entries comes and goes, in tables of several sizes, by slash64 and by a C program that sends the bare messages (floor/element.c).
import { Transaction } from 'nftables-js'
import { namedGroup } from '../../src/address/group.ts'
import { groupKey } from '../../src/address/plan.ts'
import type { Operation } from '../../src/dataplane/diff.ts'
import { allowPort, type ElementRow } from '../../src/dataplane/sets.ts'
import { Machine } from '../lab/machine.ts'
import { Host, TABLE } from '../support/host.ts'
import { inside } from '../support/inside.ts'
import { Floor } from './floor.ts'
import type { Bench, BenchContext, Row } from './row.ts'
import { inTurns, median, row } from './statistics.ts'

const SIZES = { 'acl.update_10': 10, 'acl.update_1k': 1000, 'acl.update_10k': 10_000, 'acl.update_100k': 100_000 }
const LOAD = 'acl.load_10k'
const LOADED = 10_000
/** Changes of one round. */
const CHANGES = 100
/** A table without an owner, so that the C program may write to it. */
const FLOOR = { family: 'inet', name: 'floor' } as const
const PEER = 'bare message in C'
const PORTS = 50_000

export const bench: Bench = {
  id: 'acl',
  ids: [...Object.keys(SIZES), LOAD],
  bars: [
    { id: 'acl.update_100k', of: 'ratio', atMost: 2 },
    { id: 'acl.update_100k', of: 'value', atMost: 2, times: 'acl.update_10' },
  ],
  rows,
}

async function rows(context: BenchContext): Promise<Row[]> {
  await using machine = await Machine.start({ name: 'bench-acl', forward: true })
  using host = new Host(inside(machine), '2001:db8:1:a::/64', {})
  host.apply()
  host.kernel.nft.commit(new Transaction().addTable(FLOOR).addSet(FLOOR, allowPort))
  await using floor = await Floor.start(machine, 'element', FLOOR.name, allowPort.name)
  // The load first: both sets are empty then.
  const load = context.only(LOAD) ? [await loads(context, host, floor)] : []
  const changes: Row[] = []
  for (const [id, size] of Object.entries(SIZES)) {
    if (!context.only(id)) continue
    await grow(host, size)
    const samples = await updates(context, id, host, floor)
    changes.push(row({ id, unit: 'us', peer: PEER, samples: samples.slash64, peerSamples: samples.floor }))
  }
  return [...changes, ...load]
}

/** One policy entry; `of` tells one kind of them from another. */
function entry(of: string, number: number): ElementRow {
  const [source, destination] = [`${of}${Math.floor(number / PORTS)}`, 'db']
  const key = [source, destination].map(name => groupKey(namedGroup(name).bits))
  return { set: 'allow_port', key: [...key, 'tcp', (number % PORTS) + 1], comment: `${source} -> ${destination}` }
}

/** Fills both tables up to `size` entries. Those that are there stay. */
async function grow(host: Host, size: number): Promise<void> {
  const elements = Array.from({ length: size }, (_, number) => entry('web', number))
  for (const table of [TABLE, FLOOR]) await host.kernel.nft.loadElements(table, allowPort, elements)
}

/** Microseconds of one change, a figure a round. */
function updates(
  { quick, progress }: BenchContext,
  id: string,
  host: Host,
  floor: Floor,
): Promise<Record<'slash64' | 'floor', number[]>> {
  let number = 0
  const change = (): number => {
    const item = { kind: 'element', ...entry('new', number++) } as const
    const added = timed(host, [{ verb: 'add', item }])
    return (added + timed(host, [{ verb: 'remove', item }])) / 2
  }
  const rounds = quick ? 15 : 40
  return inTurns(
    { rounds, progress: round => progress(`${id}: ${round} of ${rounds}`) },
    {
      slash64: async () => median(Array.from({ length: CHANGES }, change)),
      floor: async () => median(await floor.ask(`change ${CHANGES}`)),
    },
  )
}

/** The row of one transaction with 10,000 new entries. */
async function loads({ quick, progress }: BenchContext, host: Host, floor: Floor): Promise<Row> {
  const items = Array.from({ length: LOADED }, (_, number) => ({ kind: 'element', ...entry('new', number) }) as const)
  const rounds = quick ? 5 : 15
  const samples = await inTurns(
    { rounds, progress: round => progress(`${LOAD}: ${round} of ${rounds}`) },
    {
      slash64: async () => {
        const took = timed(
          host,
          items.map(item => ({ verb: 'add', item })),
        )
        timed(
          host,
          items.map(item => ({ verb: 'remove', item })),
        )
        return took / 1000
      },
      floor: async () => ((await floor.ask(`load ${LOADED}`))[0] ?? Number.NaN) / 1000,
    },
  )
  return row({ id: LOAD, unit: 'ms', peer: 'bare messages in C', samples: samples.slash64, peerSamples: samples.floor })
}

/** Microseconds that the kernel room takes for these operations. */
function timed(host: Host, operations: readonly Operation[]): number {
  const began = performance.now()
  host.kernel.apply(operations)
  return (performance.now() - began) * 1000
}
