// Tables that are replaced under traffic: every packet meets the old rules or the new ones, with all of their elements.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Host, TABLE } from '../support/host.ts'
import type { Netns } from '../support/netns.ts'
import * as packet from '../support/packet.ts'
import { withHost } from '../support/two-groups.ts'

const ROUNDS = 100
const SCRIPT = join(import.meta.dirname, '../support/flood.ts')

/** Sends datagrams from web to a port of db that a range allows, as fast as it can, until it is disposed. */
async function flood(host: Host, web: Netns): Promise<Disposable> {
  const [from, to] = [...host.state.endpoints.values()]
  assert.ok(from && to)
  const via = web.json<{ lladdr: string }>('-6 neigh show nud permanent')[0]?.lladdr ?? ''
  const header = { source: from.address, destination: to.address }
  const bytes = packet.frame(via, from.mac, packet.ip6(header, packet.udp({ sport: 6464, dport: 25_000 })))
  const args = ['--conditions=nftables-js-source', SCRIPT, web.path, 'net0', bytes.toString('hex')]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'readable')
  return { [Symbol.dispose]: () => child.kill('SIGKILL') }
}

test(`tables are replaced ${ROUNDS} times under a flood, and no packet of it meets a set without its elements`, () =>
  withHost(async (host, [web]) => {
    assert.ok(web)
    using _ = await flood(host, web)
    let allowed = 0
    for (let round = 1; round <= ROUNDS; round++) {
      host.options = { ...host.options, flowsFrom: 1000 + round }
      host.apply()
      await sleep(2)
      for (const { chain, comment, counter } of host.kernel.nft.listRules(TABLE)) {
        // Counts the container's own MLD reports, which have no source address.
        if (chain === 'early_container') continue
        if (comment === 'allowed range') allowed += counter?.packets ?? 0
        else assert.equal(counter?.packets ?? 0, 0, `${chain}: ${comment}, after ${round} replacements`)
      }
    }
    assert.ok(allowed > 10 * ROUNDS, `only ${allowed} packets were allowed`)
    assert.deepEqual(host.errors, [])
  }))
