// The control socket: the command `slash64` asks the daemon here. A server of its own beside the plugin's, read-only, which does little for whoever asks much.
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify'
import type { Logger } from 'pino'
import { PluginError } from '../errors.ts'
import type { State } from '../state/state.ts'
import { type DockerNames, type Facts, type Status, statusOf } from '../state/status.ts'
import { controlGroup } from './control-access.ts'
import type { Answers, Question } from './control-answers.ts'
import { listen } from './listen.ts'
import { paced } from './pace.ts'

/** Milliseconds between two runs of the same route. */
const PACE_MS = 100
const PATIENCE_MS = 5_000
const MOST_CONNECTIONS = 64

export interface ControlOptions {
  readonly status: () => Promise<Status>
  readonly version: string
  readonly log: Logger
  /** Milliseconds that a client may be silent, or read nothing of its answer. */
  readonly patience?: number
}

type Routes = { readonly [Q in Question]: () => Promise<Answers[Q]> }

/**
 * The server, not listening yet. Answers JSON: 200 and what the schema of `answers` says, or another status and `{"error": sentence}`. However many ask, a
 * route runs ten times a second at most, and a client that neither reads nor writes is cut off after `patience`.
 */
export function createControl({ status, version, log, patience = PATIENCE_MS }: ControlOptions): FastifyInstance {
  const routes: Routes = { '/version': async () => ({ version, node: process.version }), '/status': status }
  const known = Object.keys(routes).map(path => `GET ${path}`)
  const unknown = (method: string, url: string) =>
    new PluginError('CONTROL_UNKNOWN', method, url, known.join(' or '), version)
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    requestTimeout: patience,
    connectionTimeout: patience,
    keepAliveTimeout: patience,
    frameworkErrors: (_error, { method, url }, reply) => sendError(reply, unknown(method, url), log),
  })
  app.server.maxConnections = MOST_CONNECTIONS
  endConnectionsOnClose(app)
  app.setErrorHandler((_error, { method, url }, reply) => sendError(reply, unknown(method, url), log))
  app.setNotFoundHandler(({ method, url }, reply) => sendError(reply, unknown(method, url), log))
  for (const [path, run] of Object.entries(routes)) {
    const answer = paced(PACE_MS, async () => JSON.stringify(await run()))
    app.get(path, (_request, reply) => handle(answer, reply, log))
  }
  return app
}

/** Whoever asks can ask again: closing waits for nobody. Fastify's own option is for servers that it opened itself. */
function endConnectionsOnClose(app: FastifyInstance): void {
  app.addHook('preClose', async () => {
    app.server.on('connection', socket => socket.destroy())
    app.server.closeAllConnections()
  })
}

async function handle(answer: () => Promise<string>, reply: FastifyReply, log: Logger): Promise<FastifyReply> {
  try {
    return reply.type('application/json').send(await answer())
  } catch (error) {
    return sendError(reply, error, log)
  }
}

function sendError(reply: FastifyReply, error: unknown, log: Logger): FastifyReply {
  const known = error instanceof PluginError ? error : new PluginError('INTERNAL', 'see the log of slash64')
  if (known.kind === 'internal') log.error({ err: error }, 'the control socket could not answer')
  return reply.code(known.status).send({ error: known.message })
}

export interface ControlParts {
  readonly state: State
  readonly facts: Facts
  /** Asks Docker for its names; rejects where it does not answer. Absent: Docker is never asked. */
  readonly names?: () => Promise<DockerNames>
  /** Where the socket is to be, as this process sees it. */
  readonly path: string
  /** Docker's own socket, as this process sees it, whose group may ask; '' where it is not known. */
  readonly dockerSocket: string
  readonly log: Logger
}

/**
 * Opens the control socket, and answers what closes it. Never rejects: networks go on without it, so what prevents it is logged as an error.
 */
export async function startControl(parts: ControlParts): Promise<{ close(): Promise<void> }> {
  const { state, facts, names, path, dockerSocket, log } = parts
  const status = async (): Promise<Status> => {
    if (!names) return statusOf(state, facts, 'not asked')
    const docker = await names().catch(() => 'not answering' as const)
    return statusOf(state, facts, docker)
  }
  const app = createControl({ status, version: facts.version, log })
  try {
    await listen(app, path, { group: controlGroup(dockerSocket), setting: 'SLASH64_CONTROL' })
  } catch (error) {
    log.error({ err: error }, 'the command slash64 cannot ask this daemon')
  }
  return { close: () => app.close() }
}
