// What traffic runs between: two network namespaces and the address of the one that serves.
import type { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { until } from '../lab/process.ts'
import { inspect } from '../support/container.ts'
import { compiled } from './compile.ts'

/** A network namespace of a machine, by its path there. */
export interface End {
  readonly machine: Machine
  readonly netns: string
}

/** A client, and the server that floor/traffic.c plays at an address. */
export interface Line {
  readonly client: End
  readonly address: string
}

/** What is measured, in the words of floor/traffic.c. */
export type Kind = 'stream' | 'turns' | 'packets' | 'connect'

/** The first of the server's ports; there are four. */
export const PORT = 5000
export const PORTS = `${PORT}-${PORT + 3}`

/** How traffic is made. `cpus`: processors of client and server; of several streams each has the next two. */
export interface Traffic {
  readonly kind: Kind
  readonly streams: number
  readonly cpus: readonly [client: number, server: number]
}

/** Milliseconds of one measurement. */
const TIME = 300

/** The end that `ip netns add` made. */
export function named(machine: Machine, name: string): End {
  return { machine, netns: `/run/netns/${name}` }
}

/** A container's end. */
export async function endOf(host: Host, container: string): Promise<End> {
  return { machine: host, netns: `/proc/${await inspect(host, container, '{{.State.Pid}}')}/ns/net` }
}

function enter({ netns }: End, argv: readonly string[]): string[] {
  return ['nsenter', `--net=${netns}`, ...argv]
}

let servers = 0

/** The line between two ends once the server, at `address` of its end, is up. It ends with its machine. */
export async function line(client: End, server: End, address: string): Promise<Line> {
  const argv = enter(server, [await compiled('traffic'), 'serve', String(PORT)])
  const running = server.machine.spawn(argv, { label: `traffic-${++servers}` })
  await until(
    () => running.log().includes('ready'),
    5000,
    () => `${argv.join(' ')} does not start: ${running.log()}`,
  )
  return { client, address }
}

/** One figure of a line; unit and meaning by the kind (floor/traffic.c). Throws CommandError with what the client complained of. */
export async function measure({ client, address }: Line, { kind, streams, cpus }: Traffic): Promise<number> {
  const order = [kind, address, PORT, TIME, streams, ...cpus].map(String)
  return Number(await client.machine.check(enter(client, [await compiled('traffic'), ...order])))
}
