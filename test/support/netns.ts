// Throw-away network namespaces for the kernel tests. Nothing here touches the namespace in which the tests run.
import { execFileSync } from 'node:child_process'
import { inNamespace, NetlinkSocket } from 'nftables-js/netlink'

const alive = new Set<string>()
let count = 0

process.on('exit', () => {
  for (const name of alive) remove(name)
})

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 << 20 })
}

function remove(name: string): void {
  alive.delete(name)
  run('ip', 'netns', 'delete', name)
}

/** One namespace: `name` for `ip -n`, `path` for inNamespace() and for descriptors. */
export interface Netns {
  readonly name: string
  readonly path: string
  /** `ip ARGS` in it; the words may stand in one string. Returns stdout, throws with stderr in the message. */
  ip(...args: string[]): string
  /** `ip -j -d ARGS`, parsed. */
  json<T = Record<string, unknown>>(...args: string[]): T[]
  /** Any command in it, run to its end; returns stdout, throws with stderr in the message. */
  exec(command: string, ...args: string[]): string
  /** Runs a synchronous function in it. */
  enter<T>(act: () => T): T
  /** A netlink socket that stays in it. */
  socket(protocol: Parameters<typeof NetlinkSocket.open>[0]): NetlinkSocket
}

/** The values of these keys of a row that `ip -j` gave, for comparisons. */
export function fields(row: Record<string, unknown> | undefined, ...keys: string[]): unknown[] {
  return keys.map(key => row?.[key])
}

function words(args: readonly string[]): string[] {
  return args.flatMap(arg => arg.split(' ').filter(word => word !== ''))
}

function open(): Netns {
  const name = `s64test-${process.pid}-${++count}`
  const path = `/run/netns/${name}`
  run('ip', 'netns', 'add', name)
  alive.add(name)
  const enter = <T>(act: () => T): T => inNamespace(path, act)
  return {
    name,
    path,
    ip: (...args) => run('ip', '-n', name, ...words(args)),
    json: (...args) => JSON.parse(run('ip', '-n', name, '-j', '-d', ...words(args)) || '[]'),
    exec: (command, ...args) => run('ip', 'netns', 'exec', name, command, ...args),
    enter,
    socket: protocol => enter(() => NetlinkSocket.open(protocol)),
  }
}

/**
 * Calls `act` with a new network namespace, its loopback up, and removes it afterwards, whatever happens; `act` may be
 * asynchronous, and calls may be nested. Throws when the process is not root: these tests fail rather than be skipped.
 */
export async function withNetns<T>(act: (ns: Netns) => T | Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) throw new Error('the kernel tests make network namespaces: run them as root')
  const ns = open()
  try {
    ns.ip('link set lo up')
    return await act(ns)
  } finally {
    remove(ns.name)
  }
}

/** Joins two namespaces by a veth pair with these names, both ends up and without duplicate address detection. */
export function connect(near: Netns, nearName: string, far: Netns, farName: string): void {
  near.ip(`link add name ${nearName} type veth peer name ${farName} netns ${far.name}`)
  for (const [ns, name] of [
    [near, nearName],
    [far, farName],
  ] as const) {
    ns.enter(() => run('sh', '-c', `echo 0 > "/proc/sys/net/ipv6/conf/${name}/accept_dad"`))
    ns.ip(`link set dev ${name} up`)
  }
}
