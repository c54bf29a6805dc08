// The cases of rules that look at a flow's past: answers, errors about flows, limits.
import assert from 'node:assert/strict'
import { type Check, counted, delivered, nothing, portOf, stopped } from './check.ts'
import type { Fabric, PlaceName } from './fabric.ts'
import * as packet from './packet.ts'
import type { RuleCase } from './ruleset-cases.ts'
import { udpTo } from './ruleset-checks.ts'
import { attempt, Stream } from './stream.ts'

/** One UDP flow: its two directions as packets, built anew with each token. */
export interface UdpFlow {
  readonly from: PlaceName
  readonly to: PlaceName
  readonly sport: number
  readonly dport: number
}

export function there(f: Fabric, { from, to, sport, dport }: UdpFlow, data: Buffer = f.token()): Buffer {
  return packet.ip6({ source: f.address(from), destination: f.address(to) }, packet.udp({ sport, dport, data }))
}

export function back(f: Fabric, { from, to, sport, dport }: UdpFlow, data: Buffer = f.token()): Buffer {
  const header = { source: f.address(to), destination: f.address(from) }
  return packet.ip6(header, packet.udp({ sport: dport, dport: sport, data }))
}

/** Sends the first packet of a flow, and on demand the first answer. */
export function open(f: Fabric, from: PlaceName, to: PlaceName, dport: number, answered = true): UdpFlow {
  const flow = { from, to, sport: portOf(f.token()), dport }
  f.send(from, there(f, flow))
  if (answered) f.send(to, back(f, flow))
  return flow
}

/** Sends a packet at `from`; it must arrive at `to`, or must not. */
export async function passes(
  f: Fabric,
  from: PlaceName,
  to: PlaceName,
  token: Buffer,
  bytes: Buffer,
  arrives: boolean,
) {
  using capture = f.capture(to, frame => frame.bytes.includes(token))
  f.send(from, bytes)
  if (arrives) assert.ok(await capture.first(f.patience), `${from} -> ${to} did not arrive`)
  else await nothing(capture.first(15), `${from} -> ${to} arrived`)
}

const answers: Check = async f => {
  const flow = open(f, 'w1', 'd1', 53, false)
  const token = f.token()
  await passes(f, 'd1', 'w1', token, back(f, flow, token), true)
}

/** An expectation of the TFTP helper: after a request to port 69, the server answers from another port. */
const tftp: Check = async f => {
  const helper = `table inet other { ct helper tftp { type "tftp" protocol udp
    }
    chain c { type filter hook prerouting priority -150
      udp dport 69 ct helper set "tftp"
    }
  }`
  f.a.nft(helper)
  try {
    const request = Buffer.concat([packet.u16(1), Buffer.from('file\0octet\0')])
    const flow = { from: 'w1', to: 'internet', sport: portOf(f.token()), dport: 69 } as const
    f.send('w1', there(f, flow, request))
    const token = f.token()
    const answer = back(f, { ...flow, dport: 3333 }, token)
    await counted(f, 'related 1: an expectation of a helper', () => passes(f, 'internet', 'w1', token, answer, false))
  } finally {
    f.a.nft('delete table inet other')
  }
}

const ROUTER = '2001:db8:ffff::99'

/** The errors that a router on the way sends about a flow of w1. */
const errorsFromOutside: Check = async f => {
  const flow = open(f, 'w1', 'internet', 9)
  const quoted = there(f, flow)
  for (const error of [packet.tooBig(1280, quoted), packet.unreachable(0, quoted), packet.timeExceeded(quoted)]) {
    const bytes = packet.ip6({ source: ROUTER, destination: f.address('w1') }, error)
    await passes(f, 'internet', 'w1', quoted.subarray(48), bytes, true)
  }
}

/** An error of w1 about an answer that it got, to a flow that it opened itself. */
const errorAboutAnswer: Check = async f => {
  const flow = open(f, 'w1', 'internet', 9)
  const quoted = back(f, flow)
  const header = { source: f.address('w1'), destination: f.address('internet') }
  await passes(f, 'w1', 'internet', quoted.subarray(48), packet.ip6(header, packet.unreachable(4, quoted)), true)
}

/** An error of w1 about a packet that somebody sent to its published port. */
const errorAboutRequest: Check = async f => {
  const flow = open(f, 'internet', 'w1', 443, false)
  const quoted = there(f, flow)
  const header = { source: f.address('w1'), destination: f.address('internet') }
  await passes(f, 'w1', 'internet', quoted.subarray(48), packet.ip6(header, packet.unreachable(4, quoted)), true)
}

/** Errors of e1 about a flow between others. */
export const foreignErrors: Check = async f => {
  const flow = open(f, 'w1', 'internet', 9)
  const quoted = there(f, flow)
  for (const error of [packet.tooBig(1280, quoted), packet.unreachable(4, quoted), packet.timeExceeded(quoted)]) {
    const bytes = packet.ip6({ source: f.address('e1'), destination: f.address('w1') }, error)
    const act = () => passes(f, 'e1', 'w1', quoted.subarray(48), bytes, false)
    await counted(f, 'related 5: an error about somebody else’s flow', act)
  }
}

/** With other limits than usual. */
export function limited(options: Partial<Fabric['a']['options']>, check: Check): Check {
  return async f => {
    const before = f.a.options
    f.a.options = { ...before, ...options }
    f.a.apply()
    try {
      await check(f)
    } finally {
      f.a.options = before
      f.a.apply()
    }
  }
}

/** `count` flows with answers, of which the first still passes when the next one is refused. */
function full(from: PlaceName, to: PlaceName, dport: number, count: number, rule: string): Check {
  return async f => {
    const flows = Array.from({ length: count }, () => open(f, from, to, dport))
    const token = f.token()
    const next = { from, to, sport: portOf(token), dport }
    await counted(f, rule, () => passes(f, from, to, token, there(f, next, token), false))
    const [first] = flows
    const again = f.token()
    if (first) await passes(f, from, to, again, there(f, first, again), true)
  }
}

/** `count` flows, of which the last one still passes. */
function notFull(from: PlaceName, to: PlaceName, dport: number, count: number): Check {
  return async f => {
    for (let n = 1; n < count; n++) open(f, from, to, dport)
    const token = f.token()
    await passes(f, from, to, token, there(f, { from, to, sport: portOf(token), dport }, token), true)
  }
}

const LIMIT = 3
const tooManyFrom = full('l1', 'l2', 9, LIMIT, 'admit 2: more flows than one container may hold')
const tooManyTo = full('internet', 'w1', 443, LIMIT, 'admit 3: more flows than others may hold to one container')

/** Host A sends to a closed port of e1, and hears of it. */
const errorToHost: Check = async f => {
  using socket = Stream.open(f.machines.a, 'udp')
  await socket.connect(f.address('e1'), 9)
  socket.write('to a closed port')
  await assert.rejects(socket.read(f.patience), /ECONNREFUSED/)
}

/** Host A has a flow to the internet; e1 sends an error about it. */
const forgedErrorToHost: Check = async f => {
  using socket = Stream.open(f.machines.a, 'udp')
  await socket.connect(f.address('internet'), 4444)
  using capture = f.capture('internet', ({ dport }) => dport === 4444)
  socket.write('to nobody')
  const sent = await capture.first(f.patience)
  assert.ok(sent?.source, 'host A cannot send to the internet')
  const header = { source: f.address('e1'), destination: sent.source }
  const forged = packet.ip6(header, packet.unreachable(1, sent.bytes.subarray(14)))
  // The internet machine answers with an error of its own; the forged one is the prohibition.
  await counted(f, 'related 5: an error about somebody else’s flow', () => f.send('e1', forged))
}

const fromHostToContainer: Check = async f => {
  using _server = Stream.serve(f.at('e1').ns, 'tcp', 8080)
  assert.equal((await attempt(f.machines.a, f.address('e1'), 8080, f.patience)).outcome, 'connected')
}

export const FLOW_CASES: readonly RuleCase[] = [
  { rule: 'decide 2', hit: answers, miss: stopped('d1', 'w1', udpTo(9)) },
  { rule: 'related 1: an expectation of a helper', hit: tftp, miss: errorsFromOutside },
  { rule: 'related 2', hit: errorsFromOutside, miss: foreignErrors },
  { rule: 'related 3', hit: errorAboutAnswer, miss: foreignErrors },
  { rule: 'related 4', hit: errorAboutRequest, miss: foreignErrors },
  { rule: 'related 5: an error about somebody else’s flow', hit: foreignErrors, miss: errorAboutAnswer },
  { rule: 'admit 1', hit: limited({ flowsFrom: LIMIT }, tooManyFrom), miss: delivered('l1', 'l2', udpTo(9)) },
  {
    rule: 'admit 2: more flows than one container may hold',
    hit: limited({ flowsFrom: LIMIT }, tooManyFrom),
    miss: limited({ flowsFrom: LIMIT }, notFull('l1', 'l2', 9, LIMIT)),
  },
  {
    rule: 'admit 3: more flows than others may hold to one container',
    hit: limited({ flowsTo: LIMIT }, tooManyTo),
    miss: limited({ flowsTo: LIMIT }, notFull('internet', 'w1', 443, LIMIT)),
  },
  { rule: 'admit 4', hit: delivered('l1', 'l2', udpTo(9)), miss: limited({ flowsFrom: LIMIT }, tooManyFrom) },
  { rule: 'to_host 2', hit: errorToHost, miss: forgedErrorToHost },
  { rule: 'to_host 3', hit: fromHostToContainer, miss: stopped('e1', 'd1', udpTo(9)) },
]
