// A container on two networks, with real packets (attack 14).
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gatewayAddress } from '../../src/address/plan.ts'
import { endpointOf, engineChoosesGateway, moved, settled } from '../support/engine-move.ts'
import { type Container, type Fabric, withFabric } from '../support/fabric.ts'
import type { Place } from '../support/host.ts'
import { type Netns, withNetns } from '../support/netns.ts'
import { attempt, Stream } from '../support/stream.ts'

/** A container on two networks of host A: the link of the first is born, that of the second moved; the first has the way out. */
async function onTwo(f: Fabric, second: string, act: (ns: Netns, first: Place, second: Place) => Promise<void>) {
  await withNetns(async ns => {
    const first = f.a.endpoint('m1', 'web', 9, ns, [{ protocol: 'tcp', port: 443 }])
    f.a.apply()
    engineChoosesGateway(first, gatewayAddress(endpointOf(f.a, first.address).network))
    const other = moved(f.a, 'm2', second, 9, ns)
    await act(ns, first, other)
    for (const gone of ['m1', 'm2']) f.a.change(gone, undefined)
    f.a.apply()
    await f.a.kernel.flush()
  })
}

/** Connects from the container; the source address that the other end sees. */
async function sourceOf(f: Fabric, ns: Netns, to: Container | 'internet', port: number): Promise<string | undefined> {
  using _server = Stream.serve(f.at(to).ns, 'tcp', port)
  using seen = f.capture(to, ({ dport }) => dport === port)
  const { outcome } = await attempt(ns, f.address(to), port, f.patience)
  assert.equal(outcome, 'connected', `to ${to}`)
  return (await seen.first(f.patience))?.source
}

suite('a container on two networks', () => {
  test('uses each address for its own group, and answers over its own link', t =>
    withFabric(f =>
      onTwo(f, 'evil', async (ns, web, evil) => {
        using _server = Stream.serve(ns, 'tcp', 443)
        const to = async (from: Container | 'internet', { address }: Place) =>
          (await attempt(f.at(from).ns, address, 443, 300)).outcome
        f.a.change('m2', { published: [{ protocol: 'tcp', port: 443 }] })
        f.a.apply()

        await t.test('not yet before its end is finished', async () => {
          assert.equal(await to('internet', web), 'connected')
          assert.equal(await to('internet', evil), 'timeout', 'the answer goes out over the first link, and is dropped')
        })

        settled(f.a, 'm2')
        await t.test('answers', async () => {
          for (const from of ['internet', 'w2', 'w3', 'e1', 'e3'] as const) {
            assert.equal(await to(from, web), 'connected', `${from} to the first`)
            assert.equal(await to(from, evil), 'connected', `${from} to the second`)
          }
        })

        await t.test('asks', async () => {
          assert.equal(await sourceOf(f, ns, 'w2', 80), web.address)
          assert.equal(await sourceOf(f, ns, 'e1', 80), evil.address)
          assert.equal(await sourceOf(f, ns, 'd1', 5432), web.address, 'by the network with the way out')
          assert.equal(await sourceOf(f, ns, 'internet', 80), web.address)
        })

        await t.test('keeps the second when the first goes', async () => {
          f.a.change('m1', undefined)
          f.a.apply()
          await f.a.kernel.flush()
          assert.equal(await to('internet', evil), 'connected')
          assert.equal(await sourceOf(f, ns, 'e1', 81), evil.address)
          f.a.endpoint('m1', 'web', 9, ns)
        })
      }),
    ))

  test('of which one is internal: the other keeps its ways', () =>
    withFabric(f =>
      onTwo(f, 'vault', async (ns, web, vault) => {
        settled(f.a, 'm2')
        assert.equal(await sourceOf(f, ns, 'v1', 80), vault.address)
        assert.equal(
          await sourceOf(f, f.at('v1').ns, 'v3', 80),
          f.address('v1'),
          'a container of the internal group alone',
        )
        assert.equal((await attempt(f.at('v1').ns, f.address('internet'), 80)).outcome, 'ENETUNREACH')
        // The fleet's routes of the internal network are for its own address only.
        for (const to of ['w2', 'w3', 'd1', 'd3'] as const) assert.equal(await sourceOf(f, ns, to, 5432), web.address)
        assert.equal(await sourceOf(f, ns, 'internet', 80), web.address)
        using _server = Stream.serve(ns, 'tcp', 443)
        for (const from of ['v1', 'v3'] as const)
          assert.equal((await attempt(f.at(from).ns, vault.address, 443)).outcome, 'connected')
        assert.equal((await attempt(f.at('w2').ns, vault.address, 443)).outcome, 'ECONNREFUSED')
        assert.equal((await attempt(f.machines.internet, vault.address, 443, 100)).outcome, 'timeout')
        assert.equal((await attempt(f.machines.internet, web.address, 443)).outcome, 'connected')
      }),
    ))
})
