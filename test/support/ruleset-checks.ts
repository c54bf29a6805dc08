// Checks of the ruleset that more than one case needs: what packets are made of, and what the host itself answers.
import assert from 'node:assert/strict'
import { gatewayAddress } from '../../src/address/plan.ts'
import {
  type Check,
  type Content,
  counted,
  isProhibited,
  nothing,
  type Options,
  packetOf,
  portOf,
  stopped,
} from './check.ts'
import type { Fabric, PlaceName } from './fabric.ts'
import * as packet from './packet.ts'
import { attempt, Stream } from './stream.ts'

export const tcpTo =
  (dport: number, flags?: packet.TcpHeader['flags']): Content =>
  (data, sport) => [packet.tcp({ sport, dport, data, ...(flags && { flags }) })]
export const udpTo =
  (dport: number): Content =>
  (data, sport) => [packet.udp({ sport, dport, data })]
export const sctpTo =
  (dport: number): Content =>
  (data, sport) => [packet.sctp({ sport, dport, data })]
export const echo: Content = (data, sport) => [packet.echoRequest(sport, data)]

export const HOST = '2001:db8:1:a::1'
const HOST_PORT = 2222
export const NOT_THE_LINKS = 'early_container 4: source is not this link’s'
export const w2 = (f: Fabric): string => f.address('w2')
export const w3 = (f: Fabric): string => f.address('w3')
export const gateway =
  (group: string) =>
  (f: Fabric): string => {
    const network = [...f.a.state.networks.values()].find(({ groupName }) => groupName === group)
    return gatewayAddress(network?.id ?? '')
  }
/** An address of group LOCAL of host A, but in the prefix of host B. */
export const localGroupAtB = (f: Fabric): string => f.address('l1').replace('2001:db8:1:a:', '2001:db8:1:b:')
/** A member of web in the prefix that is routed to the ordinary bridge. */
export const webAtC = (f: Fabric): string => f.address('w1').replace('2001:db8:1:a:', '2001:db8:1:c:')

/** IPv4 from one place to the ordinary container. */
export function ip4(from: PlaceName, source: string, arrives: boolean, counts?: string): Check {
  return async f => {
    const token = f.token()
    using there = f.capture('bridged', frame => frame.bytes.includes(token))
    const bytes = packet.ip4Udp(source, '198.51.100.2', { sport: portOf(token), dport: 9 }, token)
    await counted(f, counts, () => f.send(from, bytes))
    if (arrives) assert.ok(await there.first(f.patience), 'IPv4 did not arrive')
    else await nothing(there.first(15), 'IPv4 arrived')
  }
}

/** Something that host A itself answers (or must not), to be recognised by the answer's ICMPv6 type. */
export function asks(
  from: PlaceName,
  content: Content,
  type: number,
  answered: boolean,
  more: Options & { readonly destination: NonNullable<Options['destination']> },
): Check {
  return async f => {
    using back = f.capture(from, frame => frame.type === type)
    const bytes = packetOf(f, from, from, f.token(), content, more)
    await counted(f, more.counts, () => f.send(from, bytes))
    if (answered) assert.ok(await back.first(f.patience), `host A did not answer ${from}`)
    else await nothing(back.first(15), `host A answered ${from}`)
  }
}

/** A TCP connection to a server on host A. */
export function toHost(from: PlaceName | 'b', outcome: string, counts?: string): Check {
  return async f => {
    using _server = Stream.serve(f.machines.a, 'tcp', HOST_PORT)
    const ns = from === 'b' ? f.machines.b : f.at(from).ns
    await counted(f, counts, async () => {
      const { outcome: was, ms } = await attempt(ns, HOST, HOST_PORT, f.patience)
      assert.equal(was, outcome)
      if (outcome === 'ECONNREFUSED') assert.ok(ms < 50, `refused after ${ms} ms only`)
    })
  }
}

/** A datagram to a UDP socket on host A. */
export function datagramToHost(from: PlaceName, arrives: boolean, counts?: string): Check {
  return async f => {
    using server = Stream.serve(f.machines.a, 'udp', HOST_PORT)
    using client = Stream.open(f.at(from).ns, 'udp')
    await client.connect(HOST, HOST_PORT)
    await counted(f, counts, () => client.write('datagram'))
    if (arrives) assert.equal(await server.read(f.patience), 'datagram')
    else await assert.rejects(server.read(15), /EAGAIN/)
  }
}

/** A multicast echo request, which every node on the link would answer. */
export function multicastEcho(answered: boolean): Check {
  return async f => {
    const token = f.token()
    using back = f.capture('e1', ({ type }) => type === 129)
    const bytes = packet.ip6({ source: f.address('e1'), destination: 'ff02::1' }, packet.echoRequest(1, token))
    await counted(f, answered ? undefined : 'guard 4: no multicast', () =>
      f.sendFrames('e1', packet.frame('33:33:00:00:00:01', f.at('e1').mac, bytes)),
    )
    if (!answered) await nothing(back.first(15), 'host A answered a multicast')
  }
}

export function arp(from: PlaceName, answered: boolean, counts?: string): Check {
  return async f => {
    const { mac } = f.at(from)
    using back = f.capture(from, ({ etherType }) => etherType === 0x0806)
    const question = packet.arpRequest(mac, '198.51.100.2', '198.51.100.1')
    await counted(f, counts, () => f.sendFrames(from, packet.frame('ff:ff:ff:ff:ff:ff', mac, question, 0x0806)))
    if (answered) assert.ok(await back.first(f.patience), `ARP of ${from} was not answered`)
    else await nothing(back.first(15), `ARP of ${from} was answered`)
  }
}

/** A datagram in two fragments, after `before` incomplete ones. */
export function inFragments(from: PlaceName, to: PlaceName, before: number, arrives: boolean, counts?: string): Check {
  return async f => {
    const token = f.token()
    const header = { source: f.address(from), destination: f.address(to) }
    using there = f.capture(to, frame => frame.bytes.includes(token))
    const whole = packet.ip6(
      header,
      packet.udp({ sport: portOf(token), dport: 9, data: Buffer.concat([Buffer.alloc(200), token]) }),
    )
    const lonely = Array.from({ length: before }, (_, index) => {
      return packet.ip6(header, packet.fragment(index, 0, true, 17), packet.raw(17, Buffer.alloc(64)))
    })
    await counted(f, counts, () => f.send(from, ...lonely, ...packet.fragments(whole, header, 0x640000, 104)))
    if (arrives) assert.ok(await there.first(f.patience), 'the datagram in fragments did not arrive')
    else await nothing(there.first(15), 'the datagram in fragments arrived')
  }
}

/** The prohibition comes from the host's own address in its prefix. */
export function fromHost(frame: Parameters<typeof isProhibited>[0]): boolean {
  return isProhibited(frame) && frame.source === HOST
}

/** A closed port does not answer the world at all. */
export function silent(from: PlaceName, to: PlaceName): Check {
  return async f => {
    using back = f.capture(from, ({ source }) => source === f.address(to) || source === HOST)
    await stopped(from, to, tcpTo(5432))(f)
    await stopped(from, to, udpTo(5432))(f)
    await nothing(back.first(15), `${from} was answered`)
  }
}
