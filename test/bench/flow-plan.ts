// Which rows the traffic makes, and who has to be measured for them.
import { type Line, measure, type Traffic } from './flow-line.ts'
import type { BenchContext, Row, Unit } from './row.ts'
import { inTurns, row } from './statistics.ts'

/** Who carries traffic. `many`: slash64 with 10,000 more policy entries; the ones with `hosts` carry it from one host to another one. */
export type Carrier =
  | 'slash64'
  | 'many'
  | 'plain'
  | 'untracked'
  | 'engine'
  | 'linear'
  | 'bridge'
  | 'routed'
  | 'macvlan'
  | 'slash64 hosts'
  | 'plain hosts'
  | 'overlay hosts'

/** What one row is made of. */
export interface Plan {
  readonly id: string
  readonly ours: Carrier
  readonly theirs: Carrier
  readonly peer: string
}

/** What is measured, and the rows of it: all carriers of one measure take turns. */
export interface Measure extends Traffic {
  readonly id: string
  readonly unit: Unit
  readonly plans: readonly Plan[]
}

/**
 * Where client and server wait for each other they share a processor: the figure then is what the packets cost, and not how long an idle processor
 * takes to wake.
 */
const MEASURES = [
  { id: 'flow.throughput', kind: 'stream', streams: 1, cpus: [0, 1], unit: 'Mbit/s' },
  { id: 'flow.throughput_8', kind: 'stream', streams: 8, cpus: [0, 1], unit: 'Mbit/s' },
  { id: 'flow.rr', kind: 'turns', streams: 1, cpus: [0, 0], unit: '1/s' },
  { id: 'flow.pps', kind: 'packets', streams: 1, cpus: [0, 1], unit: '1/s' },
  { id: 'flow.cps', kind: 'connect', streams: 1, cpus: [0, 0], unit: '1/s' },
] as const
/** The same with a processor for each, as mostly in real life: for the picture. */
const APART = [
  { ...MEASURES[2], id: 'flow.rr.two_cpus', cpus: [0, 1] },
  { ...MEASURES[4], id: 'flow.cps.two_cpus', cpus: [0, 1] },
] as const

/** The end of a row's id, and the rest of its plan. */
type Ending = readonly [ending: string, ours: Carrier, theirs: Carrier, peer: string]

const FLOOR: Ending = ['', 'slash64', 'plain', 'plain routed veth']
const ONE_HOST: readonly Ending[] = [
  FLOOR,
  ['.untracked', 'slash64', 'untracked', 'plain veth, no connection tracking'],
  ['.engine', 'slash64', 'engine', 'plain veth beside an idle Docker Engine'],
  ['.bridge', 'slash64', 'bridge', 'user-defined bridge'],
  ['.routed', 'slash64', 'routed', 'built-in routed mode'],
  ['.macvlan', 'slash64', 'macvlan', 'macvlan'],
]
const ENTRIES: readonly Ending[] = [
  ['_10k', 'many', 'plain', 'plain routed veth'],
  ['_10k.linear', 'many', 'linear', 'plain veth, 10,000 linear rules'],
]
const TWO_HOSTS: readonly Ending[] = [
  ['.hosts', 'slash64 hosts', 'plain hosts', 'bare routing, two hosts'],
  ['.overlay', 'slash64 hosts', 'overlay hosts', 'swarm overlay, two hosts'],
]

function measures(all: readonly Omit<Measure, 'plans'>[], rowsOf: (id: string) => readonly Ending[]): Measure[] {
  return all.map(one => ({
    ...one,
    plans: rowsOf(one.id).map(([ending, ours, theirs, peer]) => ({ id: `${one.id}${ending}`, ours, theirs, peer })),
  }))
}

export const oneHost: readonly Measure[] = [
  ...measures(MEASURES, id => (id === 'flow.cps' ? [...ONE_HOST, ...ENTRIES] : ONE_HOST)),
  ...measures(APART, () => [FLOOR]),
]
export const twoHosts: readonly Measure[] = measures(MEASURES, () => TWO_HOSTS)

/** Ids of all rows of these measures. */
export function idsOf(all: readonly Measure[]): string[] {
  return all.flatMap(({ plans }) => plans.map(({ id }) => id))
}

/** Whom the rows need that `only` wants. */
export function carriersOf(all: readonly Measure[], only: BenchContext['only']): Set<Carrier> {
  return new Set(
    all.flatMap(({ plans }) => plans.filter(({ id }) => only(id)).flatMap(({ ours, theirs }) => [ours, theirs])),
  )
}

/** A carrier that is ready. `around`: what has to be so while it is measured. */
export interface Ready {
  readonly line: Line
  readonly around?: { readonly before: () => Promise<void>; readonly after: () => Promise<void> }
}

/** Measures what `only` wants. Throws when a carrier that a row needs is not ready, and what a measurement threw. */
export async function rowsOf(
  context: BenchContext,
  all: readonly Measure[],
  ready: ReadonlyMap<Carrier, Ready>,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const one of all) {
    const plans = one.plans.filter(({ id }) => context.only(id))
    if (plans.length > 0) rows.push(...(await measured(context, { ...one, plans }, ready)))
  }
  return rows
}

async function measured(
  { quick, progress }: BenchContext,
  { plans, ...one }: Measure,
  ready: ReadonlyMap<Carrier, Ready>,
): Promise<Row[]> {
  const once = (carrier: Carrier) => async (): Promise<number> => {
    const found = ready.get(carrier)
    if (!found) throw new Error(`${one.id}: ${carrier} is not ready`)
    await found.around?.before()
    const figure = await measure(found.line, one)
    await found.around?.after()
    return figure
  }
  const carriers = [...new Set(plans.flatMap(({ ours, theirs }) => [ours, theirs]))]
  const rounds = quick ? 10 : 12
  const samples: Partial<Record<Carrier, number[]>> = await inTurns(
    { rounds, progress: round => progress(`${one.id}: ${round} of ${rounds}`) },
    Object.fromEntries(carriers.map(carrier => [carrier, once(carrier)])),
  )
  return plans.map(plan =>
    row({
      id: plan.id,
      unit: one.unit,
      peer: plan.peer,
      samples: samples[plan.ours] ?? [],
      peerSamples: samples[plan.theirs] ?? [],
    }),
  )
}
