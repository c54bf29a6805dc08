// Packets with a source address that is not the sender's, and what becomes of them.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Host } from '../lab/host.ts'
import type { Door } from './inside.ts'
import type { Netns } from './netns.ts'
import { echoRequest, ip6, tcp, udp } from './packet.ts'
import { capture } from './packet-socket.ts'
import { counted } from './two-hosts.ts'

/** A container that the packets are for, and a port that its list opens for TCP and UDP. */
export interface Target {
  readonly host: Host
  readonly ns: Netns
  readonly address: string
  readonly port: number
}

/** Eight bytes by which a packet is known again. */
export const token = (): Buffer => randomBytes(8)

/**
 * Sends a SYN and a datagram to the target's open port and an echo request, all from `source`. Nothing of it may arrive, and it is `rule` of the
 * target's host that counts the three.
 */
export async function assertStopped(target: Target, door: Door, source: string, rule: string): Promise<void> {
  const data = token()
  const { host, ns, address: destination, port: dport } = target
  using there = capture(ns, 'net0', frame => frame.bytes.includes(data))
  const before = await counted(host, rule)
  const header = { source, destination }
  const sport = 40_000 + data.readUInt8()
  door.send(
    ip6(header, tcp({ sport, dport, data })),
    ip6(header, udp({ sport, dport, data })),
    ip6(header, echoRequest(sport, data)),
  )
  assert.equal(await there.first(50), undefined, `a packet from ${source} arrived`)
  assert.equal((await counted(host, rule)) - before, 3, `"${rule}" for ${source}`)
}

/** The other side of the above: the same datagram does arrive from a source that is believed. */
export async function assertArrives(target: Target, door: Door, source: string): Promise<void> {
  const data = token()
  using there = capture(target.ns, 'net0', frame => frame.bytes.includes(data))
  const header = { source, destination: target.address }
  door.send(ip6(header, udp({ sport: 40_000, dport: target.port, data })))
  assert.ok(await there.first(1000), `a packet from ${source} did not arrive`)
}
