// From the bytes of a request to checked values.
import type { z } from 'zod'
import { PluginError } from '../errors.ts'

const LIMIT = 4 * 1024 * 1024

/**
 * The bytes of a request as text. Reads to the end whatever comes, or Go could take the broken connection for the
 * answer and send the request again without its body; keeps no more than 4 MiB. Throws BODY_TOO_LARGE, or
 * REQUEST_UNREADABLE where the connection broke.
 */
export async function readBody(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of stream) {
      length += chunk.length
      if (length <= LIMIT) chunks.push(chunk)
    }
  } catch (error) {
    throw new PluginError('REQUEST_UNREADABLE', (error as Error).message)
  }
  if (length > LIMIT) throw new PluginError('BODY_TOO_LARGE', `${LIMIT / 1024 / 1024} MiB`)
  return Buffer.concat(chunks).toString()
}

type Issue = z.core.$ZodIssue

/**
 * The parsed body of a request. `text` is what the engine sent, undefined when it sent nothing: a client whose
 * connection broke repeats the request with the buffer that it has read to the end (moby pkg/plugins/client.go, issue
 * 35459). Throws BODY_EMPTY, BODY_NOT_JSON (with the place) or BODY_INVALID (with the first field that does not fit).
 */
export function parseBody<T>(rpc: string, schema: z.ZodType<T>, text: unknown): T {
  if (typeof text !== 'string' || text.trim() === '') throw new PluginError('BODY_EMPTY', rpc)
  const json = parseJson(rpc, text)
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new PluginError('BODY_INVALID', rpc, fieldName(issue), shown(json, issue?.path ?? []), issue?.message ?? '')
}

function parseJson(rpc: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PluginError('BODY_NOT_JSON', rpc, (error as Error).message)
  }
}

function fieldName(issue: Issue | undefined): string {
  const name = (issue?.path ?? []).map(String).join(' / ')
  return name === '' ? 'the body' : name.slice(0, 200)
}

/**
 * What stands at `path`: strings quoted and cut, everything else by its kind, because it may be of any size and depth.
 */
function shown(json: unknown, path: readonly PropertyKey[]): string {
  let value = json
  for (const key of path) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
  }
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value === null) return 'null'
  if (value === undefined) return 'missing'
  return Array.isArray(value) ? 'an array' : 'an object'
}
