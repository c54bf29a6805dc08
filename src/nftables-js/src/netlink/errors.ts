import { constants } from 'node:os'

const names = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]))

/**
 * What the kernel refused: which operation, with which errno, and what it said about it (extended acknowledgement).
 * `offset` is the position of the offending attribute in the request, in bytes, counted from the netlink header.
 */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError'
  readonly operation: string
  readonly errno: number
  readonly code: string
  readonly detail: string | undefined
  readonly offset: number | undefined

  constructor(operation: string, errno: number, detail?: string, offset?: number) {
    const code = names.get(errno) ?? `errno ${errno}`
    super(`${operation}: ${code}${detail ? ` (${detail})` : ''}`)
    this.operation = operation
    this.errno = errno
    this.code = code
    this.detail = detail
    this.offset = offset
  }
}

/** True when `error` is the kernel's refusal with one of `codes` (`'ENOENT'`, `'EEXIST'`, …). */
export function isNetlinkError(error: unknown, ...codes: string[]): error is NetlinkError {
  return error instanceof NetlinkError && (codes.length === 0 || codes.includes(error.code))
}
