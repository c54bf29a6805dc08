// Docker's names over IPv6: the embedded DNS, aliases, links and /etc/hosts, and what a name means for the address.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { cleanUp } from '../support/clean.ts'
import { addressOf } from '../support/container.ts'
import { addressesOf } from '../support/meeting.ts'
import { createNetwork, IDLE, idle, Stage } from '../support/stage.ts'

const stage = await Stage.up({ name: 'names' })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

const engine = Number.parseInt(await host.docker('version', '--format', '{{.Server.Version}}'), 10)

/** The addresses that a name has in a container, in order; none when it has none. Asks for AAAA alone: nothing of ours has an A. */
async function resolve(container: string, name: string): Promise<string[]> {
  const { stdout } = await host.tryDocker('exec', container, 'nslookup', '-type=AAAA', name, '127.0.0.11')
  const answer = stdout.slice(stdout.indexOf('Name:'))
  return answer.includes('Name:')
    ? [...answer.matchAll(/Address:\s*(\S+)/g)].map(([, one]) => one ?? '').toSorted()
    : []
}

/** That a name reaches an address, the way programs look it up: /etc/hosts and DNS. */
async function assertReaches(container: string, name: string, address: string): Promise<void> {
  const said = await host.docker('exec', container, 'ping', '-6', '-c', '1', '-W', '2', name)
  assert.ok(said.includes(`(${address})`) && said.includes(' 0% packet loss'), said)
}

test('containers find each other by name, alias and id; an alias of two has both addresses', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  const id = await idle(host, 'front', 'web', '--network-alias', 'shop', '--hostname', 'nobody-knows')
  await idle(host, 'twin', 'web', '--network-alias', 'shop')
  await idle(host, 'back', 'web')
  const [front, twin] = [await addressOf(host, 'front', 'web'), await addressOf(host, 'twin', 'web')]
  assert.deepEqual(await resolve('back', 'front'), [front])
  assert.deepEqual(await resolve('back', id.slice(0, 12)), [front])
  assert.deepEqual(await resolve('back', 'front.web'), [front])
  assert.deepEqual(await resolve('back', 'shop'), [front, twin].toSorted())
  await assertReaches('back', 'front', front)
  await host.docker('rm', '-f', 'front')
  assert.deepEqual(await resolve('back', 'front'), [])
  assert.deepEqual(await resolve('back', 'shop'), [twin])
})

test('a container on two networks is known in each by its address there; other networks do not know it', async () => {
  for (const name of ['red', 'green', 'blue']) await createNetwork(host, name, '-o', `group=${name}`)
  await idle(host, 'both', 'red', '--network', 'green')
  await idle(host, 'of-red', 'red')
  await idle(host, 'of-green', 'green')
  await idle(host, 'of-blue', 'blue')
  const [red = '', green = ''] = await addressesOf(host, 'both', ['red', 'green'])
  assert.deepEqual(await resolve('of-red', 'both'), [red])
  assert.deepEqual(await resolve('of-green', 'both'), [green])
  assert.deepEqual(await resolve('of-blue', 'both'), [])
  await assertReaches('of-red', 'both', red)
  await assertReaches('of-green', 'both', green)
  await assertReaches('both', 'of-green', await addressOf(host, 'of-green', 'green'))
  await host.docker('network', 'connect', '--alias', 'guest', 'blue', 'both')
  assert.deepEqual(await resolve('of-blue', 'guest'), [await addressOf(host, 'both', 'blue')])
  await host.docker('network', 'disconnect', 'blue', 'both')
  assert.deepEqual(await resolve('of-blue', 'guest'), [])
})

test('--link gives a name of one’s own', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await idle(host, 'store', 'web')
  await idle(host, 'front', 'web', '--link', 'store:db')
  const store = await addressOf(host, 'store', 'web')
  assert.deepEqual(await resolve('front', 'db'), [store])
  await assertReaches('front', 'db', store)
  await idle(host, 'stranger', 'web')
  assert.deepEqual(await resolve('stranger', 'db'), [])
})

test('/etc/hosts has the own addresses under the own name, and what --add-host says', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  await createNetwork(host, 'api', '-o', 'group=api')
  await idle(host, 'front', 'web', '--network', 'api', '--hostname', 'front-1', '--add-host', 'other:2001:db8:7::7')
  const hosts = await host.docker('exec', 'front', 'cat', '/etc/hosts')
  for (const address of await addressesOf(host, 'front', ['web', 'api']))
    assert.match(hosts, new RegExp(`^${address}\\s+front-1$`, 'm'))
  assert.match(hosts, /^2001:db8:7::7\s+other$/m)
})

test('the address of a name: the same after every recreate from 29 on, another one before', async () => {
  await createNetwork(host, 'web', '-o', 'group=web')
  const seen = new Set<string>()
  for (let turn = 0; turn < 3; turn++) {
    await host.docker('run', '-d', '--name', 'stable', '--network', 'web', ...IDLE)
    seen.add(await addressOf(host, 'stable', 'web'))
    await host.docker('rm', '-f', 'stable')
  }
  assert.equal(seen.size, engine >= 29 ? 1 : 3, [...seen].join(' '))
})
