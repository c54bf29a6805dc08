// -p in all of its forms: what it opens, on which address, for which protocol.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { Topology } from '../lab/topology.ts'
import { cleanUp } from '../support/clean.ts'
import { addressOf, inContainer } from '../support/container.ts'
import { addressesOf, ask, askFrom } from '../support/meeting.ts'
import { createNetwork, idle, Stage, serve } from '../support/stage.ts'

const stage = await Stage.up({ name: 'ports' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

const WORLD = Topology.internetAddress

/** What the world gets at these ports of `server`. */
async function fromWorld(ports: readonly (readonly ['tcp' | 'udp', number])[], network = 'web'): Promise<string[]> {
  const address = await addressOf(host, 'server', network)
  return askFrom(
    topology.internet,
    ports.map(([protocol, port]) => ({ protocol, address, port })),
  )
}

test('-p of one port, a range, other host ports, UDP and several at once: exactly these are open', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  const ports = [53, 80, 8000, 8001, 8002, 8003, 443]
  const published = ['80', '8000-8002:8000-8002', '8443:443', '53:53/udp']
  await serve(host, 'server', 'web', ports, ...published.flatMap(one => ['-p', one]))
  const open = [80, 8000, 8001, 8002, 443].map(port => ['tcp', port] as const)
  const closed = [53, 8003, 8443].map(port => ['tcp', port] as const)
  assert.deepEqual(
    await fromWorld([...open, ['udp', 53]]),
    [...open, 53].map(() => WORLD),
  )
  assert.deepEqual(
    await fromWorld([...closed, ['udp', 80]]),
    [...closed, 80].map(() => 'timeout'),
  )
  const note = host.slash64
    .log()
    .split('\n')
    .find(line => line.includes('8443'))
  assert.match(note ?? '', /443/, 'the log says that 8443 has no meaning')
})

test('-P opens what the image or --expose names', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'server', 'web', [80, 81, 53], '--expose', '80', '--expose', '53/udp', '-P')
  const asked = [
    ['tcp', 80],
    ['udp', 53],
    ['tcp', 81],
    ['udp', 80],
  ] as const
  assert.deepEqual(await fromWorld(asked), [WORLD, WORLD, 'timeout', 'timeout'])
})

test('--expose alone and a loopback address open nothing to the world; the host reaches all', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'server', 'web', [80, 81], '--expose', '80', '-p', '127.0.0.1:81:81', '-p', '[::1]:80:80')
  assert.deepEqual(
    await fromWorld([
      ['tcp', 80],
      ['tcp', 81],
    ]),
    ['timeout', 'timeout'],
  )
  const address = await addressOf(host, 'server', 'web')
  const answers = await askFrom(
    host,
    [80, 81].map(port => ({ address, port })),
  )
  assert.ok(
    answers.every(answer => answer.includes(':')),
    answers.join(' '),
  )
})

test('two containers publish the same port, and one does on each of its networks', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'api', '-o', 'group=api')
  await serve(host, 'server', 'web', [80], '--network', 'api', '-p', '80:80')
  await serve(host, 'other', 'web', [80], '-p', '80:80')
  await idle(host, 'client', 'api')
  const addresses = [...(await addressesOf(host, 'server', ['web', 'api'])), await addressOf(host, 'other', 'web')]
  const questions = addresses.map(address => ({ address, port: 80 }))
  assert.deepEqual(await askFrom(topology.internet, questions), [WORLD, WORLD, WORLD])
  const client = await addressOf(host, 'client', 'api')
  assert.deepEqual(await ask(host, 'client', questions), [client, client, client])
  await host.docker('network', 'disconnect', 'api', 'server')
  assert.deepEqual(await askFrom(topology.internet, questions), [WORLD, 'timeout', WORLD])
})

test('SCTP: a list and -p take it, and the ruleset holds both', async () => {
  await createNetwork(host, 'web', '-o', 'group=web', '-o', 'allow=api:3868/sctp')
  await createNetwork(host, 'api', '-o', 'group=api')
  await idle(host, 'server', 'web', '-p', '9899:9899/sctp')
  const address = await addressOf(host, 'server', 'web')
  const published = await host.check(['nft', 'list', 'set', 'inet', 'slash64', 'published'])
  assert.match(published, new RegExp(`${address} \\. sctp \\. 9899`))
  const listed = await host.check(['nft', 'list', 'set', 'inet', 'slash64', 'allow_port'])
  assert.match(listed, /sctp \. 3868/)
  assert.doesNotMatch(published, /tcp \. 9899(?!.*sctp)/)
})

test('ping reaches published and unpublished containers of the own group and from the host', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await idle(host, 'server', 'web')
  await idle(host, 'client', 'web')
  const address = await addressOf(host, 'server', 'web')
  await inContainer(host, 'client', ['busybox', 'ping', '-c', '1', '-W', '2', address])
  await host.check(['busybox', 'ping', '-c', '1', '-W', '2', address])
})
