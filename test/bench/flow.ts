// flow.*: traffic between two containers of one host, beside a plain routed veth and beside what Docker has built in.
import {
  bridgeLine,
  dockerHost,
  engineLine,
  macvlanLine,
  manyEntries,
  routedLine,
  slash64Host,
  slash64Line,
} from './flow-docker.ts'
import { plainLine, plainMachine } from './flow-plain.ts'
import { type Carrier, carriersOf, idsOf, oneHost, type Ready, rowsOf } from './flow-plan.ts'
import type { Bench, BenchContext, Row } from './row.ts'

export const bench: Bench = {
  id: 'flow',
  ids: idsOf(oneHost),
  bars: [
    { id: 'flow.throughput', of: 'ratio', atLeast: 0.97 },
    { id: 'flow.throughput_8', of: 'ratio', atLeast: 0.97 },
    { id: 'flow.rr', of: 'ratio', atLeast: 0.97 },
    { id: 'flow.cps', of: 'ratio', atLeast: 0.9 },
    { id: 'flow.cps_10k', of: 'ratio', atLeast: 0.9 },
    { id: 'flow.cps_10k', of: 'value', atLeast: 0.95, times: 'flow.cps' },
  ],
  rows,
}

async function rows(context: BenchContext): Promise<Row[]> {
  await using made = new AsyncDisposableStack()
  const needed = carriersOf(oneHost, context.only)
  const ready = new Map<Carrier, Ready>([
    ...(await plain(made, needed)),
    ...(await ours(made)),
    ...(await docker(made, needed)),
  ])
  return await rowsOf(context, oneHost, ready)
}

type Carriers = ReadonlySet<Carrier>

async function plain(made: AsyncDisposableStack, needed: Carriers): Promise<[Carrier, Ready][]> {
  const kinds = (['plain', 'untracked', 'linear'] as const).filter(kind => needed.has(kind))
  return Promise.all(
    kinds.map(async (kind): Promise<[Carrier, Ready]> => {
      const machine = await plainMachine(made, `bench-${kind}`, kind)
      return [kind, { line: await plainLine(machine, machine) }]
    }),
  )
}

async function ours(made: AsyncDisposableStack): Promise<[Carrier, Ready][]> {
  const host = await slash64Host(made, 'bench-slash64')
  const line = await slash64Line(host, host)
  const around = { before: () => manyEntries.add(host), after: () => manyEntries.remove(host) }
  return [
    ['slash64', { line }],
    ['many', { line, around }],
  ]
}

async function docker(made: AsyncDisposableStack, needed: Carriers): Promise<[Carrier, Ready][]> {
  const makers = { engine: engineLine, bridge: bridgeLine, routed: routedLine, macvlan: macvlanLine } as const
  const names = (['engine', 'bridge', 'routed', 'macvlan'] as const).filter(name => needed.has(name))
  if (names.length === 0) return []
  const host = await dockerHost(made, 'bench-docker')
  const found: [Carrier, Ready][] = []
  for (const name of names) found.push([name, { line: await makers[name](host) }])
  return found
}
