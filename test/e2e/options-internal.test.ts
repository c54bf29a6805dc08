// --internal: the group reaches itself, and that is all.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { Topology } from '../lab/topology.ts'
import { cleanUp } from '../support/clean.ts'
import { addressOf, inContainer } from '../support/container.ts'
import { addressesOf, ask, askFrom } from '../support/meeting.ts'
import {
  createNetwork,
  ENVIRONMENT,
  idle,
  listening,
  PREFIX,
  Stage,
  serve,
  serveOn,
  tryNetwork,
} from '../support/stage.ts'

const stage = await Stage.up({ name: 'internal' })
const { host, topology } = stage
await serveOn(topology.internet, [80])
after(() => stage[Symbol.asyncDispose]())
afterEach(async () => {
  await stage.resume()
  await cleanUp(host)
})

const at = (port: number) => (address: string) => ({ address, port })
const INTERNAL = ['--internal', '-o', 'group=vault']

/** Two members of an internal group, one with a published port, and an open group that lets the internal one in and is let in by nobody. */
async function arrange(): Promise<void> {
  await createNetwork(host, 'vault', ...INTERNAL)
  await createNetwork(host, 'open', '-o', 'group=open', '-o', 'allow=vault')
  await serve(host, 'safe', 'vault', [80, 81], '-p', '80:80', '--network-alias', 'box')
  await idle(host, 'member', 'vault')
  await serve(host, 'shop', 'open', [80], '-p', '80:80')
}

async function assertClosed(): Promise<void> {
  const [safe = '', member = ''] = [await addressOf(host, 'safe', 'vault'), await addressOf(host, 'member', 'vault')]
  const shop = await addressOf(host, 'shop', 'open')
  const toMember = [80, 81].map(port => ({ address: safe, port }))
  assert.deepEqual(await ask(host, 'member', toMember), [member, member], 'a member')
  const denied = (await ask(host, 'shop', toMember)).filter(answer => !/^(ECONNREFUSED|timeout)$/.test(answer))
  assert.deepEqual(denied, [], 'another group')
  assert.deepEqual(await askFrom(topology.internet, toMember), ['timeout', 'timeout'], 'the world')
  const out = await ask(host, 'member', [shop, Topology.internetAddress, `${PREFIX.replace('/64', '1')}`].map(at(80)))
  assert.deepEqual(
    out.filter(answer => answer.includes(':')),
    [],
    'nothing gets out',
  )
}

test('members talk, nothing else goes in or out, and -p opens nothing; also after a restart of both', async () => {
  await arrange()
  await assertClosed()
  const routes = await inContainer(host, 'member', ['ip', '-6', 'route', 'show', 'default'])
  assert.equal(routes.trim(), '', 'no default route')
  await stage.restartSlash64('SIGKILL')
  await host.docker('restart', '-t', '0', 'safe')
  await listening(host, 'safe')
  await assertClosed()
})

test('names resolve inside, and the host reaches its containers as it does with Docker’s own internal networks', async () => {
  await arrange()
  const safe = await addressOf(host, 'safe', 'vault')
  for (const name of ['safe', 'box']) {
    const said = await host.docker('exec', 'member', 'ping', '-c', '1', '-W', '2', name)
    assert.ok(said.includes(`(${safe})`) && said.includes(' 0% packet loss'), said)
  }
  await host.check(['busybox', 'ping', '-c', '1', '-W', '2', safe])
})

test('a container that is also on an open network: each address has its own rights', async () => {
  await arrange()
  await serve(host, 'bridge', 'vault', [80, 81], '--network', 'open', '-p', '80:80')
  const [inside = '', outside = ''] = await addressesOf(host, 'bridge', ['vault', 'open'])
  const [member, shop] = [await addressOf(host, 'member', 'vault'), await addressOf(host, 'shop', 'open')]
  assert.deepEqual(await ask(host, 'member', [inside].map(at(81))), [member])
  assert.deepEqual(await ask(host, 'shop', [outside].map(at(81))), [shop])
  const safe = await addressOf(host, 'safe', 'vault')
  assert.deepEqual(await ask(host, 'bridge', [safe, shop, Topology.internetAddress].map(at(80))), [
    inside,
    outside,
    outside,
  ])
  assert.deepEqual(await askFrom(topology.internet, [inside, outside].map(at(80))), [
    'timeout',
    Topology.internetAddress,
  ])
  const forbidden = await ask(host, 'bridge', [{ address: Topology.internetAddress, port: 80, source: inside }])
  assert.ok(!forbidden[0]?.includes(':'), `with the internal address out: ${forbidden}`)
  await host.docker('network', 'disconnect', 'open', 'bridge')
  const alone = await ask(host, 'bridge', [safe, Topology.internetAddress].map(at(80)))
  assert.equal(alone[0], inside)
  assert.ok(!alone[1]?.includes(':'), `without a way out: ${alone}`)
})

test('internal is a property of the group: a second network of it says the same', async () => {
  await createNetwork(host, 'vault', ...INTERNAL)
  await createNetwork(host, 'again', ...INTERNAL)
  const { code, stderr } = await tryNetwork(host, 'open', '-o', 'group=vault')
  assert.equal(code, 1)
  assert.match(stderr, /group "vault" is internal here.*write the same, or another group/)
})

test('in a fleet: an internal container comes to an open network too, whatever the order, and has a route to the other hosts', async () => {
  await host.stopSlash64()
  await host.startSlash64({ ...ENVIRONMENT, SLASH64_FLEET: '2001:db8:100::/48' })
  try {
    await arrange()
    await host.docker('network', 'connect', 'open', 'member')
    await idle(host, 'guard', 'open', '--network', 'vault')
    const [safe, shop] = [await addressOf(host, 'safe', 'vault'), await addressOf(host, 'shop', 'open')]
    for (const name of ['member', 'guard'])
      assert.deepEqual(
        await ask(host, name, [safe, shop].map(at(80))),
        await addressesOf(host, name, ['vault', 'open']),
      )
    await inContainer(host, 'safe', ['ip', '-6', 'route', 'get', '2001:db8:100:b::1', 'from', safe])
    await host.check(['busybox', 'ping', '-c', '1', '-W', '2', safe])
  } finally {
    await stage.restartSlash64()
  }
})
