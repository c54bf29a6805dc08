// Network namespaces of lab machines and of the containers on them, with all that netns.ts, stream.ts and packet-socket.ts do with a namespace.
import { execFileSync } from 'node:child_process'
import { inNamespace, NetlinkSocket } from 'nftables-js/netlink'
import type { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { inspect } from './container.ts'
import type { Netns } from './netns.ts'
import { frame } from './packet.ts'
import { linkIndex, PacketSocket } from './packet-socket.ts'

/** The namespace of a machine, or of its process `pid` as the machine counts. */
export function inside(machine: Machine, pid: string | number = 1): Netns {
  const path = machine.outside(`/proc/${pid}/ns/net`)
  const exec = (command: string, ...args: string[]): string =>
    execFileSync('nsenter', [`--net=${path}`, command, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const words = (args: readonly string[]): string[] => args.flatMap(arg => arg.split(' '))
  const enter = <T>(act: () => T): T => inNamespace(path, act)
  return {
    name: `${machine.name} ${pid}`,
    path,
    exec,
    ip: (...args) => exec('ip', ...words(args)),
    json: (...args) => JSON.parse(exec('ip', '-j', '-d', ...words(args)) || '[]'),
    enter,
    socket: protocol => enter(() => NetlinkSocket.open(protocol)),
  }
}

/** The namespace of a container. */
export async function insideContainer(host: Host, container: string): Promise<Netns> {
  return inside(host, await inspect(host, container, '{{.State.Pid}}'))
}

/** A link out of a namespace, over which frames are sent by hand. */
export class Door implements Disposable {
  readonly #socket: PacketSocket
  readonly #mac: string
  readonly #via: string

  private constructor(socket: PacketSocket, mac: string, via: string) {
    this.#socket = socket
    this.#mac = mac
    this.#via = via
  }

  /** Out of `ns` by `link`, to the link `farLink` of `far`. Throws when there is no such link. */
  static open(ns: Netns, link: string, far: Netns, farLink: string): Door {
    const socket = PacketSocket.open(ns.path, linkIndex(ns, link))
    return new Door(socket, macOf(ns, link), macOf(far, farLink))
  }

  /** Sends IPv6 packets, whatever their source address is. */
  send(...packets: readonly Buffer[]): void {
    for (const packet of packets) this.#socket.send(frame(this.#via, this.#mac, packet))
    this.#socket.received()
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}

function macOf(ns: Netns, link: string): string {
  return String(ns.json<{ address: string }>(`link show dev ${link}`)[0]?.address)
}
