// The lines of a recorded conversation, and their fields.
import type { Body } from './acceptable.ts'

/**
 * One line of a recording. `answer`: pool id or address of the other driver. `failed`: it did not answer, or with an error.
 * `crash`: it ended here and started again.
 */
export interface Row {
  readonly path: string
  readonly req: Body | null
  readonly answer?: string
  readonly failed?: true
  readonly crash?: true
}

/** Where the `-o` options of a network are. */
export const GENERIC = 'com.docker.network.generic'
/** A field of a request as a string. */
export const text = (value: unknown): string => (typeof value === 'string' ? value : '')
/** An address without its length. */
export const bare = (cidr: unknown): string => text(cidr).split('/')[0] ?? ''
/** A field of a request as an object; null is an empty one. */
export const map = (value: unknown): Body => (value ?? {}) as Body

/** Ids are recorded by their first 12 digits. */
export function parseRow(line: string): Row {
  return JSON.parse(line.replace(/"([0-9a-f]{12})"/g, (_, id: string) => `"${id}${'a'.repeat(52)}"`)) as Row
}

/** Options without what ours refuses. */
export function advised(options: Body): Body {
  const known = Object.entries(options).filter(([name]) => name.startsWith('com.docker.') && !name.endsWith('.ifname'))
  return Object.fromEntries(known)
}
