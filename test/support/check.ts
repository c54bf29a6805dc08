// One packet and what must become of it. A check throws an AssertionError that says where the packet was and was not seen.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fabric, PlaceName } from './fabric.ts'
import { ip6, type Layer } from './packet.ts'
import { isError, type View } from './packet-view.ts'

export type Check = (fabric: Fabric) => Promise<void>

/** What a packet is made of: `token` is put in as data, `sport` is a port that no other packet has. */
export type Content = (token: Buffer, sport: number, fabric: Fabric) => Layer[]

export interface Options {
  /** Addresses other than those of the two places. */
  readonly source?: string | ((fabric: Fabric) => string)
  readonly destination?: string | ((fabric: Fabric) => string)
  readonly hopLimit?: number
  /** Rule of host A whose counter must grow. */
  readonly counts?: string
  /** What the sender must be answered with. */
  readonly answer?: (frame: View) => boolean
}

/** The answers of a refusal. */
export const isReset = ({ flags }: View): boolean => flags?.includes('rst') ?? false
export const isProhibited = ({ type, code }: View): boolean => type === 1 && code === 1

/** How long a packet that must not come is waited for, in milliseconds, where no counter tells that it is dead. */
const SETTLE = 15

/** A source port for a token: each token has its own. */
export function portOf(token: Buffer): number {
  return 10_000 + token.readUInt16BE(3)
}

/** The packet of a check. */
export function packetOf(
  fabric: Fabric,
  from: PlaceName,
  to: PlaceName,
  token: Buffer,
  content: Content,
  more: Options,
) {
  const text = (given: Options['source'], place: PlaceName): string =>
    given === undefined ? fabric.address(place) : typeof given === 'string' ? given : given(fabric)
  const { hopLimit = 64 } = more
  const header = { source: text(more.source, from), destination: text(more.destination, to), hopLimit }
  return ip6(header, ...content(token, portOf(token), fabric))
}

/** The packet reaches `to`. */
export function delivered(from: PlaceName, to: PlaceName, content: Content, more: Options = {}): Check {
  return fabric => exchange(fabric, from, to, content, more, true)
}

/** The packet does not reach `to`. */
export function stopped(from: PlaceName, to: PlaceName, content: Content, more: Options = {}): Check {
  return fabric => exchange(fabric, from, to, content, more, false)
}

async function exchange(
  fabric: Fabric,
  from: PlaceName,
  to: PlaceName,
  content: Content,
  more: Options,
  arrives: boolean,
): Promise<void> {
  const token = fabric.token()
  const packet = packetOf(fabric, from, to, token, content, more)
  using there = fabric.capture(to, frame => frame.bytes.includes(token) && !isError(frame))
  using back = fabric.capture(from, frame => frame.bytes.includes(token) || frame.dport === portOf(token))
  await counted(fabric, more.counts, () => fabric.send(from, packet))
  if (more.answer) assert.ok(await back.first(fabric.patience, more.answer), `${from} was not answered as it should`)
  if (arrives) assert.ok(await there.first(fabric.patience), `${from} -> ${to} did not arrive`)
  else await nothing(there.first(SETTLE), `${from} -> ${to} arrived`)
}

/** Calls `act` and waits until the rule's counter has grown. */
export async function counted(fabric: Fabric, rule: string | undefined, act: () => unknown): Promise<void> {
  const before = rule === undefined || !fabric.counting ? undefined : fabric.a.count(rule)
  await act()
  if (rule === undefined || !fabric.counting) return
  assert.notEqual(before, undefined, `rule "${rule}" has no counter`)
  const end = performance.now() + fabric.patience
  while (fabric.a.count(rule) === before) {
    assert.ok(performance.now() < end, `the counter of "${rule}" did not grow`)
    await sleep(1)
  }
}

/** Nothing was seen. */
export async function nothing(seen: Promise<View | undefined>, message: string): Promise<void> {
  assert.equal(await seen, undefined, message)
}

/** Several checks, one after the other. */
export function all(...checks: readonly Check[]): Check {
  return async fabric => {
    for (const check of checks) await check(fabric)
  }
}
