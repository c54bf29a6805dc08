// The Compose examples with the managed plugin: nothing changes but the driver's name.
import { after, afterEach, test } from 'node:test'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { checkExample, exampleNames } from '../support/examples.ts'
import { installPlugin } from '../support/plugin.ts'
import { bareHost, ENVIRONMENT } from '../support/stage.ts'

const bare = await bareHost('plugin-examples')
const { host, topology } = bare
after(() => bare[Symbol.asyncDispose]())
await installPlugin(host, ENVIRONMENT)
afterEach(() => cleanUp(host))

for (const name of exampleNames()) {
  test(`examples/${name}`, async () => {
    await checkExample(host, topology.internet, name, 'slash64:latest')
    await assertConsistent(host)
  })
}
