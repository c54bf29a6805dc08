// start.*: what a network adds to `docker run --rm IMAGE true`, slash64's and others with the same published ports.
import type { Bench, BenchContext, Row } from './row.ts'
import { type NetworkName, ports, StartGround } from './start-ground.ts'
import { inTurns, row } from './statistics.ts'

/** What is run: a network and the number of published ports. */
const SUBJECTS = {
  none: ['none', 0],
  ours: ['ours', 0],
  ours_2: ['ours', 2],
  ours_32: ['ours', 32],
  floor: ['floor', 0],
  moved: ['moved', 0],
  bridge: ['bridge', 0],
  bridge_2: ['bridge', 2],
  bridge_32: ['bridge', 32],
  dualstack_2: ['dualstack', 2],
  routed: ['routed', 0],
  routed_2: ['routed', 2],
  macvlan: ['macvlan', 0],
} as const satisfies Readonly<Record<string, readonly [NetworkName, number]>>

type Subject = keyof typeof SUBJECTS

/** What takes long, and so differs from the others by far more than it varies. */
const SELDOM: ReadonlyMap<Subject, number> = new Map([
  ['bridge_2', 2],
  ['dualstack_2', 2],
  ['bridge_32', 8],
] as const)

/** Rows: slash64's subject, the peer's, and what to call it. */
const ROWS = {
  'start.floor': ['ours', 'floor', 'remote driver that does nothing'],
  'start.moved': ['ours', 'moved', 'slash64, birth=engine'],
  'start.bridge': ['ours', 'bridge', 'built-in bridge'],
  'start.bridge_2ports': ['ours_2', 'bridge_2', 'built-in bridge, 2 ports'],
  'start.bridge_32ports': ['ours_32', 'bridge_32', 'built-in bridge, 32 ports'],
  'start.dualstack_2ports': ['ours_2', 'dualstack_2', 'dual-stack bridge, 2 ports'],
  'start.routed': ['ours', 'routed', 'built-in routed mode'],
  'start.routed_2ports': ['ours_2', 'routed_2', 'built-in routed mode, 2 ports'],
  'start.macvlan': ['ours', 'macvlan', 'macvlan'],
} as const satisfies Readonly<Record<string, readonly [Subject, Subject, string]>>

/** Not over itself, but whole. */
const NONE = 'start.none'

export const bench: Bench = {
  id: 'start',
  ids: [NONE, ...Object.keys(ROWS)],
  bars: [
    { id: 'start.floor', of: 'ratio', atMost: 1.2 },
    { id: 'start.bridge', of: 'ratio', atMost: 0.35 },
    { id: 'start.bridge_2ports', of: 'ratio', atMost: 0.15 },
    { id: 'start.bridge_32ports', of: 'value', atMost: 1.2, times: 'start.bridge' },
  ],
  rows,
}

async function rows({ quick, progress, only }: BenchContext): Promise<Row[]> {
  const chosen = Object.entries(ROWS).filter(([id]) => only(id))
  await using ground = await StartGround.up()
  const names = new Set<Subject>(['none', 'ours', ...chosen.flatMap(([, [ours, peer]]) => [ours, peer])])
  const run = (name: Subject) => () => ground.run(SUBJECTS[name][0], ...ports(SUBJECTS[name][1]))
  const subjects = Object.fromEntries(Array.from(names, name => [name, run(name)])) as Record<
    Subject,
    () => Promise<number>
  >
  const rounds = quick ? 25 : 61
  const say = (round: number): void => progress(`${names.size} kinds of docker run, round ${round} of ${rounds}`)
  const samples = await inTurns({ rounds, progress: say, seldom: SELDOM, over: 'none' }, subjects)
  const whole = {
    id: NONE,
    unit: 'ms',
    peer: 'docker run without a network, both whole',
    samples: samples.ours.map((over, round) => over + (samples.none[round] ?? 0)),
    peerSamples: samples.none,
  } as const
  const measured = chosen.map(([id, [ours, peer, words]]) =>
    row({ id, unit: 'ms', peer: words, samples: samples[ours], peerSamples: samples[peer] }),
  )
  return [...(only(NONE) ? [row(whole)] : []), ...measured]
}
