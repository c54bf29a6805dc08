// Where the server listens: a path of its own, or a descriptor that systemd opened (so that the socket is there before
// dockerd starts).
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { PluginError } from '../errors.ts'

/** Root, and the group that the folder hands down: whoever may write here may make networks. */
const SOCKET_MODE = 0o660

/**
 * Listens on a unix socket, until `app.close()`. A path: its folder is made, the socket file of a dead process is
 * replaced; throws SOCKET_IN_USE where somebody answers, SOCKET_UNUSABLE where something else stands or the system
 * refuses. `fd`: a listening descriptor, used as it is.
 */
export async function listen(app: FastifyInstance, at: string | { readonly fd: number }): Promise<void> {
  await app.ready()
  if (typeof at !== 'string') return opened(app, { fd: at.fd }, `descriptor ${at.fd}`)
  try {
    mkdirSync(dirname(at), { recursive: true, mode: 0o755 })
    await removeStale(at)
  } catch (error) {
    throw unusable(at, error)
  }
  await opened(app, { path: at }, at)
  chmodSync(at, SOCKET_MODE)
}

/** Node's own listen: fastify's adds a TCP port to a descriptor. */
function opened(app: FastifyInstance, where: { path: string } | { fd: number }, name: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const failed = (error: Error): void => reject(unusable(name, error))
  app.server.once('error', failed)
  app.server.listen(where, () => {
    app.server.off('error', failed)
    resolve()
  })
  return promise
}

async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw new PluginError('SOCKET_UNUSABLE', path, 'it is no socket')
  const code = await connectError(path)
  if (code === undefined) throw new PluginError('SOCKET_IN_USE', path)
  if (code !== 'ECONNREFUSED') throw new PluginError('SOCKET_UNUSABLE', path, code)
  unlinkSync(path)
}

/** The code of the error that connecting gave, undefined when somebody took the connection. */
function connectError(path: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connect(path, () => {
    socket.destroy()
    resolve(undefined)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  return promise
}

function unusable(path: string, error: unknown): PluginError {
  return error instanceof PluginError ? error : new PluginError('SOCKET_UNUSABLE', path, (error as Error).message)
}
