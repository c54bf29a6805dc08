// idle.cpu: what the daemon takes while nothing happens.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, BenchContext, Row } from './row.ts'
import { StartGround } from './start-ground.ts'
import { row } from './statistics.ts'

const ID = 'idle.cpu'
const CONTAINERS = 10
const WINDOWS = 2
/** As long as the longest of the daemon's intervals: once a minute it asks Docker. */
const WINDOW_MS = 60_000
/** Until both have done what comes after a start. */
const SETTLE_MS = 5000

export const bench: Bench = { id: 'idle', ids: [ID], rows }

async function rows({ progress }: BenchContext): Promise<Row[]> {
  await using ground = await StartGround.up()
  for (let index = 0; index < CONTAINERS; index++) {
    await ground.host.docker('run', '-d', '--network', 'ours', 'busybox', 'sleep', '100000')
  }
  await sleep(SETTLE_MS)
  const [samples, peerSamples]: [number[], number[]] = [[], []]
  const pids = [ground.slash64.running.pid, ground.host.dockerd.pid] as const
  for (let window = 0; window < WINDOWS; window++) {
    progress(`doing nothing for a minute, ${window + 1} of ${WINDOWS}`)
    const before = pids.map(cpuTime)
    await sleep(WINDOW_MS)
    const [ours = 0, dockerd = 0] = pids.map((pid, index) => cpuTime(pid) - (before[index] ?? 0))
    samples.push((100 * ours) / WINDOW_MS)
    peerSamples.push((100 * dockerd) / WINDOW_MS)
  }
  return [row({ id: ID, unit: '%', peer: `dockerd beside ${CONTAINERS} containers`, samples, peerSamples })]
}

/** Linux counts in hundredths of a second towards programs (USER_HZ). */
const TICK_MS = 10

/** Milliseconds of CPU time of a process and of its children that have ended (proc(5), stat fields utime, stime, cutime, cstime). */
function cpuTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // the name in brackets may hold spaces; the first here is field 3
  return TICK_MS * fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
}
