// The plugin's HTTP server: one generic handler over the table of routes.
import type { Socket } from 'node:net'
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Logger } from 'pino'
import type { z } from 'zod'
import { PluginError } from '../errors.ts'
import type { CommandOf, CommandType, Replies } from '../state/command.ts'
import { parseBody, readBody } from './body.ts'
import { commandRoutes, constantRoutes } from './routes.ts'

/** Does what a command asks, and rejects with a PluginError where it cannot. */
export type Submit = <T extends CommandType>(command: CommandOf<T>) => Promise<Replies[T]>

export interface ServerOptions {
  readonly submit: Submit
  readonly log: Logger
  /** Milliseconds until a request is answered with 503; the engine itself would wait for ever. */
  readonly deadline?: number
  /** What the log should call a network or an endpoint, by its id. */
  readonly named?: (ids: { readonly network: string | undefined; readonly endpoint: string | undefined }) => object
}

/** What the generic handler knows of a route. `run` gets the parsed body, undefined where none is due. */
interface Method {
  readonly path: string
  readonly body?: z.ZodType
  readonly changes: boolean
  readonly run: (input: unknown) => object | Promise<object>
}

/**
 * The server, not listening yet (`listen` does that, `inject` needs no socket). Whatever goes wrong is answered with a
 * status other than 200 and `{"Err": sentence, "Error": sentence}`: network drivers read the one, IPAM drivers the
 * other (moby pkg/plugins/client.go). The engine looks at no Content-Type of a reply and sends none.
 */
export function createServer({ submit, log, deadline = 10_000, named = () => ({}) }: ServerOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    requestTimeout: 0,
    // While closing, answers are still owed: a broken connection makes the engine repeat the request without its body.
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => sendError(reply, unreadable(error), log),
  })
  // Fastify takes the option 0 for its default. Go keeps idle connections for 30 s: it has to be the side that closes.
  app.server.keepAliveTimeout = 0
  endConnectionsOnClose(app)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request: FastifyRequest, stream: AsyncIterable<Buffer>) => readBody(stream))
  app.setErrorHandler<FastifyError>((error, _request, reply) => sendError(reply, unreadable(error), log))
  app.setNotFoundHandler((request, reply) =>
    sendError(reply, new PluginError('METHOD_UNKNOWN', request.method, request.url.slice(0, 200)), log),
  )
  for (const method of methods(submit)) {
    app.post(method.path, (request, reply) => handle(method, request.body, reply, { log, deadline, named }))
  }
  return app
}

/**
 * Closing waits for answers that are owed, and for nothing else. Go opens connections that it then may not need, and keeps them and the used ones
 * for 30 s (net/http Transport); Node takes one on which nothing came yet for busy, and keeps one alive whose answer goes out while it closes.
 */
function endConnectionsOnClose(app: FastifyInstance): void {
  const connections = new Set<Socket>()
  let closing = false
  app.server.on('connection', socket => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  app.addHook('preClose', async () => {
    closing = true
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy()
  })
  app.addHook('onResponse', async () => {
    if (closing) app.server.closeIdleConnections()
  })
}

function methods(submit: Submit): Method[] {
  const command = <T extends CommandType>(type: T): Method => {
    const { path, body, reply } = commandRoutes[type]
    // EndpointOperInfo comes for every endpoint of a sandbox again and again, and hardly ever changes something.
    return { path, body, changes: type !== 'settle', run: async input => reply(await submit<T>(input as CommandOf<T>)) }
  }
  const commands = (Object.keys(commandRoutes) as CommandType[]).map(command)
  return [...commands, ...constantRoutes.map(route => ({ ...route, changes: false, run: route.reply }))]
}

type Named = NonNullable<ServerOptions['named']>

async function handle(
  method: Method,
  body: unknown,
  reply: FastifyReply,
  { log, deadline, named }: { log: Logger; deadline: number; named: Named },
) {
  const rpc = method.path.slice(1)
  const began = performance.now()
  let scope = log.child({ rpc })
  try {
    const input = method.body && parseBody(rpc, method.body, body)
    scope = log.child({ rpc, ...subject(input) })
    // Before and after: what is made has its names only then, what is deleted only now.
    const names = method.changes ? namesOf(input, named) : {}
    const work = (async () => method.run(input))()
    const result = await within(deadline, work, rpc, scope)
    const ms = Math.round((performance.now() - began) * 10) / 10
    if (method.changes) scope.info({ ...names, ...namesOf(input, named), ms }, 'done')
    else scope.debug({ ms }, 'answered')
    return reply.send(result)
  } catch (error) {
    return sendError(reply, error, scope)
  }
}

/**
 * Settles like `work`, unless that takes longer than `ms`: then it rejects with DEADLINE_PASSED, and the late end is
 * logged.
 */
async function within<T>(ms: number, work: Promise<T>, rpc: string, log: Logger): Promise<T> {
  const passed = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    passed.reject(new PluginError('DEADLINE_PASSED', rpc, String(ms)))
    work.then(
      () => log.warn('done after the deadline'),
      error => log.warn({ err: error }, 'failed after the deadline'),
    )
  }, ms)
  try {
    return await Promise.race([work, passed.promise])
  } finally {
    clearTimeout(timer)
  }
}

interface Subject {
  readonly network?: string
  readonly NetworkID?: string
  readonly endpoint?: string
  readonly EndpointID?: string
  readonly pool?: string
  readonly name?: string
}

/** Whom a request is about, for the log: ids as `docker ps` cuts them. */
function subject(input: unknown): object {
  const { network, NetworkID, endpoint, EndpointID, pool } = (input ?? {}) as Subject
  return { network: (network ?? NetworkID)?.slice(0, 12), endpoint: (endpoint ?? EndpointID)?.slice(0, 12), pool }
}

/** The same by name: the group, the address, and from engine 29 on the container's name. */
function namesOf(input: unknown, named: Named): object {
  const { network, endpoint, name } = (input ?? {}) as Subject
  return { ...named({ network, endpoint }), ...(name === undefined ? {} : { container: name }) }
}

/** What fastify refused before a handler saw it. */
function unreadable(error: FastifyError): unknown {
  const { statusCode = 500, message } = error
  return statusCode < 500 ? new PluginError('REQUEST_UNREADABLE', message) : error
}

function sendError(reply: FastifyReply, error: unknown, log: Logger): FastifyReply {
  const known = error instanceof PluginError ? error : new PluginError('INTERNAL', 'see the log of slash64')
  const { status, message } = known
  if (known.kind === 'internal') log.error({ status, err: error }, message)
  else log.warn({ status }, message)
  return reply.code(status).send({ Err: message, Error: message })
}
