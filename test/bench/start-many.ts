// start.at_*: a container start while many others run.
import { Agent, request } from 'node:http'
import type { Bench, BenchContext, Row } from './row.ts'
import { StartGround } from './start-ground.ts'
import { inTurns, row } from './statistics.ts'

const COUNTS = [100, 500] as const
/** More at once take no less time on two cores. */
const AT_ONCE = 8

const idOf = (count: number): string => `start.at_${count}`

export const bench: Bench = {
  id: 'start.at',
  ids: COUNTS.map(idOf),
  bars: [{ id: 'start.at_500', of: 'ratio', atMost: 1.2 }],
  rows,
}

async function rows({ quick, progress, only }: BenchContext): Promise<Row[]> {
  await using ground = await StartGround.up()
  const rounds = quick ? 15 : 31
  const measure = async (running: number): Promise<number[]> => {
    const say = (round: number): void =>
      progress(`docker run beside ${running} containers, round ${round} of ${rounds}`)
    const subjects = { none: () => ground.run('none'), ours: () => ground.run('ours') }
    return (await inTurns({ rounds, progress: say, over: 'none' }, subjects)).ours
  }
  const peerSamples = await measure(0)
  const measured: Row[] = []
  let running = 0
  for (const count of COUNTS.filter(count => only(idOf(count)))) {
    await startContainers(ground, count - running, started => progress(`container ${running + started} of ${count}`))
    running = count
    const samples = await measure(count)
    measured.push(row({ id: idOf(count), unit: 'ms', peer: 'slash64, none running', samples, peerSamples }))
  }
  return measured
}

/** Starts containers that sleep, over the engine's API: the CLI would cost more than they do. */
async function startContainers(
  { host }: StartGround,
  count: number,
  progress: (started: number) => void,
): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const HostConfig = { NetworkMode: 'ours', LogConfig: { Type: 'none' } }
  let asked = 0
  let started = 0
  const work = async (): Promise<void> => {
    while (asked++ < count) {
      const { Id } = await post(agent, host.dockerSocket, '/containers/create', {
        Image: 'busybox',
        Cmd: ['sleep', '100000'],
        HostConfig,
      })
      await post(agent, host.dockerSocket, `/containers/${Id}/start`)
      progress(++started)
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  } finally {
    agent.destroy()
  }
}

/** One request to the engine. Rejects with its words when it does not agree. */
function post(agent: Agent, socketPath: string, path: string, body: object = {}): Promise<{ Id?: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ Id?: string }>()
  const headers = { 'Content-Type': 'application/json' }
  const question = request({ socketPath, path, method: 'POST', agent, headers }, answer => {
    let text = ''
    answer.on('data', chunk => {
      text += chunk
    })
    answer.on('end', () => {
      if ((answer.statusCode ?? 500) < 300) resolve(text === '' ? {} : JSON.parse(text))
      else reject(new Error(`${path}: ${answer.statusCode} ${text}`))
    })
  })
  question.on('error', reject)
  question.end(JSON.stringify(body))
  return promise
}
