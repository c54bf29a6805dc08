// The Compose examples: the table "from | to | port | allowed?" of each README, held against real packets.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { type Output, type Running, until } from '../lab/process.ts'
import { repository } from '../lab/setup.ts'
import { Topology } from '../lab/topology.ts'
import type { Attempt } from './connect.ts'
import { connectFrom, connectFromMachine, inContainer } from './container.ts'
import { particulars } from './examples-particulars.ts'
import { inside } from './inside.ts'
import { lines } from './promised.ts'
import { serveOn } from './stage.ts'

export const examplesFolder = join(repository, 'examples')

/** The names of all examples. */
export const exampleNames = (): string[] =>
  readdirSync(examplesFolder, { withFileTypes: true }).flatMap(one => (one.isDirectory() ? [one.name] : []))

/** What a README may say, and what a client then sees. `connected`, `timeout` or the name of an errno. */
const OUTCOMES = {
  yes: 'connected',
  'no, refused at once': 'ECONNREFUSED',
  'no, no answer': 'timeout',
  'no, no route': 'ENETUNREACH',
} as const
type Verdict = keyof typeof OUTCOMES

/** An ICMPv6 error instead of a reset stalls clients on the same host for 1 s: that would not be "at once". */
const AT_ONCE_MS = 500

/** One row: `from` a service, `world` or `host`; `to` these, `localhost`, or a service or the world with "(NETWORK)" or "(IPv4)" behind. */
export interface Row {
  readonly from: string
  readonly to: string
  /** A TCP port, or `ping`. */
  readonly port: string
  readonly verdict: Verdict
}

/** The rows of the table in an example's README. Throws an Error that quotes what is no row of such a table. */
export function readTable(name: string): Row[] {
  const text = readFileSync(join(examplesFolder, name, 'README.md'), 'utf8')
  const [, table] = /^\| from \| to \| port \| allowed\? \|.*\n\|[-|]+\n((?:\|.*\n)+)/m.exec(text) ?? []
  if (!table) throw new Error(`examples/${name}/README.md has no table "| from | to | port | allowed? |"`)
  return lines(table).map(line => {
    const [, from = '', to = '', port = '', verdict = ''] = line.split('|').map(cell => cell.trim())
    if (!/^(\d+|ping)$/.test(port)) throw new Error(`${line}\n"${port}" is no port: write a number, or ping`)
    if (!isVerdict(verdict))
      throw new Error(`${line}\n"${verdict}" is no verdict: write ${Object.keys(OUTCOMES).join('; ')}`)
    return { from, to, port, verdict }
  })
}

function isVerdict(text: string): text is Verdict {
  return Object.hasOwn(OUTCOMES, text)
}

/** Where the internet machine and the host meet over IPv4, on a cable of their own. */
export const LEGACY = { host: '198.51.100.1', internet: '198.51.100.2' } as const
/** As a socket for IPv6 says it (RFC 4291, 2.5.5.2). */
export const mapped = (address: string): string => `::ffff:${address}`

/** An example that is up, and the machines around it. */
export class Example {
  readonly host: Host
  readonly internet: Machine
  readonly name: string
  /** Where somebody was seen to listen. */
  readonly known = new Set<string>()
  readonly #driver: string

  /** `driver` as Docker calls it: `slash64`, or with its tag when it is a managed plugin. */
  constructor(host: Host, internet: Machine, name: string, driver: string) {
    this.host = host
    this.internet = internet
    this.name = name
    this.#driver = driver
  }

  /** Runs Compose as a user does; the default driver goes unsaid. */
  async tryCompose(...args: string[]): Promise<Output> {
    const said = this.#driver === 'slash64' ? [] : ['env', `SLASH64_DRIVER=${this.#driver}`]
    const file = join(examplesFolder, this.name, 'compose.yaml')
    return this.host.exec([...said, 'docker', 'compose', '-f', file, '--progress', 'quiet', ...args])
  }

  /** The same, and what it printed. Throws an AssertionError with its words when it fails. */
  async compose(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryCompose(...args)
    assert.equal(code, 0, `${this.name}: compose ${args.join(' ')}: ${stderr || stdout}`)
    return stdout
  }

  /** The container of a service, the first one where there are several. */
  container(service: string): string {
    return `${this.name}-${service}-1`
  }

  /** The address of a service on one of its networks, or on its only one: IPv6, or IPv4 in the form for IPv6 sockets. */
  async address(service: string, network?: string): Promise<string> {
    const text = await this.host.docker('inspect', '-f', '{{json .NetworkSettings.Networks}}', this.container(service))
    const networks = Object.entries(JSON.parse(text) as Record<string, Record<string, string>>)
    const found = networks.filter(([one]) => network === undefined || one === `${this.name}_${network}`)
    assert.equal(
      found.length,
      1,
      `${service} is on ${networks.map(([one]) => one).join(', ')}: say on which, in brackets`,
    )
    const { GlobalIPv6Address: six = '', IPAddress: four = '' } = found[0]?.[1] ?? {}
    return six || mapped(four)
  }

  /** What a cell of the column "to" means. */
  async target(to: string): Promise<string> {
    const [, name = '', place] = /^([a-z0-9-]+)(?: \((.+)\))?$/.exec(to) ?? []
    if (name === 'localhost') return mapped('127.0.0.1')
    if (name === 'world') return place === 'IPv4' ? mapped(LEGACY.internet) : Topology.internetAddress
    if (name !== 'host') return this.address(name, place)
    const addresses = await this.host.check(['ip', '-6', '-o', 'address', 'show', 'dev', 'lo', 'scope', 'global'])
    return /inet6 (\S+)\//.exec(addresses)?.[1] ?? ''
  }

  /** Tries a TCP port from where a cell of the column "from" says. */
  async connect(from: string, address: string, port: string): Promise<Attempt> {
    if (from === 'world') return connectFromMachine(this.internet, address, Number(port))
    if (from === 'host') return connectFromMachine(this.host, address, Number(port))
    return connectFrom(this.host, this.container(from), address, Number(port))
  }
}

/**
 * Brings an example up with its Compose file, twice, and takes it down again: the file is clean, every row of its README's table is what packets
 * find, and nothing stays. The host has Docker, slash64 by the name `driver` and the image busybox. Throws an AssertionError.
 */
export async function checkExample(host: Host, internet: Machine, name: string, driver: string): Promise<void> {
  const example = new Example(host, internet, name, driver)
  const { code, stderr } = await example.tryCompose('config', '--quiet')
  assert.deepEqual([code, stderr], [0, ''], 'the file is clean')
  await layLegacyCable(example)
  try {
    await assertUpTwice(example)
    await particulars[name]?.(example)
    await assertRows(example, readTable(name))
  } catch (error) {
    const logs = await example.tryCompose('logs', '--tail', '20')
    throw new Error(`${name}: ${error instanceof Error ? error.message : error}\n${logs.stdout}`, { cause: error })
  } finally {
    await example.compose('down', '--volumes')
  }
  await assertNothingLeft(example)
}

async function assertUpTwice(example: Example): Promise<void> {
  await example.compose('up', '-d', '--wait')
  const running = await example.compose('ps', '-q')
  await example.compose('up', '-d', '--wait')
  assert.equal(await example.compose('ps', '-q'), running, 'the second up changes nothing')
}

async function assertNothingLeft({ host, name }: Example): Promise<void> {
  for (const kind of ['container', 'network', 'volume']) {
    const all = kind === 'container' ? ['-a'] : []
    const filter = ['--filter', `label=com.docker.compose.project=${name}`]
    assert.equal(await host.docker(kind, 'ls', '-q', ...all, ...filter), '', `a ${kind} stays`)
  }
}

/** That every row is what packets find; a denied one with a server that listens. */
export async function assertRows(example: Example, rows: readonly Row[]): Promise<void> {
  const servers = await serveAround(example, rows)
  try {
    const problems: string[] = []
    for (const row of rows) problems.push(...(await check(example, row)))
    assert.deepEqual(problems, [], 'what the table says and what packets find')
  } finally {
    for (const server of servers) await server.stop('SIGKILL')
  }
}

async function check(example: Example, row: Row): Promise<string[]> {
  const { from, to, port, verdict } = row
  const address = await example.target(to)
  const say = (found: string): string[] => [`${from} -> ${to} ${port}: ${verdict}, but ${found} (${address})`]
  if (port === 'ping') {
    const answered = await pings(example, from, address)
    return answered === (verdict === 'yes') ? [] : say(answered ? 'an answer' : 'no answer')
  }
  await listening(example, to, address, port)
  const { outcome, ms } = await example.connect(from, address, port)
  if (outcome !== OUTCOMES[verdict]) return say(outcome)
  return outcome === 'ECONNREFUSED' && ms > AT_ONCE_MS ? say(`${ms} ms late`) : []
}

/** Only the host is let in everywhere: it tells what is denied from what is broken, or not up yet. */
async function listening(example: Example, to: string, address: string, port: string): Promise<void> {
  const target = `${to} ${port} (${address})`
  if (example.known.has(target)) return
  await until(
    async () => (await example.connect('host', address, port)).outcome === 'connected',
    5000,
    () => `nobody listens at ${target}`,
  )
  example.known.add(target)
}

async function pings(example: Example, from: string, address: string): Promise<boolean> {
  const argv = ['busybox', 'ping', '-c', '1', '-W', '2', address]
  const { host, internet } = example
  const machine = { world: internet, host }[from]
  const answer = machine ? machine.check(argv) : inContainer(host, example.container(from), argv)
  return answer.then(
    () => true,
    () => false,
  )
}

/** Servers in the world and on the host, at the ports that the table has for them. */
async function serveAround({ host, internet }: Example, rows: readonly Row[]): Promise<Running[]> {
  const portsOf = (place: RegExp): number[] => [
    ...new Set(rows.filter(({ to }) => place.test(to)).map(({ port }) => Number(port))),
  ]
  const around = [
    [internet, portsOf(/^world\b/)],
    [host, portsOf(/^host$/)],
  ] as const
  return Promise.all(around.filter(([, ports]) => ports.length > 0).map(([machine, ports]) => serveOn(machine, ports)))
}

/** Gives host and internet IPv4 and a cable for it, once; both then know each other only. */
async function layLegacyCable({ host, internet }: Example): Promise<void> {
  if ((await host.exec(['ip', 'link', 'show', 'legacy'])).code === 0) return
  const ends = [
    [host, LEGACY.host],
    [internet, LEGACY.internet],
  ] as const
  inside(internet).ip(`link add legacy type veth peer name legacy netns ${host.pid}`)
  for (const [machine, address] of ends) {
    await machine.check(['ip', 'address', 'add', `${address}/24`, 'dev', 'legacy'])
    await machine.check(['ip', 'link', 'set', 'legacy', 'up'])
  }
  await until(
    async () => (await host.exec(['busybox', 'ping', '-c', '1', '-W', '1', LEGACY.internet])).code === 0,
    5000,
    () => 'host and internet do not meet over IPv4',
  )
}
