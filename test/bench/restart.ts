// startup, restart.reconcile_1k: how long the daemon is away.
import type { Host } from '../lab/host.ts'
import { type Started, startFloor, startSlash64 } from './application.ts'
import type { BenchContext, Row } from './row.ts'
import { inTurns, row } from './statistics.ts'

/** Milliseconds from the start to the first answer; the daemon is ended again. */
async function once(start: () => Promise<Started>): Promise<number> {
  const { running, ms } = await start()
  await running.stop()
  return ms
}

/** A start with nothing to look after, on a host without other daemons. */
export async function startupRow(host: Host, rounds: number, { progress }: BenchContext): Promise<Row> {
  const { ours, floor } = await inTurns(
    { rounds, progress: round => progress(`start of the daemon, round ${round} of ${rounds}`) },
    { ours: () => once(() => startSlash64(host)), floor: () => once(() => startFloor(host)) },
  )
  return row({ id: 'startup', unit: 'ms', peer: 'driver that does nothing', samples: ours, peerSamples: floor })
}

/** A start on the host whose daemon, with all its endpoints, is given and ended; beside one on an `empty` host. */
export async function reconcileRow(full: Host, daemon: Started, empty: Host, { progress }: BenchContext): Promise<Row> {
  await daemon.running.stop()
  const rounds = 9
  const { ours, alone } = await inTurns(
    { rounds, progress: round => progress(`start of the daemon beside its endpoints, round ${round} of ${rounds}`) },
    { ours: () => once(() => startSlash64(full)), alone: () => once(() => startSlash64(empty)) },
  )
  const peer = 'slash64 without endpoints'
  return row({ id: 'restart.reconcile_1k', unit: 'ms', peer, samples: ours, peerSamples: alone })
}
