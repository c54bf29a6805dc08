// One container on several slash64 networks: an address for each, used towards its own group and answering over its own link.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf } from '../support/container.ts'
import { addressesOf, ask, askFrom, sandboxOf } from '../support/meeting.ts'
import { lines } from '../support/promised.ts'
import { createNetwork, idle, listening, Stage, serve, serveOn } from '../support/stage.ts'

const NETWORKS = ['red', 'green', 'blue'] as const
const PUBLISHED = ['-p', '81:81']

// Containers outlive the engine here, also where a test does not restart it: removal must work the same.
const stage = await Stage.up({ name: 'several', dockerd: ['--live-restore'] })
const { host, topology } = stage
// Green lets red in at one port: that must hold for the green address alone.
await createNetwork(host, 'red', '-o', 'group=red')
await createNetwork(host, 'green', '-o', 'group=green', '-o', 'allow=red:82')
await createNetwork(host, 'blue', '-o', 'group=blue')
for (const network of NETWORKS) await serve(host, `of-${network}`, network, [80])
await serveOn(topology.internet, [80])

after(async () => {
  try {
    await cleanUp(host)
  } finally {
    await stage[Symbol.asyncDispose]()
  }
})
afterEach(async () => {
  await stage.resume()
  try {
    await assertConsistent(host)
  } finally {
    const containers = lines(await host.docker('ps', '-aq', '--filter', 'label=test'))
    if (containers.length > 0) await host.docker('rm', '-f', ...containers)
  }
  await assertConsistent(host)
})

const LABEL = ['--label', 'test']

/** A server with published port 81 on networks in this order. */
async function many(networks: readonly string[], ...options: string[]): Promise<void> {
  const [first = '', ...others] = networks
  const more = others.flatMap(network => ['--network', network])
  await serve(host, 'many', first, [80, 81, 82], ...more, ...LABEL, ...PUBLISHED, ...options)
}

/**
 * Each address of `many` on these networks is used towards its own group, answers those of its group and nobody of another one, but at what is
 * published for everybody, from outside too, and at what its own group allows.
 */
async function assertEachItsOwn(networks: readonly string[]): Promise<void> {
  const own = await addressesOf(host, 'many', networks)
  const theirs = await Promise.all(networks.map(network => addressOf(host, `of-${network}`, network)))
  assert.deepEqual(
    await ask(
      host,
      'many',
      theirs.map(address => ({ address, port: 80 })),
    ),
    own,
    'towards each group',
  )
  for (const [i, network] of networks.entries()) {
    const me = theirs[i] ?? ''
    const questions = [80, 81, 82].flatMap(port => own.map(address => ({ address, port })))
    const expected = [80, 81, 82].flatMap(port =>
      networks.map(other => {
        const allowed = other === network || port === 81 || (port === 82 && network === 'red' && other === 'green')
        return allowed ? me : 'ECONNREFUSED'
      }),
    )
    assert.deepEqual(await ask(host, `of-${network}`, questions), expected, `from ${network}`)
  }
  const fromOutside = await askFrom(topology.internet, [
    ...own.map(address => ({ address, port: 81 })),
    ...own.map(address => ({ address, port: 80 })),
  ])
  assert.deepEqual(fromOutside, [...own.map(() => Topology.internetAddress), ...own.map(() => 'timeout')], 'the world')
}

/** The address with which `many` goes out. */
async function wayOut(): Promise<string> {
  return (await ask(host, 'many', [{ address: Topology.internetAddress, port: 80 }]))[0] ?? ''
}

const orders = [['red', 'green'], ['green', 'red'], NETWORKS] as const
for (const networks of orders) {
  test(`docker run --network ${networks.join(' --network ')}`, async () => {
    await many(networks)
    await assertEachItsOwn(networks)
  })
}

test('connected while it runs, in both orders, and a third one', async () => {
  for (const [first, second] of [
    ['red', 'green'],
    ['green', 'red'],
  ] as const) {
    await many([first])
    await host.docker('network', 'connect', second, 'many')
    await assertEachItsOwn([first, second])
    if (first === 'green') {
      await host.docker('network', 'connect', 'blue', 'many')
      await assertEachItsOwn([first, second, 'blue'])
    }
    await host.docker('rm', '-f', 'many')
  }
})

test('connected and disconnected while it is stopped', async () => {
  await many(['red'])
  await host.docker('kill', 'many')
  await host.docker('network', 'connect', 'green', 'many')
  await host.docker('network', 'connect', 'blue', 'many')
  await assertConsistent(host)
  await host.docker('network', 'disconnect', 'red', 'many')
  await host.docker('start', 'many')
  await listening(host, 'many')
  await assertEachItsOwn(['green', 'blue'])
  await host.docker('restart', '-t', '0', 'many')
  await listening(host, 'many')
  await assertEachItsOwn(['green', 'blue'])
})

test('after a disconnect nothing of the network is in the sandbox, and it may come back, also the first one', async () => {
  await many(['red', 'green'])
  const before = await sandboxOf(host, 'many')
  await host.docker('network', 'connect', 'blue', 'many')
  assert.notDeepEqual(await sandboxOf(host, 'many'), before)
  await host.docker('network', 'disconnect', 'blue', 'many')
  assert.deepEqual(await sandboxOf(host, 'many'), before)
  for (const network of ['red', 'green', 'red']) {
    const gone = await addressOf(host, 'many', network)
    await host.docker('network', 'disconnect', network, 'many')
    const rest = (await sandboxOf(host, 'many')).join('\n')
    assert.ok(!rest.includes(gone), rest)
    await assertConsistent(host)
    await host.docker('network', 'connect', network, 'many')
    await assertEachItsOwn(['red', 'green'])
  }
})

test('all networks left: the container goes on with none, and takes one again', async () => {
  await many(['red', 'green'])
  await host.docker('network', 'disconnect', 'red', 'many')
  await host.docker('network', 'disconnect', 'green', 'many')
  assert.doesNotMatch((await sandboxOf(host, 'many')).join('\n'), /2001:db8/)
  await host.docker('network', 'connect', 'green', 'many')
  await assertEachItsOwn(['green'])
})

test('gw-priority says which network the way out takes; when it is gone the other one has it', async () => {
  await many(['name=green', 'name=red,gw-priority=1'])
  const [green, red] = await addressesOf(host, 'many', ['green', 'red'])
  assert.equal(await wayOut(), red)
  await assertEachItsOwn(['green', 'red'])
  await host.docker('network', 'disconnect', 'red', 'many')
  assert.equal(await wayOut(), green)
  await host.docker('network', 'connect', '--gw-priority', '2', 'blue', 'many')
  assert.equal(await wayOut(), await addressOf(host, 'many', 'blue'))
  await assertEachItsOwn(['green', 'blue'])
})

test('a source address of one’s choice is kept to, with the rights of its group', async () => {
  await many(['red', 'blue'])
  await serve(host, 'store', 'green', [80, 82], ...LABEL)
  const store = await addressOf(host, 'store', 'green')
  const [red, blue] = await addressesOf(host, 'many', ['red', 'blue'])
  const from = (source: string | undefined) => ({ address: store, port: 82, ...(source ? { source } : {}) })
  const toWorld = (source: string | undefined) => ({ ...from(source), address: Topology.internetAddress, port: 80 })
  assert.deepEqual(await ask(host, 'many', [from(red), from(blue), toWorld(red), toWorld(blue)]), [
    red,
    'ECONNREFUSED',
    red,
    blue,
  ])
})

test('two networks of one group are refused with one sentence, and the container goes on as it was', async () => {
  await createNetwork(host, 'scarlet', '-o', 'group=red')
  try {
    await many(['red', 'green'])
    const before = await sandboxOf(host, 'many')
    const { code, stderr } = await host.tryDocker('network', 'connect', 'scarlet', 'many')
    assert.equal(code, 1)
    assert.match(stderr, /in group "red" already.*one network of a group only/)
    assert.deepEqual(await sandboxOf(host, 'many'), before)
    await assertEachItsOwn(['red', 'green'])
    await host.docker('network', 'disconnect', 'red', 'many')
    await host.docker('network', 'connect', 'scarlet', 'many')
    const question = { address: await addressOf(host, 'many', 'scarlet'), port: 80 }
    assert.deepEqual(await ask(host, 'of-red', [question]), await addressesOf(host, 'of-red', ['red']))
  } finally {
    await host.docker('rm', '-f', 'many')
    await host.docker('network', 'rm', 'scarlet')
  }
})

test('slash64 restarts, by SIGTERM and by SIGKILL: the same addresses, and networks come and go as before', async () => {
  await many(['red', 'green'])
  const own = await addressesOf(host, 'many', ['red', 'green'])
  for (const [signal, network] of [
    ['SIGTERM', 'green'],
    ['SIGKILL', 'red'],
  ] as const) {
    await stage.restartSlash64(signal)
    await assertConsistent(host)
    await assertEachItsOwn(['red', 'green'])
    await host.docker('network', 'disconnect', network, 'many')
    await host.docker('network', 'connect', 'blue', 'many')
    await host.docker('network', 'connect', network, 'many')
    await assertEachItsOwn(NETWORKS)
    await host.docker('network', 'disconnect', 'blue', 'many')
  }
  assert.notDeepEqual(await addressesOf(host, 'many', ['red', 'green']), own)
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`live-restore, dockerd ends by ${signal}: the same addresses, and networks come and go as before`, async () => {
    await many(['red', 'green'])
    const own = await addressesOf(host, 'many', ['red', 'green'])
    await host.stopDockerd(signal)
    await assertRunsOn(own)
    await stage.startDockerd()
    await assertConsistent(host)
    assert.deepEqual(await addressesOf(host, 'many', ['red', 'green']), own)
    await assertEachItsOwn(['red', 'green'])
    await host.docker('network', 'disconnect', 'green', 'many')
    await host.docker('network', 'connect', 'blue', 'many')
    await host.docker('network', 'connect', 'green', 'many')
    await assertEachItsOwn(NETWORKS)
    await host.docker('restart', '-t', '0', 'many')
    await listening(host, 'many')
    await assertEachItsOwn(NETWORKS)
  })
}

/** What is published answers although nobody tells containers apart just now. */
async function assertRunsOn(own: readonly string[]): Promise<void> {
  const answers = await askFrom(
    topology.internet,
    own.map(address => ({ address, port: 81 })),
  )
  assert.deepEqual(
    answers,
    own.map(() => Topology.internetAddress),
  )
}

test('containers on the same two networks meet on each of them', async () => {
  await many(['red', 'green'])
  await idle(host, 'twin', 'green', '--network', 'red', ...LABEL)
  const [red = '', green = ''] = await addressesOf(host, 'many', ['red', 'green'])
  const twin = await addressesOf(host, 'twin', ['red', 'green'])
  const questions = [red, green].map(address => ({ address, port: 80 }))
  assert.deepEqual(await ask(host, 'twin', questions), twin)
})
