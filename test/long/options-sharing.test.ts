// Containers without a network of their own, and builds: the host's namespace, another container's, and docker build.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { Topology } from '../lab/topology.ts'
import { cleanUp } from '../support/clean.ts'
import { addressOf } from '../support/container.ts'
import { ask, askFrom, sandboxOf } from '../support/meeting.ts'
import { createNetwork, idle, Stage, serve } from '../support/stage.ts'

const stage = await Stage.up({ name: 'sharing' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

test('--network host: it reaches containers as the host does, and they do not reach its services', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'server', 'web', [80, 81], '-p', '80:80')
  await serve(host, 'hostly', 'host', [8080])
  const address = await addressOf(host, 'server', 'web')
  const answers = await ask(
    host,
    'hostly',
    [80, 81].map(port => ({ address, port })),
  )
  assert.ok(
    answers.every(answer => answer.includes(':')),
    answers.join(' '),
  )
  const [own = ''] = answers
  const back = await ask(host, 'server', [{ address: own, port: 8080 }])
  assert.ok(!back[0]?.includes(':'), `services of the host are closed to containers: ${back}`)
})

test('--network container:X shares address, published ports and every network of X, also one that comes later', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'api', '-o', 'group=api')
  await idle(host, 'owner', 'web', '-p', '80:80')
  await serve(host, 'guest', 'container:owner', [80, 81])
  await idle(host, 'client', 'api')
  assert.deepEqual(await sandboxOf(host, 'guest'), await sandboxOf(host, 'owner'))
  await host.docker('network', 'connect', 'api', 'owner')
  const [web, api] = [await addressOf(host, 'owner', 'web'), await addressOf(host, 'owner', 'api')]
  const client = await addressOf(host, 'client', 'api')
  assert.deepEqual(await ask(host, 'client', [{ address: api, port: 81 }]), [client])
  const published = [80, 81].map(port => ({ address: web, port }))
  assert.deepEqual(await askFrom(topology.internet, published), [Topology.internetAddress, 'timeout'])
  await host.docker('rm', '-f', 'guest')
  await serve(host, 'guest', 'container:owner', [81])
  assert.deepEqual(await ask(host, 'client', [{ address: api, port: 81 }]), [client])
})

test('docker build --network: a step reaches the containers of the group, and leaves nothing', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'server', 'web', [80])
  const address = await addressOf(host, 'server', 'web')
  const folder = mkdtempSync(join(tmpdir(), 'slash64-build-'))
  try {
    writeFileSync(join(folder, 'Dockerfile'), `FROM busybox\nRUN nc ${address} 80 </dev/null >/seen; cat /seen\n`)
    const built = await host.exec(['docker', 'build', '--network', 'web', '-t', 'built', folder], {
      env: { DOCKER_BUILDKIT: '0' },
    })
    assert.equal(built.code, 0, built.stderr)
    const seen = await host.docker('run', '--rm', '--network', 'none', 'built', 'cat', '/seen')
    assert.match(
      seen,
      new RegExp(`^${address.replace(/:\w+$/, '')}:\\w+$`, 'm'),
      'the server saw an address of the group',
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
