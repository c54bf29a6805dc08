// Containers on several networks: who answers whom, seen as which address, and what is in a sandbox.
import type { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { addressOf, inContainer } from './container.ts'
import type { Finding, Probe } from './probe.ts'
import { lines } from './promised.ts'
import { probe, probeFrom } from './stage.ts'

/** A question over TCP unless it says otherwise. */
export type Question = Omit<Probe, 'protocol'> & { readonly protocol?: Probe['protocol'] }

const PATIENCE_MS = 600

/** Asks servers of peer.ts from a container: the client's address as each server saw it, or the errno or `timeout` of what failed. */
export async function ask(host: Host, container: string, questions: readonly Question[]): Promise<string[]> {
  return said(await probe(host, container, questions.map(probeOf)))
}

/** The same from a machine. */
export async function askFrom(machine: Machine, questions: readonly Question[]): Promise<string[]> {
  return said(await probeFrom(machine, questions.map(probeOf)))
}

function probeOf(question: Question): Probe {
  return { protocol: 'tcp', patience: PATIENCE_MS, ...question }
}

function said(findings: readonly Finding[]): string[] {
  return findings.map(({ outcome, answer }) => (outcome === 'answered' ? answer : outcome))
}

/** The addresses of a container on some networks, in their order. */
export function addressesOf(host: Host, container: string, networks: readonly string[]): Promise<string[]> {
  return Promise.all(networks.map(network => addressOf(host, container, network)))
}

/**
 * All that a container's namespace holds of links, addresses, IPv6 routes, rules and permanent neighbours, but the local routes of link-local addresses: on
 * links that the engine moved those come a second later (RFC 4862, duplicate address detection).
 */
export async function sandboxOf(host: Host, container: string): Promise<string[]> {
  const looks = [
    ['-br', 'link'],
    ['-br', 'address'],
    ['-6', 'route', 'show', 'table', 'all'],
    ['-6', 'rule'],
    ['-6', 'neighbour', 'show', 'nud', 'permanent'],
  ]
  const texts = await Promise.all(looks.map(look => inContainer(host, container, ['ip', ...look])))
  return texts
    .flatMap(lines)
    .map(line => line.trim())
    .filter(line => !line.startsWith('local fe80:'))
    .toSorted()
}
