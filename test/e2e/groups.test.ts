// Which group a network belongs to, and what its containers are called.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { createNetwork, IDLE, idle, probe, Stage, serve, tryNetwork } from '../support/stage.ts'

const stage = await Stage.up({ name: 'groups' })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

const subnetOf = (network: string): Promise<string> => inspect(host, network, '{{(index .IPAM.Config 0).Subnet}}')

/** Outcome of a connection from one container to port 80 of another. */
async function reach(from: string, to: string, network: string): Promise<string> {
  const address = await addressOf(host, to, network)
  return (await probe(host, from, [{ protocol: 'tcp', address, port: 80 }]))[0]?.outcome ?? ''
}

test('two networks of one name are one group with one pool, and it stays with the last of them', async () => {
  await createNetwork(host, 'blue', '-o', 'group=web')
  await createNetwork(host, 'green', '-o', 'group=web')
  assert.equal(await subnetOf('blue'), await subnetOf('green'))
  await serve(host, 'here', 'blue', [80])
  await idle(host, 'there', 'green')
  assert.notEqual(await addressOf(host, 'here', 'blue'), await addressOf(host, 'there', 'green'))
  assert.equal(await reach('there', 'here', 'blue'), 'answered')
  await host.docker('rm', '-f', 'there')
  await host.docker('network', 'rm', 'green')
  await idle(host, 'friend', 'blue')
  assert.equal(await reach('friend', 'here', 'blue'), 'answered')
})

test('a group’s list is given once, or the same twice; a different one is refused with both', async () => {
  await createNetwork(host, 'one', '-o', 'group=db', '-o', 'allow=web:5432/tcp,api')
  await createNetwork(host, 'two', '-o', 'group=db', '-o', 'allow=api, web:5432')
  await createNetwork(host, 'three', '-o', 'group=db')
  const { code, stderr } = await tryNetwork(host, 'four', '-o', 'group=db', '-o', 'allow=web:5433')
  assert.equal(code, 1)
  assert.match(stderr, /"db".*"api,web:5432\/tcp".*"web:5433\/tcp"/)
  await host.docker('network', 'rm', 'one', 'two')
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'store', 'three', [80, 5432])
  await idle(host, 'front', 'web')
  const store = await addressOf(host, 'store', 'three')
  const ports = [5432, 80].map(port => ({ protocol: 'tcp' as const, address: store, port }))
  const outcomes = (await probe(host, 'front', ports)).map(({ outcome }) => outcome)
  assert.deepEqual(
    outcomes,
    ['answered', 'ECONNREFUSED'],
    'the list belongs to the group, not to the network that gave it',
  )
})

test('a list can name a group that comes later', async () => {
  await createNetwork(host, 'db', '-o', 'group=db', '-o', 'allow=later:80')
  await serve(host, 'store', 'db', [80])
  await createNetwork(host, 'later', '-o', 'group=later')
  await idle(host, 'front', 'later')
  assert.equal(await reach('front', 'store', 'db'), 'answered')
})

test('a network without a group is one of its own, which nobody else enters', async () => {
  await createNetwork(host, 'quiet')
  await createNetwork(host, 'other')
  await createNetwork(host, 'named', '-o', 'group=web')
  assert.notEqual(await subnetOf('quiet'), await subnetOf('other'))
  await serve(host, 'server', 'quiet', [80])
  await idle(host, 'friend', 'quiet')
  await idle(host, 'stranger', 'other')
  await idle(host, 'visitor', 'named')
  assert.equal(await reach('friend', 'server', 'quiet'), 'answered')
  assert.equal(await reach('stranger', 'server', 'quiet'), 'ECONNREFUSED')
  assert.equal(await reach('visitor', 'server', 'quiet'), 'ECONNREFUSED')
})

test('--subnet of a group’s /112 is that group, and lets --ip6 choose an address', async () => {
  await createNetwork(host, 'named', '-o', 'group=web')
  const subnet = await subnetOf('named')
  await createNetwork(host, 'numbered', '--subnet', subnet)
  const chosen = subnet.replace(':0/112', ':42')
  await serve(host, 'server', 'numbered', [80], '--ip6', chosen)
  assert.equal(await addressOf(host, 'server', 'numbered'), chosen)
  await idle(host, 'friend', 'named')
  assert.equal(await reach('friend', 'server', 'numbered'), 'answered')
  await createNetwork(host, 'both', '--subnet', subnet, '-o', 'group=web')
  assert.equal(await subnetOf('both'), subnet)
  const { code, stderr } = await tryNetwork(host, 'differ', '--subnet', subnet, '-o', 'group=db')
  assert.equal(code, 1)
  assert.ok(stderr.includes(subnet) && stderr.includes('"db"'), stderr)
})

test('--ipam-opt group=NAME means the same; two names are refused', async () => {
  await createNetwork(host, 'driver', '-o', 'group=web')
  await createNetwork(host, 'ipam', '--ipam-opt', 'group=web')
  await createNetwork(host, 'both', '--ipam-opt', 'group=web', '-o', 'group=web')
  assert.equal(await subnetOf('ipam'), await subnetOf('driver'))
  assert.equal(await subnetOf('both'), await subnetOf('driver'))
  const { code, stderr } = await tryNetwork(host, 'differ', '--ipam-opt', 'group=db', '-o', 'group=web')
  assert.equal(code, 1)
  assert.match(stderr, /group="web".*group="db" differ/)
})

test('Compose: the groups of driver_opts', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slash64-compose-'))
  const network = (options: string): string =>
    `{driver: slash64, enable_ipv4: false, enable_ipv6: true, ipam: {driver: slash64}, driver_opts: {${options}}}`
  writeFileSync(
    join(folder, 'compose.yaml'),
    `name: shop
services:
  web: {image: busybox, command: httpd -f -p 80, stop_signal: KILL, networks: [web], ports: ["80:80"]}
  db: {image: busybox, command: httpd -f -p 5432, stop_signal: KILL, networks: [db]}
networks:
  web: ${network('group: shop-web')}
  db: ${network('group: shop-db, allow: "shop-web:5432/tcp"')}
`,
  )
  try {
    await host.compose(folder, 'up', '-d')
    await createNetwork(host, 'same', '-o', 'group=shop-db')
    assert.equal(await subnetOf('shop_db'), await subnetOf('same'))
    const db = await addressOf(host, 'shop-db-1', 'shop_db')
    const web = await addressOf(host, 'shop-web-1', 'shop_web')
    const ask = (from: string, address: string, port: number): Promise<unknown> =>
      inContainer(host, from, ['busybox', 'wget', '-T', '2', '-qO-', `http://[${address}]:${port}/`])
    // busybox answers 404, so it was reached; what is denied is refused.
    await assert.rejects(ask('shop-web-1', db, 5432), /404/)
    await assert.rejects(ask('shop-web-1', db, 80), /refused/)
    await assert.rejects(ask('shop-db-1', web, 80), /404/, 'published')
    await host.compose(folder, 'down', '-t', '0')
    assert.equal(await host.docker('network', 'ls', '-q', '--filter', 'name=shop'), '')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('eight networks created at once: each has its own group, and every group its own pool', async () => {
  const names = Array.from({ length: 8 }, (_, i) => `many-${i}`)
  await Promise.all(names.map(name => createNetwork(host, name, ...(name === 'many-7' ? [] : ['-o', `group=${name}`]))))
  const subnets = await Promise.all(names.map(subnetOf))
  assert.equal(new Set(subnets).size, 8)
  for (const [i, name] of names.entries()) {
    if (name === 'many-7') continue
    await createNetwork(host, `again-${name}`, '-o', `group=${name}`)
    assert.equal(await subnetOf(`again-${name}`), subnets[i])
  }
})

test('networks created at once, good and bad: the bad ones hurt nobody', async () => {
  const attempts = Array.from({ length: 8 }, (_, i) =>
    tryNetwork(host, `mixed-${i}`, '-o', `group=mixed-${i}`, ...(i % 2 ? ['-o', 'grup=x'] : [])),
  )
  const began = performance.now()
  const codes = (await Promise.all(attempts)).map(({ code }) => code)
  assert.deepEqual(codes, [0, 1, 0, 1, 0, 1, 0, 1])
  assert.ok(performance.now() - began < 3000, 'nobody waits for a creation that failed')
})

test('twelve containers started at once: each in its group, no address twice', async () => {
  const networks = ['red', 'green', 'blue']
  for (const name of networks) await createNetwork(host, name, '-o', `group=${name}`)
  const names = Array.from({ length: 12 }, (_, i) => `crowd-${i}`)
  const networkOf = (i: number): string => networks[i % 3] ?? ''
  await Promise.all(names.map((name, i) => idle(host, name, networkOf(i))))
  const addresses = await Promise.all(names.map((name, i) => addressOf(host, name, networkOf(i))))
  assert.equal(new Set(addresses).size, 12)
  const pools = await Promise.all(networks.map(subnetOf))
  for (const [i, address] of addresses.entries())
    assert.ok(address.startsWith(pools[i % 3]?.replace('0/112', '') ?? '?'), `${address} on ${networkOf(i)}`)
})

test('an address comes back as late as possible, and restarts get new ones', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  const seen = new Set<string>()
  for (let turn = 0; turn < 4; turn++) {
    await host.docker('run', '-d', '--name', 'turn', '--network', 'web', ...IDLE)
    seen.add(await addressOf(host, 'turn', 'web'))
    await host.docker('rm', '-f', 'turn')
  }
  assert.equal(seen.size, 4)
})
