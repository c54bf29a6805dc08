// What the kernel says of a packet's way through the rules of a machine: `nft monitor trace`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from '../lab/machine.ts'
import { type Running, until } from '../lab/process.ts'

/** A rule that took effect, or the policy of a base chain: `rule` is '' then. */
export interface Step {
  readonly family: string
  readonly table: string
  readonly chain: string
  /** As nft writes it, the comment included. */
  readonly rule: string
  /** `accept`, `goto decide`, … */
  readonly verdict: string
}

/** One packet on one machine, from its first hook to its last. */
export interface Visit {
  readonly source: string
  readonly destination: string
  readonly sourcePort: number
  readonly destinationPort: number
  /** Set TCP flags, in the order of the header's bits from FIN on: `['syn', 'ack']`. */
  readonly flags: readonly string[]
  /** Where it came in; absent where the machine itself sent it. */
  readonly iif?: string
  readonly steps: readonly Step[]
}

const TABLE = 'trace'
/** Earlier than any hook of slash64. */
const MARKS = `table inet ${TABLE} {
  chain in { type filter hook prerouting priority -500; meta nfproto ipv6 meta l4proto tcp meta nftrace set 1; }
  chain out { type filter hook output priority -500; meta nfproto ipv6 meta l4proto tcp meta nftrace set 1; }
}
`
/** NETLINK_NETFILTER (linux/netlink.h), and the bit of NFNLGRP_NFTRACE (linux/nfnetlink.h) in the groups of /proc/net/netlink. */
const LISTENS = /^\S+\s+12\s+\d+\s+[0-9a-f]*[13579bdf][0-9a-f]{2}\s/m

/** Every TCP packet over IPv6 of a machine is traced while it is open; its marks are in a table of its own. */
export class Tracer implements AsyncDisposable {
  readonly #machine: Machine
  readonly #running: Running

  private constructor(machine: Machine, running: Running) {
    this.#machine = machine
    this.#running = running
  }

  static async open(machine: Machine): Promise<Tracer> {
    await machine.check(['nft', '-f', '-'], { input: MARKS })
    const running = machine.spawn(['nft', 'monitor', 'trace'], { label: 'trace' })
    await until(
      async () => LISTENS.test(await machine.check(['cat', '/proc/net/netlink'])),
      5000,
      () => `nft monitor on ${machine.name} does not listen: ${running.log()}`,
    )
    return new Tracer(machine, running)
  }

  /** The first packet that fits, waited for. */
  async find(what: string, fits: (visit: Visit) => boolean): Promise<Visit> {
    let found: Visit | undefined
    await until(
      async () => {
        found = parseTrace(this.#log()).find(visit => fits(visit))
        return found !== undefined
      },
      5000,
      () => `${this.#machine.name} saw no ${what}:\n${this.#log()}`,
    )
    if (!found) throw new Error(what)
    return found
  }

  #log(): string {
    return readFileSync(join(this.#machine.dir, 'log/trace.log'), 'utf8')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.stop('SIGTERM')
    await this.#machine.exec(['nft', 'delete', 'table', 'inet', TABLE])
  }
}

const EVENT = /^trace id (\w+) (\w+) (\S+) (\S+) (?:packet: (.*)|rule (.*) \(verdict (.*)\)|policy (\w+))\s*$/

/**
 * Reads the text of `nft monitor trace`; the steps of the table that marks packets are left out. Lines of other kinds are passed over. The kernel uses
 * an id again as soon as a packet is gone, so a packet begins where it is marked.
 */
export function parseTrace(text: string): Visit[] {
  const visits: (Omit<Visit, 'steps'> & { steps: Step[] })[] = []
  const current = new Map<string, Step[]>()
  for (const line of text.split('\n')) {
    const [, id = '', family = '', table = '', chain = '', packet, rule = '', verdict, policy] = EVENT.exec(line) ?? []
    if (packet !== undefined && table === TABLE) {
      const steps: Step[] = []
      current.set(id, steps)
      visits.push({ ...parsePacket(packet), steps })
    }
    const done = verdict ?? policy
    if (done !== undefined && table !== TABLE) current.get(id)?.push({ family, table, chain, rule, verdict: done })
  }
  return visits
}

function parsePacket(text: string): Omit<Visit, 'steps'> {
  const word = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? ''
  const iif = word(/\biif "([^"]+)"/)
  return {
    source: word(/ip6 saddr (\S+)/),
    destination: word(/ip6 daddr (\S+)/),
    sourcePort: Number(word(/tcp sport (\d+)/)),
    destinationPort: Number(word(/tcp dport (\d+)/)),
    flags: parseFlags(word(/tcp flags == ([^ ]+(?: \| [^ ]+)*)/)),
    ...(iif === '' ? {} : { iif }),
  }
}

/** Bits of the TCP header's flags (RFC 9293, section 3.1) from the lowest on. */
const FLAGS = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr']

/** nft writes one flag by its name, several as a number. */
function parseFlags(text: string): string[] {
  if (!text.startsWith('0x')) return text.split(' | ')
  return FLAGS.filter((_, bit) => Number(text) & (1 << bit))
}
