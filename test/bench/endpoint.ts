// endpoint.kernel: what the kernel takes for the link of one container, asked by slash64 and by a C program (floor/endpoint.c) that does the same work.
import { Transaction } from 'nftables-js'
import { diff } from '../../src/dataplane/diff.ts'
import { endpointItems } from '../../src/dataplane/project.ts'
import { elementSets } from '../../src/dataplane/sets.ts'
import type { Endpoint } from '../../src/state/model.ts'
import { Machine } from '../lab/machine.ts'
import { Host } from '../support/host.ts'
import { inside } from '../support/inside.ts'
import { Floor } from './floor.ts'
import type { Bench, BenchContext, Row } from './row.ts'
import { inTurns, row } from './statistics.ts'

const ID = 'endpoint.kernel'
/** A table without an owner, so that the C program may write to it. */
const FLOOR = { family: 'inet', name: 'floor' } as const
/** Rounds that do not count: what runs for the first time in a process is slower, and a daemon is up for long. */
const WARM = 20

export const bench: Bench = {
  id: 'endpoint',
  ids: [ID],
  bars: [{ id: ID, of: 'ratio', atMost: 1.5 }],
  rows: async context => (context.only(ID) ? [await measure(context)] : []),
}

async function measure({ quick, progress }: BenchContext): Promise<Row> {
  const rounds = quick ? 60 : 200
  const sandboxes = rounds + WARM + 1
  progress(`${ID}: ${2 * sandboxes} namespaces`)
  await using machine = await Machine.start({ name: 'bench-endpoint', forward: true })
  await machine.check(['sh', '-c', `for i in $(seq ${2 * sandboxes}); do ip netns add s$i; done`])
  using host = new Host(inside(machine), '2001:db8:1:a::/64', {})
  host.network('bench')
  host.apply()
  host.kernel.nft.commit(new Transaction().addTable(FLOOR).addSet(FLOOR, elementSets.links))
  await using floor = await Floor.start(machine, 'endpoint', FLOOR.name, elementSets.links.name)
  let sandbox = 0
  const fresh = (): string => machine.outside(`/run/netns/s${++sandbox}`)
  const samples = await inTurns(
    { rounds: rounds + WARM, progress: round => progress(`${ID}: ${round} of ${rounds + WARM}`) },
    {
      slash64: async () => setUp(host, fresh(), sandbox),
      floor: async () => (await floor.ask(`${fresh()} ${sandbox}`))[0] ?? Number.NaN,
    },
  )
  const [ours, theirs] = [samples.slash64.slice(WARM), samples.floor.slice(WARM)]
  return row({ id: ID, unit: 'us', peer: 'raw netlink in C', samples: ours, peerSamples: theirs })
}

/** Microseconds of one endpoint, as the daemon performs a Join. */
function setUp(host: Host, path: string, number: number): number {
  const name = `e${number}`
  host.endpoint(name, 'bench', number, { ...host.ns, path })
  const { endpoints, networks } = host.state
  const [endpoint] = endpoints.values() as Iterable<Endpoint>
  const network = endpoint && networks.get(endpoint.network)
  if (!endpoint || !network) throw new Error(`${ID}: the state has no endpoint`)
  // The next one is the only one again.
  host.change(name, undefined)
  return host.ns.enter(() => {
    const began = performance.now()
    host.kernel.apply(diff([], endpointItems(endpoint, network)))
    return (performance.now() - began) * 1000
  })
}
