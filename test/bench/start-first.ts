// start.parallel8 and first_packet: starts at once, and until the network is of use.
import type { Bench, BenchContext, Row } from './row.ts'
import { type NetworkName, StartGround } from './start-ground.ts'
import { inTurns, row } from './statistics.ts'

const PARALLEL = 8

/** Addresses that the host answers on. */
const HOST_ADDRESS = { ours: '2001:db8:100:a::1', bridge: '172.17.0.1' } as const

export const bench: Bench = {
  id: 'start.parallel',
  ids: ['start.parallel8', 'first_packet'],
  bars: [{ id: 'start.parallel8', of: 'ratio', atLeast: 1.3 }],
  rows,
}

async function rows({ quick, progress, only }: BenchContext): Promise<Row[]> {
  await using ground = await StartGround.up()
  const measured: Row[] = []
  if (only('start.parallel8')) measured.push(await parallel(ground, quick ? 9 : 15, progress))
  if (only('first_packet')) measured.push(await first(ground, quick ? 9 : 17, progress))
  return measured
}

async function parallel(ground: StartGround, rounds: number, progress: BenchContext['progress']): Promise<Row> {
  const rate = (network: NetworkName) => async (): Promise<number> => {
    const began = performance.now()
    await Promise.all(Array.from({ length: PARALLEL }, () => ground.run(network)))
    return (1000 * PARALLEL) / (performance.now() - began)
  }
  const { ours, bridge } = await inTurns(
    { rounds, progress: round => progress(`${PARALLEL} docker runs at once, round ${round} of ${rounds}`) },
    { ours: rate('ours'), bridge: rate('bridge') },
  )
  return row({ id: 'start.parallel8', unit: '1/s', peer: 'built-in bridge', samples: ours, peerSamples: bridge })
}

async function first(ground: StartGround, rounds: number, progress: BenchContext['progress']): Promise<Row> {
  const { ours, bridge } = await inTurns(
    { rounds, progress: round => progress(`docker run to the first answer, round ${round} of ${rounds}`) },
    { ours: () => answered(ground, 'ours'), bridge: () => answered(ground, 'bridge') },
  )
  return row({ id: 'first_packet', unit: 'ms', peer: 'built-in bridge', samples: ours, peerSamples: bridge })
}

/** From before the first argument is read to when the first line of grep's is there. */
const SCRIPT = 'date +%s%N; docker run --rm "$@" | { grep -q "bytes from" || exit 1; date +%s%N; cat > /dev/null; }'

/** Milliseconds from `docker run` until the host has answered the container's first packet. Throws when none is answered. */
async function answered({ host }: StartGround, network: keyof typeof HOST_ADDRESS): Promise<number> {
  // ping writes at its end only; a lost packet costs a second.
  const ping = `for i in 1 2 3 4 5; do ping -c 1 -W 1 ${HOST_ADDRESS[network]} && exit; done; exit 1`
  const times = await host.check(['sh', '-c', SCRIPT, 'sh', '--network', network, 'busybox', 'sh', '-c', ping])
  const [began = Number.NaN, ended = Number.NaN] = times.trim().split('\n').map(Number)
  return (ended - began) / 1e6
}
