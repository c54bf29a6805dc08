// rpc.*, rss.*, restart.*, startup: the daemon alone, asked over its socket as the engine asks, with real namespaces as sandboxes.
import { setTimeout as sleep } from 'node:timers/promises'
import { Host } from '../lab/host.ts'
import { rss, type Started, startFloor, startSlash64 } from './application.ts'
import { Engine, METHODS } from './engine.ts'
import { reconcileRow, startupRow } from './restart.ts'
import type { Bench, BenchContext, Row } from './row.ts'
import { callRows, LOOP, loopRows, rpcId } from './rpc.ts'
import { addSandboxes } from './sandbox.ts'
import { row } from './statistics.ts'

/** Numbers of endpoints, as the ids of rows write them. */
const LEVELS = { '1': 1, '100': 100, '1k': 1000 } as const
type Level = keyof typeof LEVELS
const levels = Object.keys(LEVELS).sort((a, b) => LEVELS[a as Level] - LEVELS[b as Level]) as Level[]

const callsAt = (level: Level): string[] =>
  METHODS.flatMap(method => [rpcId(method, 'p50', level), rpcId(method, 'p99', level)])

export const bench: Bench = {
  id: 'daemon',
  ids: ['startup', 'rss.0', ...levels.flatMap(callsAt), ...LOOP, 'rss.100', 'rss.1k', 'restart.reconcile_1k'],
  bars: [{ id: 'rss.1k', of: 'value', atMost: 100 }],
  rows,
}

async function rows(context: BenchContext): Promise<Row[]> {
  const { only, quick } = context
  await using host = await Host.start({ name: 'bench-full', forward: true })
  await using other = await Host.start({ name: 'bench-empty', forward: true })
  const measured: Row[] = []
  if (only('startup')) measured.push(await startupRow(other, quick ? 7 : 15, context))
  if (only('rss.0')) measured.push(await emptyRow(other, context))
  if (LOOP.some(only)) measured.push(...(await loopRows(other, context)))
  measured.push(...(await fullRows(host, other, context)))
  return measured
}

/** Memory of daemons that have just started, at rest. */
async function emptyRow(host: Host, { progress }: BenchContext): Promise<Row> {
  const [ours, floor]: [number[], number[]] = [[], []]
  for (let round = 0; round < 5; round++) {
    progress(`memory after a start, round ${round + 1} of 5`)
    const daemons = [await startSlash64(host), await startFloor(host)] as const
    await sleep(500)
    ours.push(rss(daemons[0]))
    floor.push(rss(daemons[1]))
    for (const { running } of daemons) await running.stop()
  }
  return row({ id: 'rss.0', unit: 'MB', peer: 'driver that does nothing', samples: ours, peerSamples: floor })
}

/** What depends on the number of endpoints. They are added from level to level, up to the last that a wanted row needs. */
async function fullRows(host: Host, other: Host, context: BenchContext): Promise<Row[]> {
  const { only, progress } = context
  const needed = (level: Level): boolean =>
    [...callsAt(level), `rss.${level}`, `restart.reconcile_${level}`].some(id => bench.ids.includes(id) && only(id))
  const last = levels.findLast(needed)
  if (last === undefined) return []
  const daemons = { ours: await startSlash64(host), floor: await startFloor(host) }
  const engines = { ours: await Engine.start(daemons.ours.socket), floor: await Engine.start(daemons.floor.socket) }
  const measured: Row[] = []
  let running = 0
  for (const level of levels.slice(0, levels.indexOf(last) + 1)) {
    progress(`${LEVELS[level]} endpoints`)
    await fill(host, engines, running, LEVELS[level])
    running = LEVELS[level]
    if (only(`rss.${level}`) && level !== '1') measured.push(await rssRow(`rss.${level}`, daemons))
    if (callsAt(level).some(only)) measured.push(...(await callRows(host, engines, level, context)))
  }
  engines.ours.close()
  engines.floor.close()
  if (only('restart.reconcile_1k')) measured.push(await reconcileRow(host, daemons.ours, other, context))
  return measured
}

/** Makes containers `from` to `to` of both drivers, each of ours with a sandbox of its own. */
async function fill(
  host: Host,
  engines: Readonly<Record<'ours' | 'floor', Engine>>,
  from: number,
  to: number,
): Promise<void> {
  const names = Array.from({ length: to - from }, (_, index) => `full${from + index}`)
  for (const sandbox of await addSandboxes(host, names)) {
    await engines.ours.start(sandbox)
    await engines.floor.start(sandbox)
  }
}

/** At rest, after all that was asked of them. */
async function rssRow(id: string, { ours, floor }: Readonly<Record<'ours' | 'floor', Started>>): Promise<Row> {
  const samples: [number, number][] = []
  for (let round = 0; round < 5; round++) {
    await sleep(200)
    samples.push([rss(ours), rss(floor)])
  }
  const peer = 'driver that does nothing'
  return row({ id, unit: 'MB', peer, samples: samples.map(([one]) => one), peerSamples: samples.map(([, one]) => one) })
}
