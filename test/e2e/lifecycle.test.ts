// What containers go through, and that nothing of them stays.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { until } from '../lab/process.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { createNetwork, IDLE, idle, listening, probe, probeFrom, Stage, serve } from '../support/stage.ts'

const stage = await Stage.up({ name: 'lifecycle' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

/** Outcome of a connection from the internet to the published port 80 of a container. */
async function visit(container: string): Promise<string> {
  const address = await addressOf(host, container, 'web')
  return (await probeFrom(topology.internet, [{ protocol: 'tcp', address, port: 80 }]))[0]?.outcome ?? ''
}

test('stop and start, restart, kill and start: open again each time, with the names of the moment', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80], '-p', '80:80')
  const steps = [[['stop'], ['start']], [['restart', '-t', '0']], [['kill'], ['start']]]
  for (const step of steps) {
    for (const words of step) {
      await host.docker(...words, 'front')
      await assertConsistent(host)
    }
    await listening(host, 'front')
    assert.equal(await visit('front'), 'answered', step.join(' '))
  }
})

test('rm -f and --rm leave nothing, whatever the exit code', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await idle(host, 'front', 'web', '-p', '80:80')
  await host.docker('rm', '-f', 'front')
  await assertConsistent(host)
  for (const code of [0, 3]) {
    const ended = await host.tryDocker(
      'run',
      '--rm',
      '--network',
      'web',
      '-p',
      '80:80',
      'busybox',
      'sh',
      '-c',
      `exit ${code}`,
    )
    assert.equal(ended.code, code)
  }
  await host.tryDocker('run', '--name', 'gone', '--network', 'web', 'busybox', 'sh', '-c', 'kill -9 $$')
  assert.equal(await inspect(host, 'gone', '{{.State.Status}}'), 'exited')
})

test('a container whose command does not exist leaves nothing, and its address is free again', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  for (let turn = 0; turn < 3; turn++) {
    const { code, stderr } = await host.tryDocker(
      'run',
      '--rm',
      '--network',
      'web',
      '-p',
      '80:80',
      'busybox',
      'nosuchcommand',
    )
    assert.equal(code, 127)
    assert.match(stderr, /nosuchcommand/)
    await assertConsistent(host)
  }
  await idle(host, 'good', 'web', '-p', '80:80')
})

test('a restart policy brings a container back with its links', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80], '-p', '80:80', '--restart', 'always')
  const pid = await inspect(host, 'front', '{{.State.Pid}}')
  await host.check(['kill', '-9', pid])
  await until(
    async () => {
      const now = await inspect(host, 'front', '{{.State.Pid}}')
      return now !== '0' && now !== pid
    },
    5000,
    () => 'it does not come back',
  )
  await listening(host, 'front')
  assert.equal(await visit('front'), 'answered')
})

test('pause: the link stays and answers to nobody but the kernel', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80], '-p', '80:80')
  await host.docker('pause', 'front')
  await assertConsistent(host)
  assert.equal(await visit('front'), 'timeout')
  await host.docker('unpause', 'front')
  assert.equal(await visit('front'), 'answered')
})

test('network connect before the start, and disconnect of a running container', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await host.docker('create', '--name', 'front', '--network', 'none', '-p', '80:80', ...IDLE)
  await host.docker('network', 'disconnect', 'none', 'front')
  await host.docker('network', 'connect', 'web', 'front')
  await host.docker('start', 'front')
  const address = await addressOf(host, 'front', 'web')
  await idle(host, 'friend', 'web')
  await inContainer(host, 'friend', ['busybox', 'ping', '-c', '1', '-W', '1', address])
  await host.docker('network', 'disconnect', 'web', 'front')
  await assertConsistent(host)
  await assert.rejects(inContainer(host, 'friend', ['busybox', 'ping', '-c', '1', '-W', '1', address]))
  assert.equal(await inspect(host, 'front', '{{.State.Running}}'), 'true')
})

test('a running container comes back to a network, again and again', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80], '-p', '80:80')
  for (const link of ['netx0', 'netx0']) {
    await host.docker('network', 'disconnect', 'web', 'front')
    await host.docker('network', 'connect', 'web', 'front')
    await inContainer(host, 'front', ['ip', 'link', 'show', link])
    await assertConsistent(host)
    assert.equal(await visit('front'), 'answered')
  }
})

test('a bridge beside: both links work, and the bridge may come and go', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await host.docker('network', 'create', 'beside')
  await serve(host, 'front', 'web', [80], '-p', '80:80')
  await host.docker('network', 'connect', 'beside', 'front')
  await assertConsistent(host)
  assert.equal(await visit('front'), 'answered')
  await host.docker('network', 'disconnect', 'beside', 'front')
  assert.equal(await visit('front'), 'answered')
  await host.docker('run', '-d', '--name', 'both', '--network', 'beside', '--network', 'web', ...IDLE)
  await assertConsistent(host)
})

test('containers that share a network namespace share the address', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await idle(host, 'owner', 'web', '-p', '80:80')
  await serve(host, 'guest', 'container:owner', [80])
  assert.equal(await visit('owner'), 'answered')
})

test('names resolve between the containers of a network', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await idle(host, 'front', 'web', '--network-alias', 'shop')
  await idle(host, 'back', 'web')
  const address = await addressOf(host, 'front', 'web')
  for (const name of ['front', 'shop']) {
    const said = await host.docker('exec', 'back', 'ping', '-c', '1', '-W', '2', name)
    assert.ok(said.includes(`(${address})`) && said.includes(' 0% packet loss'), said)
  }
})

test('the MTU is the uplink’s, or the one that was chosen, at both ends', async () => {
  await createNetwork(host, 'usual', '-o', 'group=usual')
  await createNetwork(host, 'small', '-o', 'group=small', '-o', 'com.docker.network.driver.mtu=1400')
  for (const [network, mtu] of [
    ['usual', 1500],
    ['small', 1400],
  ] as const) {
    await idle(host, network, network)
    const inside = JSON.parse(await inContainer(host, network, ['ip', '-j', 'link', 'show', 'net0']))
    const endpoint = await inspect(host, network, `{{(index .NetworkSettings.Networks "${network}").EndpointID}}`)
    const outside = JSON.parse(await host.check(['ip', '-j', 'link', 'show', `s64${endpoint.slice(0, 12)}`]))
    assert.deepEqual([inside[0].mtu, outside[0].mtu], [mtu, mtu], network)
  }
})

test('a MAC address of one’s own is kept to', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80], '--mac-address', '02:64:64:64:64:64')
  const [link] = JSON.parse(await inContainer(host, 'front', ['ip', '-j', 'link', 'show', 'net0']))
  assert.equal(link.address, '02:64:64:64:64:64')
  await idle(host, 'back', 'web')
  const address = await addressOf(host, 'front', 'web')
  assert.equal((await probe(host, 'back', [{ protocol: 'tcp', address, port: 80 }]))[0]?.outcome, 'answered')
})

test('containers of a group start, stop and go all at once', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  const names = Array.from({ length: 10 }, (_, i) => `busy-${i}`)
  await Promise.all(names.map(name => idle(host, name, 'web', '-p', '80:80')))
  await Promise.all([
    ...names.slice(0, 3).map(name => host.docker('restart', '-t', '0', name)),
    ...names.slice(3, 6).map(name => host.docker('rm', '-f', name)),
    ...names.slice(6, 8).map(name => host.docker('kill', name)),
    idle(host, 'late', 'web'),
  ])
  await assertConsistent(host)
  await host.docker('rm', '-f', ...names, 'late')
})
