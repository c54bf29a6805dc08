// rpc.*: what each call takes as dockerd would see it, and how long the daemon's event loop is kept from going on.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from '../lab/host.ts'
import { until } from '../lab/process.ts'
import { application, type Started, startFloor, startSlash64 } from './application.ts'
import { Engine, METHODS, type Method, noTimes } from './engine.ts'
import type { BenchContext, Row } from './row.ts'
import { addSandboxes } from './sandbox.ts'
import { quantile, row, spread } from './statistics.ts'

/** Starts and stops for the times of one level. */
const CYCLES = 200

const PEER = 'driver that does nothing'

type Quantile = 'p50' | 'p99'
type Both<T> = Readonly<Record<'ours' | 'floor', T>>

export const rpcId = (method: Method, quantile: Quantile, level: string): string => `rpc.${method}_${quantile}_${level}`

/** Starts and stops one container of each driver after the other, beside those that are there. */
export async function callRows(
  host: Host,
  engines: Both<Engine>,
  level: string,
  { progress, only }: BenchContext,
): Promise<Row[]> {
  const times = { ours: noTimes(), floor: noTimes() }
  const names = Array.from({ length: CYCLES }, (_, index) => `call${level}-${index}`)
  progress(`the calls of a container's start and stop beside ${level} endpoints`)
  for (const sandbox of await addSandboxes(host, names)) {
    for (const side of ['ours', 'floor'] as const) {
      await engines[side].stop(await engines[side].start(sandbox, times[side]), times[side])
    }
  }
  return METHODS.flatMap(method =>
    (['p50', 'p99'] as const).map(share =>
      callRow(rpcId(method, share, level), share, times.ours[method], times.floor[method]),
    ),
  ).filter(({ id }) => only(id))
}

function callRow(id: string, share: Quantile, ours: readonly number[], floor: readonly number[]): Row {
  const part = share === 'p50' ? 0.5 : 0.99
  const value = quantile(ours, part)
  const peerValue = quantile(floor, part)
  return {
    id,
    value,
    unit: 'ms',
    peer: PEER,
    peerValue,
    ratio: value / peerValue,
    spread: spread(ours, value),
    n: ours.length,
  }
}

/** Ids of the event loop's rows: the delays of its turns while eight containers at once start and stop. */
export const LOOP = ['rpc.loop_p99', 'rpc.loop_max'] as const

const LOADS = 5
const AT_ONCE = 8
const PER_LOAD = 80

/** The least that perf_hooks can be told; the delay is what comes on top of it. */
const RESOLUTION_MS = 1

/**
 * Loaded into both drivers by --import: at SIGUSR2 it writes the delays since the last time, in milliseconds, to a file. It wakes the loop every
 * millisecond, so nothing else is measured meanwhile.
 */
const PROBE = `import { renameSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
const delays = monitorEventLoopDelay({ resolution: ${RESOLUTION_MS} })
delays.enable()
process.on('SIGUSR2', () => {
  const file = \`\${process.argv[1]}.loop\`
  writeFileSync(\`\${file}.new\`, JSON.stringify({ p99: delays.percentile(99) / 1e6, max: delays.max / 1e6 }))
  renameSync(\`\${file}.new\`, file)
  delays.reset()
})
`

interface Delays {
  readonly p99: number
  readonly max: number
}

/** Runs the loads on a host that nothing else uses. */
export async function loopRows(host: Host, { progress, only }: BenchContext): Promise<Row[]> {
  const probe = join(application(), 'loop.mjs')
  writeFileSync(probe, PROBE)
  const flags = ['--import', probe]
  const daemons = { ours: await startSlash64(host, {}, flags), floor: await startFloor(host, flags) }
  const engines = { ours: await Engine.start(daemons.ours.socket), floor: await Engine.start(daemons.floor.socket) }
  const files = { ours: join(application(), 'src/main.js.loop'), floor: join(application(), 'floor.mjs.loop') }
  const found: Both<Delays[]> = { ours: [], floor: [] }
  for (let load = 0; load < LOADS; load++) {
    progress(`the event loop under load ${load + 1} of ${LOADS}`)
    const sandboxes = await addSandboxes(
      host,
      Array.from({ length: PER_LOAD }, (_, index) => `loop${load}-${index}`),
    )
    for (const side of ['ours', 'floor'] as const) {
      await delays(daemons[side], files[side])
      await startAndStop(engines[side], sandboxes)
      found[side].push(await delays(daemons[side], files[side]))
    }
  }
  for (const side of ['ours', 'floor'] as const) {
    engines[side].close()
    await daemons[side].running.stop()
  }
  const over = (side: 'ours' | 'floor', field: keyof Delays) => found[side].map(one => one[field] - RESOLUTION_MS)
  return LOOP.filter(only).map(id => {
    const field = id === 'rpc.loop_p99' ? 'p99' : 'max'
    return row({ id, unit: 'ms', peer: PEER, samples: over('ours', field), peerSamples: over('floor', field) })
  })
}

async function startAndStop(engine: Engine, sandboxes: readonly string[]): Promise<void> {
  const left = [...sandboxes]
  const work = async (): Promise<void> => {
    for (let sandbox = left.pop(); sandbox !== undefined; sandbox = left.pop())
      await engine.stop(await engine.start(sandbox))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

/** The delays since the last time. */
async function delays({ running }: Started, file: string): Promise<Delays> {
  rmSync(file, { force: true })
  running.signal('SIGUSR2')
  const read = (): string | undefined => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return undefined // not written yet
    }
  }
  return JSON.parse(await until(read, 5000, () => `${file} was not written`))
}
