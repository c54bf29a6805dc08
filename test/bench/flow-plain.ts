// The floor of the traffic rows: namespaces on routed veths, on one machine or on two with a cable in between, without Docker and slash64.
import { Machine } from '../lab/machine.ts'
import { succeed } from '../lab/process.ts'
import { type Line, line, named, PORTS } from './flow-line.ts'

/** `untracked`: not even connections are tracked. `linear`: 10,000 rules, one after the other, of which the last one lets the traffic pass. */
export type Plain = 'plain' | 'untracked' | 'linear'

const PREFIXES = ['fd00:a:', 'fd00:b:'] as const
const RULES: Readonly<Record<Plain, string>> = {
  // A chain without a hook: its one rule is never run, and the kernel tracks connections all the same, as it does where Docker or slash64 is.
  plain: 'add table inet tracking\nadd chain inet tracking never\nadd rule inet tracking never ct state new\n',
  untracked: '',
  linear: linearRules(10_000),
}

/** A machine that forwards, with two such namespaces. It goes with `made`. */
export async function plainMachine(
  made: AsyncDisposableStack,
  name: string,
  kind: Plain,
  site: 0 | 1 = 0,
): Promise<Machine> {
  const machine = made.use(await Machine.start({ name, forward: true }))
  await addEnds(machine, site)
  await machine.check(['sh', '-euc', 'cat > /run/rules; nft -f /run/rules'], { input: RULES[kind] })
  return machine
}

/** Makes the namespaces `client` (PREFIX:1) and `server` (PREFIX:2) on a machine. `site`: which of two prefixes. */
export async function addEnds(machine: Machine, site: 0 | 1 = 0): Promise<void> {
  const lines = ['client', 'server'].flatMap((netns, index) => {
    const [link, address] = [`v${index}`, `${PREFIXES[site]}:${index + 1}`]
    return [
      `ip netns add ${netns}`,
      `ip link add ${link} type veth peer name eth0 netns ${netns}`,
      `ip link set ${link} addrgenmode none up`,
      `ip address add fe80::1/64 dev ${link} nodad`,
      `ip -n ${netns} link set eth0 addrgenmode none up`,
      `ip -n ${netns} address add fe80::2/64 dev eth0 nodad`,
      `ip -n ${netns} address add ${address}/128 dev eth0 nodad`,
      `ip -n ${netns} route add default via fe80::1 dev eth0 src ${address}`,
      `ip route add ${address}/128 via fe80::2 dev ${link}`,
    ]
  })
  await machine.check(['sh', '-euc', lines.join('\n')])
}

/** From the client on one such machine to the server on the same or another one, whose site is given. */
export async function plainLine(from: Machine, to: Machine, site: 0 | 1 = 0): Promise<Line> {
  return line(named(from, 'client'), named(to, 'server'), `${PREFIXES[site]}:2`)
}

/** Lays a cable between such machines of site 0 and 1. */
export async function joinPlain(a: Machine, b: Machine): Promise<void> {
  await join(
    a,
    b,
    PREFIXES.map(prefix => `${prefix}:/64`),
  )
}

/** Lays a cable between two machines, and routes to each other's prefixes over it, in their order. */
export async function join(a: Machine, b: Machine, prefixes: readonly string[]): Promise<void> {
  await cable(a, b, ['fe80::1/64', 'fe80::2/64'])
  const [ofA = '', ofB = ''] = prefixes
  await a.check(['ip', 'route', 'add', ofB, 'via', 'fe80::2', 'dev', 'eth0'])
  await b.check(['ip', 'route', 'add', ofA, 'via', 'fe80::1', 'dev', 'eth0'])
}

/** Lays a veth between two machines, `eth0` on both, up, with these addresses. */
export async function cable(a: Machine, b: Machine, addresses: readonly [string, string]): Promise<void> {
  const near = ['nsenter', `--net=${a.netns}`, 'ip']
  // The pid counts outside of the machine, so ip runs there.
  await succeed([...near, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(b.pid)])
  for (const [machine, address] of [
    [a, addresses[0]],
    [b, addresses[1]],
  ] as const) {
    await machine.check(['ip', 'link', 'set', 'eth0', 'addrgenmode', 'none', 'up'])
    await machine.check(['ip', 'address', 'add', address, 'dev', 'eth0', ...(address.includes(':') ? ['nodad'] : [])])
  }
}

/** A list without sets: each rule allows one port from one group to another one, and only the last of them is the traffic's. */
function linearRules(count: number): string {
  const others = Array.from({ length: count - 1 }, (_, index) => {
    const group = `::5c1f:${(0x1000 + Math.floor(index / 256)).toString(16)}:0`
    return `ip6 saddr & ::ffff:ffff:0 == ${group} ip6 daddr & ::ffff:ffff:0 == ::77:1:0 tcp dport ${(index % 256) + 1} accept`
  })
  const ours = `ip6 saddr ${PREFIXES[0]}:1 ip6 daddr ${PREFIXES[0]}:2 th dport ${PORTS} accept`
  const chain = [
    'type filter hook forward priority 0; policy drop;',
    'ct state established,related accept',
    ...others,
    ours,
  ]
  return `table inet filter {\nchain forward {\n${chain.join('\n')}\n}\n}\n`
}
