// The Compose examples with the managed plugin: nothing changes but the driver's name.
import { after, afterEach, test } from 'node:test'
import { Host } from '../lab/host.ts'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { checkExample, exampleNames } from '../support/examples.ts'
import { installPlugin } from '../support/plugin.ts'
import { ENVIRONMENT, PREFIX, UPLINK } from '../support/stage.ts'

const host = await Host.start({ name: 'plugin-examples', forward: true })
const topology = await Topology.up({ hosts: [{ host, prefix: PREFIX, uplinkAddress: UPLINK }] })
after(async () => {
  await topology.dispose()
  await host.dispose()
})
await host.startDockerd()
await installPlugin(host, ENVIRONMENT)
afterEach(() => cleanUp(host))

for (const name of exampleNames()) {
  test(`examples/${name}`, async () => {
    await checkExample(host, topology.internet, name, 'slash64:latest')
    await assertConsistent(host)
  })
}
