// Random conversations with an engine: mostly sensible, with repeats, unknown ids, other orders and crashes of the daemon in between.
import fc from 'fast-check'
import type { Command } from '../../src/state/command.ts'
import { LEASE_MS } from '../../src/state/numbers.ts'
import {
  addressIn,
  check,
  createEndpoint,
  createNetwork,
  deleteEndpoint,
  deleteNetwork,
  join,
  leave,
  optionsOf,
  poolOf,
  published,
  releaseAddress,
  releasePool,
  requestAddress,
  requestPool,
  settle,
} from './commands.ts'

/** What happens next: a command, the death of the daemon, or time that passes. */
export type Event = Command | { readonly type: 'crash' } | { readonly type: 'wait'; readonly ms: number }

const GROUPS = ['web', 'db', 'api', 'vault'] as const
type Group = (typeof GROUPS)[number]
const ALLOW: Record<Group, string> = { web: 'web,db:80', db: 'web:5432,api:1-300/udp', api: '', vault: '' }
/** The group of each network. */
const HOMES: readonly Group[] = ['web', 'db', 'api', 'web', 'db', 'vault']

const group = fc.constantFrom(...GROUPS)

/** A network and its group, mostly the same one for an id: 1 and 4 are of one group, 5 is of an internal one. */
const member = fc
  .tuple(
    fc.integer({ min: 1, max: 5 }),
    fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: group }),
  )
  .map(([id, other]) => [id, other ?? HOMES[id] ?? 'web'] as const)
const number = fc.integer({ min: 1, max: 6 })
const endpoint = fc.integer({ min: 1, max: 6 })
/** Fewer than endpoints, so that several meet in one. */
const sandbox = fc.integer({ min: 1, max: 3 }).map(one => `/var/run/docker/netns/${one}`)
const ports = fc
  .uniqueArray(fc.constantFrom(80, 443, 8080), { maxLength: 2 })
  .map(list => list.map(one => published(one)))

const driverOptions = (name: Group, withList: boolean): Record<string, string> => {
  return {
    group: name,
    ...(withList && ALLOW[name] ? { allow: ALLOW[name] } : {}),
    ...(name === 'api' ? { birth: 'engine' } : {}),
  }
}

const internalOf = (name: Group) => ({ internal: name === 'vault' })

const creation = (id: number, name: Group, withList: boolean): Event[] => [
  check(driverOptions(name, withList), internalOf(name)),
  requestPool(),
  createNetwork(id, poolOf(name), { options: optionsOf(driverOptions(name, withList), internalOf(name)) }),
]

const network: fc.Arbitrary<Event[]> = fc
  .tuple(member, fc.boolean())
  .map(([[id, name], withList]) => creation(id, name, withList))

const failedNetwork: fc.Arbitrary<Event[]> = group.map(name => [
  check({ group: name }),
  requestPool(),
  releasePool(poolOf(name)),
])

const start: fc.Arbitrary<Event[]> = fc
  .tuple(member, endpoint, number, sandbox, ports)
  .map(([[id, name], one, wanted, path, open]) => [
    requestAddress(poolOf(name), addressIn(poolOf(name), wanted)),
    createEndpoint(id, one, `${addressIn(poolOf(name), wanted)}/128`),
    join(id, one, path, open),
    settle(id, one),
  ])

/** An endpoint into a sandbox, whatever else it was or is. */
const entry: fc.Arbitrary<Event[]> = fc
  .tuple(member, endpoint, sandbox, ports)
  .map(([[id], one, path, open]) => [join(id, one, path, open), settle(id, one)])

/** A container on several networks, which are made where they are not there. */
const several: fc.Arbitrary<Event[]> = fc
  .tuple(fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }), sandbox, ports)
  .map(([ids, path, open]) =>
    ids.flatMap(id => {
      const name = HOMES[id] ?? 'web'
      return [
        ...creation(id, name, false),
        requestAddress(poolOf(name), addressIn(poolOf(name), id)),
        createEndpoint(id, id, `${addressIn(poolOf(name), id)}/128`),
        join(id, id, path, open),
        settle(id, id),
      ]
    }),
  )

/** A container that has a name, as engines from 29 on tell it. */
const named: fc.Arbitrary<Event[]> = fc
  .tuple(group, fc.constantFrom('one', 'two', 'three'))
  .map(([name, container]) => [{ ...requestAddress(poolOf(name)), name: container }])

const stop: fc.Arbitrary<Event[]> = fc
  .tuple(member, endpoint, number)
  .map(([[id, name], one, held]) => [
    leave(id, one),
    deleteEndpoint(id, one),
    releaseAddress(poolOf(name), addressIn(poolOf(name), held)),
  ])

const removal: fc.Arbitrary<Event[]> = member.map(([id, name]) => [releasePool(poolOf(name)), deleteNetwork(id)])

const lone: fc.Arbitrary<Event[]> = fc.oneof(
  { weight: 6, arbitrary: group.map((name): Event[] => [requestAddress(poolOf(name))]) },
  fc.constant<Event[]>([requestPool()]),
  fc.constant<Event[]>([{ type: 'crash' }]),
  fc.integer({ min: 1, max: 2 * LEASE_MS }).map((ms): Event[] => [{ type: 'wait', ms }]),
)

/** How a run of events may be told: as it is, each twice, backwards, or without its end. */
const telling = fc.constantFrom<(events: Event[]) => Event[]>(
  events => events,
  events => events,
  events => events,
  events => events.flatMap(one => [one, one]),
  events => events.toReversed(),
  events => events.slice(0, -1),
)

/** Up to some 150 events. */
export const conversation: fc.Arbitrary<Event[]> = fc
  .array(
    fc
      .tuple(
        telling,
        fc.oneof(
          { weight: 4, arbitrary: network },
          { weight: 1, arbitrary: failedNetwork },
          { weight: 6, arbitrary: start },
          { weight: 3, arbitrary: stop },
          { weight: 2, arbitrary: several },
          { weight: 2, arbitrary: entry },
          { weight: 2, arbitrary: named },
          { weight: 1, arbitrary: removal },
          { weight: 5, arbitrary: lone },
        ),
      )
      .map(([tell, events]) => tell(events)),
    { maxLength: 40, size: 'max' },
  )
  .map(runs => runs.flat())
