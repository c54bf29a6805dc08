// A host with two groups and a container in each, and what of it the kernel holds.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Item } from '../../src/dataplane/item.ts'
import { observe, recordTables } from '../../src/kernel/observe.ts'
import { Host } from './host.ts'
import { type Netns, withNetns } from './netns.ts'
import { Stream } from './stream.ts'

export const PREFIX = '2001:db8:1:a::/64'

type Act = (host: Host, sandboxes: readonly Netns[]) => void | Promise<void>

/** A host with groups web and db, one container in each, and two sandboxes more. */
export async function withHost(act: Act): Promise<void> {
  await withNetns(async ns => {
    const sandboxes: Netns[] = []
    const arrange = async (one?: Netns): Promise<void> => {
      if (one) sandboxes.push(one)
      if (sandboxes.length < 4) return withNetns(arrange)
      using host = new Host(ns, PREFIX, {})
      const [web, db] = sandboxes
      host.network('web')
      host.network('db', 'web:5432,web:20000-30000/udp')
      if (web) host.endpoint('web', 'web', 1, web, [{ protocol: 'tcp', port: 443 }])
      if (db) host.endpoint('db', 'db', 1, db)
      host.apply()
      await act(host, sandboxes)
    }
    await arrange()
  })
}

/** Everything of ours in the namespaces, as text that is equal when nothing changed. */
export function dump(host: Host, sandboxes: readonly Netns[]): string {
  const { ns } = host
  const lines = (text: string): string =>
    text
      .split('\n')
      // The mark of a sandbox in which a link was born stays for as long as the sandbox, whatever became of the link.
      .map(line =>
        line.replace(/@if\d+|state \w+|(NO-CARRIER,|,LOWER_UP)|expires \d+sec|\\ +alias slash64: .*/g, '').trim(),
      )
      .filter(line => line !== '')
      .toSorted()
      .join('\n')
  const spaces = [ns, ...sandboxes].flatMap(one => [
    one.ip('-o link'),
    one.ip('-6 -o address'),
    one.ip('-6 route show table all'),
    one.ip('-6 neigh show nud permanent'),
  ])
  const nft = ns.enter(() => observe(host.kernel, [], undefined)).filter(({ kind }) => kind === 'element')
  return [...spaces.map(lines), lines(nft.map(item => JSON.stringify(item)).join('\n'))].join('\n--\n')
}

/** Links that were made anew have other numbers. */
export function withoutIndexes(text: string): string {
  return text
    .replace(/^\d+: /gm, '')
    .split('\n')
    .toSorted()
    .join('\n')
}

/** What the kernel holds of the host's items; the tables are known only with a record. */
export const observed = (host: Host, kernel = host.kernel, record?: ReturnType<typeof recordTables>): Item[] =>
  host.ns.enter(() => observe(kernel, host.items, record))
/** How the tables are now. */
export const recorded = (host: Host) => host.ns.enter(() => recordTables(host.kernel, host.items))

/** UDP from web to db every millisecond until it is stopped. */
export async function streamAcross(host: Host, web: Netns, db: Netns) {
  const addresses = [...host.state.endpoints.values()].map(({ address }) => address)
  const server = Stream.serve(db, 'udp', 25_000)
  const client = Stream.open(web, 'udp')
  await client.connect(addresses[1] ?? '', 25_000)
  let sent = 0
  const timer = setInterval(() => client.write(`${++sent}`), 1)
  return {
    stop: async () => {
      await sleep(20)
      clearInterval(timer)
      let received = 0
      while (
        await server.read(50).then(
          () => true,
          () => false,
        )
      )
        received++
      server[Symbol.dispose]()
      client[Symbol.dispose]()
      return { sent, received }
    },
  }
}
