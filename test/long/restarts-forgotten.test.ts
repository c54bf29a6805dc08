// What Docker removed while slash64 was away is forgotten: it asks the engine once a minute, and what was missing for half a minute goes.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { until } from '../lab/process.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { ask } from '../support/meeting.ts'
import { storedNetworks } from '../support/present.ts'
import { createNetwork, idle, Stage, serve } from '../support/stage.ts'

const PATIENCE_MS = 110_000

const stage = await Stage.up({ name: 'forgotten' })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())

test('a network that was removed while slash64 was down is forgotten within two minutes, the others stay', async () => {
  await createNetwork(host, 'gone', '-o', 'group=gone', '-o', 'allow=web')
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'server', 'web', [80])
  await idle(host, 'client', 'web')
  const id = await inspect(host, 'gone', '{{.Id}}')
  await host.stopSlash64()
  await host.docker('network', 'rm', 'gone')
  await stage.startSlash64()
  assert.ok(storedNetworks(host).some(network => network.id === id))
  await until(
    () => !storedNetworks(host).some(network => network.id === id),
    PATIENCE_MS,
    () => `network ${id.slice(0, 12)} is still there\n${host.logTail()}`,
  )
  assert.match(host.slash64.log(), /Docker has no such network any more/)
  await assertConsistent(host)
  const [server, client] = [await addressOf(host, 'server', 'web'), await addressOf(host, 'client', 'web')]
  assert.deepEqual(await ask(host, 'client', [{ address: server, port: 80 }]), [client])
  await createNetwork(host, 'again', '-o', 'group=gone', '-o', 'allow=web:80')
  await cleanUp(host)
})
