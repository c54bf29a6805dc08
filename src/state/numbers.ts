// Which endpoint number comes next in a pool: the next one never used, so that nothing in the world still talks to its last holder; then the one
// that has been free for longest; then one whose lease nobody took up.
import { endpointNumber } from '../address/plan.ts'
import { PluginError } from '../errors.ts'
import type { Change } from './model.ts'
import { LAST_NUMBER, type PoolUse } from './state.ts'

/** After this long without an endpoint a lease is taken for lost (dockerd gave up in between, or its release never came). */
export const LEASE_MS = 10 * 60 * 1000
/** Numbers are reserved on disk in steps of this many: one write for so many containers. */
const STEP = 256

/** The number for a new lease, and the changes that take it. Throws POOL_EXHAUSTED. */
export function allocate(use: PoolUse, now: number, name?: string): { number: number; changes: Change[] } {
  const own = name === undefined ? undefined : named(use, name, now)
  if (own !== undefined) return { number: own, changes: [lease(use, own, now)] }
  const number = fresh(use) ?? use.freed.values().next().value ?? expired(use, now)
  if (number === undefined) throw new PluginError('POOL_EXHAUSTED', use.pool.id, String(LAST_NUMBER))
  const changes: Change[] = [lease(use, number, now)]
  if (number > use.pool.reserved) {
    const reserved = Math.min(LAST_NUMBER, Math.ceil(number / STEP) * STEP)
    changes.unshift({ kind: 'pool', id: use.pool.id, before: use.pool, after: { ...use.pool, reserved } })
  }
  return { number, changes }
}

/** Takes a number that was asked for by address. Throws ADDRESS_TAKEN. */
export function claim(use: PoolUse, number: number, address: string, now: number): Change {
  const holder = use.endpoints.get(number)
  if (holder) throw new PluginError('ADDRESS_TAKEN', address, `endpoint ${holder.slice(0, 12)}`)
  const held = use.leases.get(number)
  if (held && now - held.since < LEASE_MS)
    throw new PluginError('ADDRESS_TAKEN', address, 'a container that is starting')
  return lease(use, number, now)
}

function lease(use: PoolUse, number: number, now: number): Change {
  return { kind: 'lease', id: use.pool.id, number, before: use.leases.get(number), after: { since: now } }
}

function fresh({ next }: PoolUse): number | undefined {
  return next <= LAST_NUMBER ? next : undefined
}

/** The number that a name stands for on every day (engine 29 and later tell it), unless somebody has it: then the name gets any other. */
function named(use: PoolUse, name: string, now: number): number | undefined {
  const number = endpointNumber(name)
  const lease = use.leases.get(number)
  return use.endpoints.has(number) || (lease && now - lease.since < LEASE_MS) ? undefined : number
}

function expired(use: PoolUse, now: number): number | undefined {
  for (const [number, { since }] of use.leases) if (now - since >= LEASE_MS) return number
  return undefined
}
