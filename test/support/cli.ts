// The command slash64 as the tests use it: a daemon with some of everything, command lines run in this process, and golden texts.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { runLine } from '../../src/cli/run.ts'
import { DEFAULT_CONTROL, program } from '../../src/cli/table.ts'
import type { DockerNames, Facts } from '../../src/state/status.ts'
import {
  addressIn,
  check,
  createEndpoint,
  createNetwork,
  endpointId,
  join,
  networkId,
  optionsOf,
  PREFIX,
  published,
  requestPool,
  World,
} from './commands.ts'

export const FACTS: Facts = { version: '0.1.0', prefix: PREFIX, fleet: ['2001:db8:1::/48'], uplinks: ['eth0'] }

/** What Docker tells of `town()`, but for the network and the containers of group `db`. */
export const NAMES: DockerNames = {
  version: '28.5.2',
  networks: new Map([
    [networkId(1), 'web'],
    [networkId(3), 'vault'],
    [networkId(4), 'scratch'],
    [networkId(5), 'again'],
  ]),
  containers: new Map([
    [endpointId(11), 'web-1'],
    [endpointId(12), 'web-2'],
    [endpointId(14), 'safe'],
  ]),
}

/** Groups web, db, vault (internal), one of this host only, and a second network of web; endpoints in every phase. */
export function town(): World {
  const world = new World()
  const web = world.network(1, 'web')
  const db = world.network(2, 'db', { allow: 'web:5432,web:53/udp' })
  world.run(check({ group: 'vault' }, { internal: true }))
  const { id: vault } = world.run(requestPool())
  world.run(createNetwork(3, vault, { options: optionsOf({ group: 'vault' }, { internal: true }) }))
  world.run(check())
  const { id: scratch } = world.run(requestPool())
  world.run(createNetwork(4, scratch))
  world.network(5, 'web')
  world.endpoint(1, 11, web)
  world.run(
    join(
      1,
      11,
      '/run/docker/netns/11',
      [8000, 8001, 8002, 443].map(port => published(port)),
    ),
  )
  world.endpoint(1, 12, web)
  world.endpoint(2, 13, db)
  world.run(join(2, 13, '/run/docker/netns/11'))
  world.run(createEndpoint(3, 14, addressIn(vault, 9)))
  world.run(join(3, 14, '/run/docker/netns/14', [published(80)]))
  world.run({ type: 'leave', network: networkId(3), endpoint: endpointId(14) })
  return world
}

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process. */
export async function slash64(line: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  let [out, err] = ['', '']
  const code = await runLine(program, DEFAULT_CONTROL, {
    line,
    env,
    out: text => {
      out += text
    },
    err: text => {
      err += text
    },
  })
  return { code, out, err }
}

/** Holds a text against test/golden/cli/NAME. Set UPDATE_GOLDEN=1 to write it anew. */
export function assertGolden(name: string, text: string): void {
  const file = `${import.meta.dirname}/../golden/cli/${name}`
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
  assert.equal(text, readFileSync(file, 'utf8'))
}
