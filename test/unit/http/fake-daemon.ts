// A server over a daemon that records what it was asked and answers the same for each kind of command.
import { pino } from 'pino'
import { createServer, type ServerOptions, type Submit } from '../../../src/http/server.ts'
import type { Command, Replies } from '../../../src/state/command.ts'
import type { PoolId } from '../../../src/state/model.ts'

export const NETWORK = 'ebff8307140774e44874b1e70b2ed93309fec54a7afb58742f20d6348ffbf3b9'
export const ENDPOINT = 'eb1e33c13aa7167819fb851dd1835cd1ab96809426caaa08e3c8bae517bcca08'
export const POOL = '2001:db8:1:a:0:5c1f:8e02:0/112'

const replies: Replies = {
  checkGatewayAllocation: undefined,
  createNetwork: undefined,
  deleteNetwork: undefined,
  createEndpoint: { mac: '02:00:00:00:00:01' },
  deleteEndpoint: undefined,
  join: { gateway: 'fe80::1' },
  settle: undefined,
  leave: undefined,
  requestPool: { id: POOL as PoolId, pool: POOL },
  releasePool: undefined,
  requestAddress: { address: '2001:db8:1:a:0:5c1f:8e02:3/128' },
  releaseAddress: undefined,
}

export function fakeDaemon(
  options: { answer?: (command: Command) => unknown; deadline?: number; named?: ServerOptions['named'] } = {},
) {
  const commands: Command[] = []
  const lines: Record<string, unknown>[] = []
  const submit = (async (command: Command) => {
    commands.push(command)
    return options.answer ? await options.answer(command) : replies[command.type]
  }) as Submit
  const log = pino({ level: 'debug', base: null }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const { deadline, named } = options
  const app = createServer({ submit, log, ...(deadline && { deadline }), ...(named && { named }) })
  /** Posts as the engine does: no Content-Type. A string goes as it is, undefined as no body. */
  const post = async (path: string, body?: unknown) => {
    const payload = body === undefined ? {} : { payload: typeof body === 'string' ? body : `${JSON.stringify(body)}\n` }
    const response = await app.inject({ method: 'POST', url: path, ...payload })
    return { status: response.statusCode, body: JSON.parse(response.body) }
  }
  return { app, post, commands, lines }
}
