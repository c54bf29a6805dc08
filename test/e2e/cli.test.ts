// The command slash64 on a host with a real engine: what runs, by the names that people gave it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import type { EndpointStatus, GroupStatus, Status } from '../../src/state/status.ts'
import type { Output } from '../lab/process.ts'
import { repository } from '../lab/setup.ts'
import { cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { createNetwork, ENVIRONMENT, IDLE, idle, PREFIX, Stage } from '../support/stage.ts'

const stage = await Stage.up({ name: 'cli', dockerd: ['--live-restore'] })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(async () => {
  await stage.resume()
  await cleanUp(host)
})

const SLASH64 = [process.execPath, '--disable-warning=ExperimentalWarning', join(repository, 'src/cli.ts')]
/** A group that nobody has, and the user `nobody`. */
const [GROUP, NOBODY] = ['4242', '65534']
/** Reading files may need rights on the way to the repository; a socket is asked by writing, which this does not allow. */
const READS = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search']

const slash64 = (...line: string[]): Promise<Output> => host.exec([...SLASH64, ...line])

/** The same as a user with these groups. */
const as = (groups: string[], ...line: string[]): Promise<Output> =>
  host.exec(['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, ...groups, ...READS, ...SLASH64, ...line])

async function status(...names: string[]): Promise<Status> {
  const { code, stdout, stderr } = await slash64('status', '--json', ...names)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

/** Groups web, db and vault (internal), one of this host only; `shop` is in web and in db. */
async function arrange(): Promise<void> {
  await createNetwork(host, 'front', '-o', 'group=web')
  await createNetwork(host, 'back', '-o', 'group=db', '-o', 'allow=web:5432')
  await createNetwork(host, 'safe', '-o', 'group=vault', '--internal')
  await createNetwork(host, 'scratch')
  await idle(host, 'shop', 'front', '-p', '443:443', '-p', '8000-8002:8000-8002/udp')
  await host.docker('network', 'connect', 'back', 'shop')
  await host.docker('run', '-d', '--name', 'store', '--network', 'back', ...IDLE)
  await idle(host, 'box', 'safe', '-p', '80:80')
}

/** nsenter(1) stops with the program that it started, and wakes it when it is woken. */
function parentOf(pid: number): number {
  const [, parent] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(parent)
}

const group = ({ groups }: Status, name: string | undefined): GroupStatus => {
  const found = groups.find(one => one.name === name)
  assert.ok(found, `no group ${name}`)
  return found
}

function endpoints({ networks }: GroupStatus): Record<string, EndpointStatus> {
  const all = networks.flatMap(network => network.endpoints)
  return Object.fromEntries(all.map(one => [one.container ?? one.id, one]))
}

test('status shows groups, networks and containers by name, with addresses, links, births and ports', async () => {
  await arrange()
  const whole = await status()
  assert.deepEqual([whole.prefix, whole.docker.state], [PREFIX, 'answering'])
  assert.equal(
    whole.docker.version?.split('+')[0],
    (await host.docker('version', '-f', '{{.Server.Version}}')).split('+')[0],
  )
  assert.deepEqual(
    whole.groups.map(({ name, internal, allow, networks }) => [name, internal, allow, networks.map(one => one.name)]),
    [
      ['db', false, ['web:5432/tcp'], ['back']],
      ['vault', true, [], ['safe']],
      ['web', false, [], ['front']],
      [undefined, false, [], ['scratch']],
    ],
  )
  const { shop } = endpoints(group(whole, 'web'))
  const { shop: second, store } = endpoints(group(whole, 'db'))
  const { box } = endpoints(group(whole, 'vault'))
  const id = await inspect(host, 'shop', '{{(index .NetworkSettings.Networks "front").EndpointID}}')
  assert.deepEqual(shop, {
    id,
    container: 'shop',
    address: await addressOf(host, 'shop', 'front'),
    mac: await inspect(host, 'shop', '{{(index .NetworkSettings.Networks "front").MacAddress}}'),
    link: `s64${id.slice(0, 12)}`,
    phase: 'joined',
    birth: 'in place',
    published: ['443/tcp', '8000/udp', '8001/udp', '8002/udp'],
  })
  await host.check(['ip', 'link', 'show', shop.link])
  assert.deepEqual([second?.birth, store?.birth, box?.birth], ['moved', 'in place', 'in place'])
  assert.deepEqual([store?.published, box?.published], [[], []])
  const { stdout } = await slash64('status')
  assert.match(stdout, new RegExp(`shop +${shop.address} +${shop.link} +in place +443/tcp 8000-8002/udp\n`))
  assert.match(stdout, new RegExp(`shop +${second?.address} +s64[0-9a-f]{12} +moved `))
  const local = group(whole, undefined)
  assert.match(
    stdout,
    new RegExp(`group of this host only \\(${local.number}\\)\n.*\n +again +--subnet ${local.pool}\n`),
  )
  for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line)
  assert.deepEqual(Object.keys(endpoints(group(await status('store'), 'db'))), ['store'])
})

test('a group that was made by number is made again by what status says', async () => {
  await createNetwork(host, 'scratch')
  const { pool, number } = group(await status(), undefined)
  await host.docker('network', 'rm', 'scratch')
  assert.equal((await status()).groups.length, 0)
  await createNetwork(host, 'again', '--subnet', pool)
  assert.equal(group(await status('again'), undefined).number, number)
})

test('Docker stopped: ids stand for names, and the text says why', async () => {
  await arrange()
  const before = await status()
  await host.stopDockerd()
  const without = await status()
  assert.deepEqual(without.docker, { state: 'not answering' })
  const nameless = JSON.parse(JSON.stringify(before.groups, (key, value) => (key === 'container' ? undefined : value)))
  for (const { networks } of nameless) for (const network of networks) delete network.name
  assert.deepEqual(without.groups, nameless)
  const { stdout } = await slash64('status')
  const { shop } = endpoints(group(before, 'web'))
  assert.ok(stdout.includes(`  ${shop?.id.slice(0, 12)}  ${shop?.address}`), stdout)
  assert.match(stdout, /docker +not answering; ids instead of names/)
  assert.match((await slash64('status', 'shop')).stderr, /Docker does not tell names now, so write ids/)
  await stage.startDockerd()
  assert.deepEqual(await status(), before)
})

test('Docker that hangs holds status up for two seconds at most', async () => {
  await createNetwork(host, 'front', '-o', 'group=web')
  host.dockerd.signal('SIGSTOP')
  try {
    const began = performance.now()
    assert.equal((await status()).docker.state, 'not answering')
    assert.ok(performance.now() - began < 4000)
  } finally {
    process.kill(parentOf(host.dockerd.pid), 'SIGCONT')
  }
})

test('who may use Docker may ask, and nobody else', async () => {
  const own = await host.check(['stat', '-c', '%g', '/run/docker.sock'])
  await host.check(['chgrp', GROUP, '/run/docker.sock'])
  await stage.restartSlash64()
  try {
    const facts = await host.check(['stat', '-c', '%a %u %g', '/run/slash64/control.sock', '/run/slash64'])
    assert.equal(facts, `660 0 ${GROUP}\n755 0 0\n`)
    assert.equal((await as([`--groups=${GROUP}`], 'status')).code, 0)
    const { code, stdout, stderr } = await as(['--clear-groups'], 'status')
    assert.deepEqual([code, stdout], [4, ''])
    assert.match(
      stderr,
      /"\/run\/slash64\/control\.sock" is for root and the members of the group with the number 4242; run the command with sudo/,
    )
  } finally {
    await host.check(['chgrp', own.trim(), '/run/docker.sock'])
    await stage.restartSlash64()
  }
})

test('without a daemon the command says how to start it; after a crash the next daemon answers', async () => {
  await host.stopSlash64('SIGKILL')
  const { code, stderr } = await slash64('status')
  assert.equal(code, 3)
  assert.match(stderr, /the daemon does not run: nobody listens on "\/run\/slash64\/control\.sock"; start it with/)
  await stage.startSlash64()
  assert.equal((await slash64('version')).code, 0)
  assert.equal(await host.stopSlash64(), 0)
  assert.equal((await host.exec(['test', '-e', '/run/slash64/control.sock'])).code, 1)
})

test('after SLASH64_PREFIX has changed, status names the networks to re-create', async () => {
  await createNetwork(host, 'front', '-o', 'group=web')
  await host.stopSlash64()
  await host.startSlash64({ ...ENVIRONMENT, SLASH64_PREFIX: '2001:db8:100:b::/64' })
  try {
    await createNetwork(host, 'fresh', '-o', 'group=new')
    const { stdout } = await slash64('status')
    assert.match(stdout, /prefix +2001:db8:100:b::\/64\nold +2001:db8:100:a::\/64: re-create front\n/)
    await host.docker('network', 'rm', 'front')
    await createNetwork(host, 'front', '-o', 'group=web')
    assert.deepEqual(
      (await status()).prefixes.map(({ prefix, networks }) => [prefix, networks.map(({ name }) => name)]),
      [['2001:db8:100:b::/64', ['fresh', 'front']]],
    )
    await host.docker('network', 'rm', 'front', 'fresh')
  } finally {
    await stage.restartSlash64()
  }
})
