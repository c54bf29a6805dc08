// The command's end of the control socket.
import { request } from 'node:http'
import { PluginError } from '../errors.ts'
import { groupOwning } from './control-access.ts'

/** Milliseconds of silence after which the daemon is given up. */
const PATIENCE_MS = 10_000

export interface ControlReply {
  /** HTTP status. */
  readonly status: number
  readonly body: string
}

/**
 * Asks GET `question` on the unix socket `path`. Throws CONTROL_ABSENT where nobody listens, CONTROL_FORBIDDEN where the system does not let us, CONTROL_BROKEN
 * for what else goes wrong, silence of `patience` milliseconds included.
 */
export async function askControl(path: string, question: string, patience = PATIENCE_MS): Promise<ControlReply> {
  try {
    return await get(path, question, patience)
  } catch (error) {
    throw failure(path, error as NodeJS.ErrnoException)
  }
}

function get(socketPath: string, path: string, timeout: number): Promise<ControlReply> {
  const { promise, resolve, reject } = Promise.withResolvers<ControlReply>()
  const asked = request({ socketPath, path, timeout, headers: { connection: 'close' } }, async response => {
    try {
      const chunks: Buffer[] = await response.toArray()
      resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() })
    } catch (error) {
      reject(error)
    }
  })
  asked.on('error', reject)
  asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeout} ms`)))
  asked.end()
  return promise
}

function failure(path: string, { code, message }: NodeJS.ErrnoException): PluginError {
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK' || code === 'ENOTDIR')
    return new PluginError('CONTROL_ABSENT', path)
  if (code === 'EACCES' || code === 'EPERM') return new PluginError('CONTROL_FORBIDDEN', path, groupOwning(path))
  return new PluginError('CONTROL_BROKEN', path, message)
}
