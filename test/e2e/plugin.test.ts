// The managed plugin, from the sources to packets: built on one engine by `npm run plugin` and installed there, pushed to a registry and installed from it on
// another engine. Two hosts, a policy across both.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Host } from '../lab/host.ts'
import { repository } from '../lab/setup.ts'
import { Topology } from '../lab/topology.ts'
import { assertConsistent, removeAll } from '../support/clean.ts'
import { addressOf, inContainer } from '../support/container.ts'
import { ask, askFrom } from '../support/meeting.ts'
import {
  addBuildx,
  answered,
  importBase,
  makePlugin,
  npmRunPlugin,
  pluginFolder,
  pluginId,
  pluginLog,
  REFERENCE,
  serveRegistry,
  usePlugin,
} from '../support/plugin.ts'
import { createNetwork, idle, serve } from '../support/stage.ts'
import { A, B } from '../support/two-hosts.ts'

const [a, b] = [
  await Host.start({ name: 'plugin-a', forward: true }),
  await Host.start({ name: 'plugin-b', forward: true }),
]
const topology = await Topology.up({
  hosts: [
    { host: a, prefix: A.prefix, uplinkAddress: A.uplink },
    { host: b, prefix: B.prefix, uplinkAddress: B.uplink },
  ],
})
after(async () => {
  await topology.dispose()
  await Promise.all([a.dispose(), b.dispose()])
})
await Promise.all([a.startDockerd(), b.startDockerd()])
await Promise.all([importBase(a), importBase(b), addBuildx(b), serveRegistry(a), serveRegistry(b)])

const FLEET = `SLASH64_FLEET=${A.prefix},${B.prefix}`
const DOC = 'SLASH64_ALLOW_DOC_PREFIX=1'
const digestOf = (said: string): string => /sha256:[0-9a-f]{64}/.exec(said)?.[0] ?? said

/** On another engine, by BuildKit, while this one builds its own. */
const again = makePlugin(b, '--no-enable', '--name', 'again')
again.catch(() => undefined)
let digest = ''

test('npm run plugin builds it and enables it, with the settings that it is given', async t => {
  const began = performance.now()
  const said = await makePlugin(a, `SLASH64_PREFIX=${A.prefix}`, FLEET, DOC)
  t.diagnostic(`${Math.round(performance.now() - began)} ms`)
  digest = digestOf(said)
  assert.match(said, /docker network create -d slash64:latest --ipam-driver slash64:latest --ipv4=false --ipv6/)
  const listed = await a.docker('plugin', 'ls', '--format', '{{.Name}} {{.Enabled}}')
  assert.equal(listed, 'slash64:latest true')
  assert.equal(await a.docker('ps', '-aq'), '')
  await usePlugin(a)
})

test('the root folder has Node in it and no other program, and is below 200 MB', async () => {
  const rootfs = `${await pluginFolder(a)}/rootfs`
  const [kilobytes = ''] = (await a.check(['du', '-sk', rootfs])).split('\t')
  assert.ok(Number(kilobytes) < 200 * 1024, `${kilobytes} KB`)
  const programs = await a.check(['find', rootfs, '-type', 'f', '-perm', '/111', '-size', '+0', '-printf', '%P\n'])
  assert.match(programs, /^(bin\/node\n|lib\S*\/ld-linux\S*\n){2}$/)
  const others = await a.check(['find', rootfs, '(', '-name', 'sh', '-o', '-name', 'npm', '-o', '-name', '*.ts', ')'])
  assert.equal(others, '')
})

test('the other builder, on another engine, makes the same plugin to the byte', async () => {
  const said = await again
  assert.match(said, /docker plugin enable again/)
  assert.equal(digestOf(said), digest)
  await b.docker('plugin', 'rm', 'again')
})

test('docker plugin create takes the root folder and plugin-config.json as they are', async () => {
  await using host = await Host.start({ name: 'plugin-c', forward: true })
  await host.startDockerd()
  const folder = join(host.dir, 'made')
  mkdirSync(folder)
  copyFileSync(join(repository, 'plugin-config.json'), join(folder, 'config.json'))
  await host.check(['cp', '-a', join(a.dir, 'disk', await pluginFolder(a), 'rootfs'), join(folder, 'rootfs')])
  await host.docker('plugin', 'create', 'made', folder)
  await host.docker('plugin', 'enable', 'made')
  const ours = ['-d', 'made:latest', '--ipam-driver', 'made:latest', '--ipv4=false', '--ipv6']
  await host.docker('network', 'create', ...ours, 'net')
  assert.match(
    await host.docker('run', '--rm', '--network', 'net', 'busybox', 'ip', '-6', 'address'),
    /net0.*inet6 fd/s,
  )
})

test('it is pushed to a registry, and nothing is left of that on the engine that pushed', async () => {
  assert.equal(digestOf(await makePlugin(a, '--push', REFERENCE)), digest)
  assert.equal(await a.docker('plugin', 'ls', '--format', '{{.Name}}'), 'slash64:latest')
})

test('another engine installs it; settings that it refuses are refused with a sentence in the engine’s log', async t => {
  const install = ['plugin', 'install', '--alias', 'slash64', '--grant-all-permissions', '--disable']
  await b.docker(...install, REFERENCE, `SLASH64_PREFIX=${B.prefix}`, FLEET)
  const unknown = await b.tryDocker('plugin', 'set', 'slash64', 'SLASH64_HOST=/')
  assert.match(unknown.stderr, /"SLASH64_HOST" not found/)
  assert.notEqual((await b.tryDocker('plugin', 'enable', 'slash64')).code, 0)
  const sentence = pluginLog(b).find(({ level }) => level === 60)?.msg
  assert.match(sentence ?? '', /^slash64: "2001:db8:100:b::\/64".*documentation/)
  await b.docker('plugin', 'set', 'slash64', DOC)
  const began = performance.now()
  const [ms] = await Promise.all([answered(b, began), b.docker('plugin', 'enable', 'slash64')])
  t.diagnostic(`first answer ${ms} ms after enable, enabled after ${Math.round(performance.now() - began)} ms`)
  assert.ok(ms < 10_000)
  await usePlugin(b)
})

test('groups, lists and ports, on both hosts and between them', async () => {
  await createNetwork(a, 'web', '-o', 'group=web')
  await createNetwork(a, 'other', '-o', 'group=other')
  await createNetwork(b, 'db', '-o', 'group=db', '-o', 'allow=web:5432')
  await Promise.all([
    serve(a, 'front', 'web', [443, 8080], '-p', '443:443'),
    idle(a, 'stray', 'other'),
    serve(b, 'store', 'db', [22, 5432]),
    idle(b, 'twin', 'db'),
  ])
  const [front, store] = [await addressOf(a, 'front', 'web'), await addressOf(b, 'store', 'db')]
  const [asFront, asTwin] = [front, await addressOf(b, 'twin', 'db')]
  const both = [
    { address: store, port: 5432 },
    { address: store, port: 22 },
  ]
  assert.deepEqual(await ask(a, 'front', both), [asFront, 'ECONNREFUSED'])
  assert.deepEqual(await ask(a, 'stray', both), ['ECONNREFUSED', 'ECONNREFUSED'])
  assert.deepEqual(await ask(b, 'twin', both), [asTwin, asTwin])
  const doors = [
    { address: front, port: 443 },
    { address: front, port: 8080 },
  ]
  assert.deepEqual(await askFrom(topology.internet, doors), [Topology.internetAddress, 'timeout'])
  assert.deepEqual(await ask(b, 'store', doors), [store, 'ECONNREFUSED'])
  await Promise.all([assertConsistent(a), assertConsistent(b)])
})

test('links are made in the containers, as without a plugin', async () => {
  const links = await inContainer(a, 'front', ['ip', '-br', 'link'])
  assert.match(links, /^net0@/m)
  const sandboxes = await a.check(['sh', '-c', 'ls /run/docker/netns | wc -l'])
  assert.equal(sandboxes.trim(), '2')
})

test('TestPluginActiveNetwork: it stays while networks use it, and leaves nothing that acts', async () => {
  const refused = async (...command: string[]): Promise<string> => {
    const { code, stderr } = await a.tryDocker('plugin', ...command, 'slash64')
    assert.notEqual(code, 0)
    return stderr
  }
  assert.match(await refused('disable'), /in use/)
  assert.match(await refused('rm'), /in use/)
  await removeAll(a)
  assert.match(await refused('rm'), /is enabled/)
  await assertConsistent(a)
  const id = await pluginId(a)
  await a.docker('plugin', 'disable', 'slash64')
  await a.docker('plugin', 'rm', 'slash64')
  assert.equal(await a.check(['sh', '-c', `ls -d /var/lib/docker/plugins/${id}* || true`]), '')
  assert.deepEqual(await remains(a), [
    'table inet slash64',
    'table arp slash64',
    `unreachable ${A.prefix}`,
    `address ${A.own}`,
  ])
})

test('npm run plugin -- --remove takes that away as well, and refuses while there are networks', async () => {
  const { code, stderr } = await npmRunPlugin(b, '--remove')
  assert.equal(code, 1)
  assert.match(stderr, /^slash64: networks use slash64; .*: docker network rm db\n$/)
  await removeAll(b)
  assert.match(await makePlugin(b, '--remove'), /^slash64: removed the plugin slash64 and its state$/m)
  assert.deepEqual(await remains(b), [])
  assert.equal(await b.docker('plugin', 'ls', '-q'), '')
})

/** What of ours a host's kernel has. */
async function remains(host: Host): Promise<string[]> {
  const shown = async (...argv: string[]): Promise<string[]> => (await host.check(argv)).split('\n')
  const tables = (await shown('nft', 'list', 'tables')).filter(line => line.includes('slash64'))
  const routes = await shown('ip', '-6', 'route', 'show', 'table', 'all', 'proto', '64')
  const addresses = (await shown('ip', '-6', '-br', 'address', 'show', 'dev', 'lo'))
    .join(' ')
    .match(/2001:\S+(?=\/128)/g)
  const links = (await shown('ip', '-br', 'link')).filter(line => line.startsWith('s64'))
  return [
    ...tables,
    ...routes.filter(Boolean).map(line => line.split(' ').slice(0, 2).join(' ')),
    ...(addresses ?? []).map(address => `address ${address}`),
    ...links,
  ]
}

test('npm run plugin says what is wrong', async () => {
  const complaint = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await npmRunPlugin(b, ...args)
    assert.equal(code, 1)
    return stderr
  }
  assert.match(await complaint('--publish'), /^slash64: Unknown option '--publish'.*\nusage: npm run plugin/s)
  assert.match(await complaint('PREFIX=x'), /^slash64: "PREFIX=x" is no setting; write SLASH64_NAME=VALUE/)
  assert.match(await complaint('--node-image', 'nosuch:1'), /docker build .* failed:\n.*nosuch:1/s)
  await b.stopDockerd()
  assert.match(await complaint(), /docker version .* failed:\n.*Cannot connect to the Docker daemon/s)
})
