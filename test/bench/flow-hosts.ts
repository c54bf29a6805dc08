// flow.*.hosts and flow.*.overlay: the same traffic from a container on one host to one on another host, with a cable in between.
import { dockerHost, joinHosts, overlayLine, slash64Host, slash64Line } from './flow-docker.ts'
import { joinPlain, plainLine, plainMachine } from './flow-plain.ts'
import { type Carrier, carriersOf, idsOf, type Ready, rowsOf, twoHosts } from './flow-plan.ts'
import type { Bench, BenchContext, Row } from './row.ts'

export const bench: Bench = { id: 'flow between hosts', ids: idsOf(twoHosts), rows }

async function rows(context: BenchContext): Promise<Row[]> {
  await using made = new AsyncDisposableStack()
  const needed = carriersOf(twoHosts, context.only)
  const ready = new Map<Carrier, Ready>()
  const a = await slash64Host(made, 'bench-slash64-a', 0)
  const b = await slash64Host(made, 'bench-slash64-b', 1)
  await joinHosts(a, b)
  ready.set('slash64 hosts', { line: await slash64Line(a, b) })
  if (needed.has('plain hosts')) {
    const near = await plainMachine(made, 'bench-plain-a', 'plain', 0)
    const far = await plainMachine(made, 'bench-plain-b', 'plain', 1)
    await joinPlain(near, far)
    ready.set('plain hosts', { line: await plainLine(near, far, 1) })
  }
  if (needed.has('overlay hosts')) {
    const near = await dockerHost(made, 'bench-docker-a')
    const far = await dockerHost(made, 'bench-docker-b')
    ready.set('overlay hosts', { line: await overlayLine(near, far) })
  }
  return await rowsOf(context, twoHosts, ready)
}
