// What moby expects of networks when daemons restart, and what Compose and a crowd ask of them at once.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { namedGroup } from '../../src/address/group.ts'
import { groupPool } from '../../src/address/plan.ts'
import { parseHostPrefix } from '../../src/address/prefix.ts'
import { until } from '../lab/process.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { createNetwork, IDLE, idle, PREFIX, Stage } from '../support/stage.ts'

const stage = await Stage.up({ name: 'moby-restart' })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())

const ping = (from: string, to: string): Promise<string> =>
  inContainer(host, from, ['busybox', 'ping', '-c', '1', '-W', '1', to])
const running = async (name: string): Promise<boolean> => (await inspect(host, name, '{{.State.Running}}')) === 'true'
const subnetOf = (network: string): Promise<string> => inspect(host, network, '{{(index .IPAM.Config 0).Subnet}}')
/** The pool that a group's name stands for on this host. */
const poolOf = (group: string): string =>
  groupPool(parseHostPrefix(PREFIX, { allowDocumentation: true }), namedGroup(group).bits)

async function multipleNetworks(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const networks = ['first', 'second', 'third']
  for (const name of networks) await createNetwork(host, name, '-o', `group=${name}`)
  await idle(host, 'front', 'first', '--restart', 'always')
  for (const name of networks.slice(1)) await host.docker('network', 'connect', name, 'front')
  await assertConsistent(host)
  await host.stopDockerd(signal)
  await stage.startDockerd()
  await until(
    () => running('front'),
    10_000,
    () => 'it does not come back',
  )
  await assertConsistent(host)
  for (const name of networks) {
    await idle(host, `friend-${name}`, name)
    await ping(`friend-${name}`, await addressOf(host, 'front', name))
  }
}

describe('moby', () => {
  afterEach(async () => {
    await stage.resume()
    await cleanUp(host)
  })

  it('TestDockerNetworkMultipleNetworksGracefulDaemonRestart', () => multipleNetworks('SIGTERM'))

  it('TestDockerNetworkMultipleNetworksUngracefulDaemonRestart', () => multipleNetworks('SIGKILL'))

  it('TestDockerNetworkDriverUngracefulRestart', async () => {
    const address = '2001:db8:100:a:0:11:1:55'
    await createNetwork(host, 'numbered', '--subnet', '2001:db8:100:a:0:11:1:0/112')
    await idle(host, 'front', 'numbered', '--ip6', address)
    await host.stopDockerd('SIGKILL')
    await host.stopSlash64('SIGKILL')
    const dockerd = stage.startDockerd()
    await sleep(1000)
    await stage.startSlash64()
    await dockerd
    assert.equal(await running('front'), false)
    await idle(host, 'again', 'numbered', '--ip6', address)
    assert.equal(await addressOf(host, 'again', 'numbered'), address)
  })
})

describe('a crowd', () => {
  afterEach(() => cleanUp(host))

  it('twenty-four networks of one Compose file, and others beside: each has the pool of its group', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slash64-crowd-'))
    const names = Array.from({ length: 24 }, (_, i) => `n${i}`)
    const network = (name: string): string =>
      `  ${name}: {driver: slash64, enable_ipv4: false, enable_ipv6: true, ipam: {driver: slash64}, driver_opts: {group: shop-${name}}}`
    const services = [
      `  all: {image: busybox, scale: 0, networks: [${names}]}`,
      '  one: {image: busybox, command: sleep 1000, stop_signal: KILL, networks: [n3]}',
    ]
    writeFileSync(
      join(folder, 'compose.yaml'),
      ['name: shop', 'services:', ...services, 'networks:', ...names.map(network), ''].join('\n'),
    )
    const beside = Array.from({ length: 6 }, (_, i) => `beside-${i}`)
    try {
      await Promise.all([
        host.compose(folder, 'up', '-d'),
        ...beside.map(name => createNetwork(host, name, '-o', `group=${name}`)),
      ])
      for (const name of names) assert.equal(await subnetOf(`shop_${name}`), poolOf(`shop-${name}`))
      for (const name of beside) assert.equal(await subnetOf(name), poolOf(name))
      assert.ok((await addressOf(host, 'shop-one-1', 'shop_n3')).startsWith(poolOf('shop-n3').replace(/0\/112$/, '')))
      await assertConsistent(host)
      await host.compose(folder, 'down', '-t', '0')
      assert.equal(await host.docker('network', 'ls', '-q', '--filter', 'name=shop'), '')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('twenty containers started at once, on two networks each, and removed at once', async () => {
    const networks = ['red', 'green', 'blue', 'grey']
    for (const name of networks) await createNetwork(host, name, '-o', `group=${name}`)
    const names = Array.from({ length: 20 }, (_, i) => `crowd-${i}`)
    const networksOf = (i: number): string[] => [0, 1].map(step => networks[(i + step) % 4] ?? '')
    const run = (name: string, i: number): Promise<string> =>
      host.docker(
        'run',
        '-d',
        '--name',
        name,
        ...networksOf(i).flatMap(one => ['--network', one]),
        '-p',
        '80:80',
        ...IDLE,
      )
    await Promise.all(names.map(run))
    await assertConsistent(host)
    const pairs = names.flatMap((name, i) => networksOf(i).map(network => [name, network] as const))
    const addresses = await Promise.all(pairs.map(([name, network]) => addressOf(host, name, network)))
    assert.equal(new Set(addresses).size, 40)
    for (const [index, [, network]] of pairs.entries())
      assert.ok(addresses[index]?.startsWith(poolOf(network).replace(/0\/112$/, '')))
    await ping('crowd-0', addresses.at(-1) ?? '') // crowd-19 is on grey and red, crowd-0 on red and green
    await host.docker('rm', '-f', ...names)
    await assertConsistent(host)
  })
})
