// What `-p` opens. Nothing is translated: a port that a container publishes is open on the container's own address.
import { PluginError } from '../errors.ts'
import { PROTOCOLS, type Protocol } from './allow.ts'

/**
 * One entry of the port map that Docker gives with CreateEndpoint and Join (`com.docker.network.portmap`): `protocol`
 * is an IP protocol number, `hostIp` '' where none was given, `hostPort` 0 for any; `hostPort` to `hostPortEnd` is the
 * range to choose from.
 */
export interface PortMapping {
  readonly protocol: number
  readonly port: number
  readonly hostIp: string
  readonly hostPort: number
  readonly hostPortEnd: number
}

/** A port that one endpoint opens to everybody. */
export interface PublishedPort {
  readonly protocol: Protocol
  readonly port: number
}

// IANA protocol numbers: the three that Docker can publish.
const NUMBERS: Record<number, Protocol> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }

/**
 * The ports that a port map opens, each once, sorted; `notes` are sentences for the log about what of it has no meaning
 * here (a host port that differs, a loopback address, which opens nothing). Throws PUBLISH_PROTOCOL, PUBLISH_PORT, and
 * PUBLISH_ADDRESS for a host address other than '', `::`, `0.0.0.0` and loopback.
 */
export function parsePublished(mappings: readonly PortMapping[]): { published: PublishedPort[]; notes: string[] } {
  const published = new Map<string, PublishedPort>()
  const notes: string[] = []
  for (const mapping of mappings) {
    const port = parsePort(mapping)
    const text = formatPort(port)
    if (isOpen(mapping, port)) published.set(text, port)
    const note = noteOn(mapping, text)
    if (note !== undefined) notes.push(note)
  }
  return { published: [...published.values()].sort(compare), notes }
}

/** `443/tcp`, as Docker writes it. */
export function formatPort({ protocol, port }: PublishedPort): string {
  return `${port}/${protocol}`
}

function parsePort({ protocol: number, port }: PortMapping): PublishedPort {
  const protocol = NUMBERS[number]
  if (protocol === undefined) throw new PluginError('PUBLISH_PROTOCOL', String(port), String(number))
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new PluginError('PUBLISH_PORT', `${port}/${protocol}`)
  return { protocol, port }
}

function isOpen({ hostIp, hostPort }: PortMapping, port: PublishedPort): boolean {
  if (hostIp === '' || hostIp === '::' || hostIp === '0.0.0.0') return true
  if (isLoopback(hostIp)) return false
  throw new PluginError('PUBLISH_ADDRESS', hostIp, String(hostPort || port.port), formatPort(port))
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^127(\.\d{1,3}){3}$/.test(address)
}

function noteOn({ hostIp, hostPort, hostPortEnd, port }: PortMapping, text: string): string | undefined {
  if (isLoopback(hostIp))
    return `${hostIp} opens ${text} to nobody: the host reaches its containers at their own addresses`
  if (hostPort === 0 || (hostPort <= port && port <= hostPortEnd) || hostPort === port) return undefined
  return `${text} is open as it is, on the container's own address: host port ${hostPort} has no meaning here`
}

function compare(a: PublishedPort, b: PublishedPort): number {
  return PROTOCOLS.indexOf(a.protocol) - PROTOCOLS.indexOf(b.protocol) || a.port - b.port
}
