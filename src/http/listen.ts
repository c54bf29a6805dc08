// Where the server listens: a path of its own, or a descriptor that systemd opened (so that the socket is there before
// dockerd starts).
import { chmodSync, chownSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { PluginError } from '../errors.ts'

/** Its owner and its group: whoever may write to the plugin's socket may make networks. */
const SOCKET_MODE = 0o660
const FOLDER_MODE = 0o755

export interface ListenOptions {
  /** Number of the group of the socket file. Without one: that which the folder hands down. */
  readonly group?: number
  /** The setting that names the path, for errors. */
  readonly setting?: string
}

/**
 * Listens on a unix socket, until `app.close()`. A path: its folder is made, the socket file of a dead process is
 * replaced, and its mode is 0660; throws SOCKET_IN_USE where somebody answers, SOCKET_UNUSABLE where something else
 * stands or the system refuses. `fd`: a listening descriptor, used as it is.
 */
export async function listen(
  app: FastifyInstance,
  at: string | { readonly fd: number },
  { group, setting = 'SLASH64_SOCKET' }: ListenOptions = {},
): Promise<void> {
  await app.ready()
  try {
    if (typeof at !== 'string') return await opened(app, { fd: at.fd })
    // mkdir(2) takes bits away as the umask says, and who may use the socket must be able to reach it.
    if (mkdirSync(dirname(at), { recursive: true }) !== undefined) chmodSync(dirname(at), FOLDER_MODE)
    await removeStale(at, setting)
    await opened(app, { path: at })
    if (group !== undefined) chownSync(at, process.getuid?.() ?? 0, group)
    chmodSync(at, SOCKET_MODE)
  } catch (error) {
    if (error instanceof PluginError) throw error
    const name = typeof at === 'string' ? at : `descriptor ${at.fd}`
    throw new PluginError('SOCKET_UNUSABLE', name, (error as Error).message, setting)
  }
}

/** Node's own listen: fastify's adds a TCP port to a descriptor. */
function opened(app: FastifyInstance, where: { path: string } | { fd: number }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  app.server.once('error', reject)
  app.server.listen(where, () => {
    app.server.off('error', reject)
    resolve()
  })
  return promise
}

async function removeStale(path: string, setting: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw new PluginError('SOCKET_UNUSABLE', path, 'it is no socket', setting)
  const code = await connectError(path)
  if (code === undefined) throw new PluginError('SOCKET_IN_USE', path, setting)
  if (code !== 'ECONNREFUSED') throw new PluginError('SOCKET_UNUSABLE', path, code, setting)
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
