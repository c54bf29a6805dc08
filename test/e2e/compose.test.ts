// Docker Compose with the files that users write.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { until } from '../lab/process.ts'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inspect } from '../support/container.ts'
import { addressesOf, ask, askFrom } from '../support/meeting.ts'
import { lines } from '../support/promised.ts'
import { createNetwork, idle, Stage } from '../support/stage.ts'

const stage = await Stage.up({ name: 'compose' })
const { host, topology } = stage
const folders: string[] = []
after(() => stage[Symbol.asyncDispose]())
afterEach(async () => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
  await cleanUp(host)
})

/** A folder with this compose.yaml; `ours` stands for what every slash64 network has. */
function project(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'slash64-compose-'))
  folders.push(folder)
  const ours = 'driver: slash64, enable_ipv4: false, enable_ipv6: true, ipam: {driver: slash64}'
  writeFileSync(join(folder, 'compose.yaml'), text.replaceAll('ours', ours))
  return folder
}

/** A service that says hello to everybody who connects. */
const server = (port: number): string =>
  `image: busybox, stop_signal: KILL, command: ["nc", "-ll", "-p", "${port}", "-e", "echo", "hello"]`
const IDLER = 'image: busybox, stop_signal: KILL, command: ["sleep", "1000"]'

const SHOP = `
services:
  web: {${server(80)}, ports: ["80:80"], networks: [front, back], depends_on: [db]}
  db: {${server(5432)}, networks: [back]}
networks:
  front: {ours, driver_opts: {group: "\${COMPOSE_PROJECT_NAME}-web"}}
  back: {ours, driver_opts: {group: "\${COMPOSE_PROJECT_NAME}-db", allow: "admin:5432/tcp"}}
`

const at = (port: number) => (address: string) => ({ address, port, patience: 2000 })

/** That all of these answer. */
async function assertAnswer(from: string, addresses: readonly string[], port: number): Promise<void> {
  const hellos = addresses.map(() => 'hello').join()
  await until(
    async () => (await ask(host, from, addresses.map(at(port)))).join() === hellos,
    5000,
    () => `${from} gets no answer from ${addresses.join(' ')} at ${port}`,
  )
}

test('up, two networks on a service, ports, depends_on, and down; two projects of one file keep apart', async () => {
  const folder = project(SHOP)
  for (const name of ['one', 'two']) await host.compose(folder, '-p', name, 'up', '-d')
  const [one, two] = [await addressOf(host, 'one-db-1', 'one_back'), await addressOf(host, 'two-db-1', 'two_back')]
  await assertAnswer('one-web-1', [one], 5432)
  await assertAnswer('two-web-1', [two], 5432)
  assert.deepEqual(await ask(host, 'one-web-1', [two].map(at(5432))), ['ECONNREFUSED'])
  const web = await addressesOf(host, 'one-web-1', ['one_front', 'one_back'])
  const published = [...web, ...(await addressesOf(host, 'two-web-1', ['two_front']))]
  assert.deepEqual(
    await askFrom(topology.internet, published.map(at(80))),
    published.map(() => 'hello'),
  )
  assert.match(await host.docker('exec', 'one-web-1', 'ping', '-c', '1', '-W', '2', 'db'), / 0% packet loss/)
  await createNetwork(host, 'admin', '-o', 'group=admin')
  await idle(host, 'admin', 'admin')
  await assertAnswer('admin', [one, two], 5432)
  await host.compose(folder, '-p', 'one', 'down')
  await assertConsistent(host)
  await assertAnswer('two-web-1', [two], 5432)
  await host.compose(folder, '-p', 'two', 'down')
  assert.equal(await host.docker('network', 'ls', '-q', '--filter', 'name=back'), '')
})

test('scale to three and back, recreate after a change, restart: all of them are reached', async () => {
  const folder = project(`
services:
  web: {${server(80)}, environment: ["COLOUR=\${COLOUR:-red}"], networks: [net]}
  client: {${IDLER}, networks: [net]}
networks:
  net: {ours, driver_opts: {group: scale}}
`)
  const up = (...options: string[]) => host.compose(folder, '-p', 'scale', 'up', '-d', ...options)
  const webs = async (): Promise<string[]> => {
    const names = lines(await host.docker('ps', '--format', '{{.Names}}', '--filter', 'name=scale-web'))
    return Promise.all(names.map(name => addressOf(host, name, 'scale_net')))
  }
  await up('--scale', 'web=3')
  const three = await webs()
  assert.equal(new Set(three).size, 3)
  await assertAnswer('scale-client-1', three, 80)
  const said = await host.docker('exec', 'scale-client-1', 'nslookup', '-type=AAAA', 'web', '127.0.0.11')
  for (const address of three) assert.ok(said.includes(address), said)
  await up('--scale', 'web=1')
  assert.equal((await webs()).length, 1)
  await assertConsistent(host)
  writeFileSync(join(folder, '.env'), 'COLOUR=blue\n')
  await up()
  assert.match(await inspect(host, 'scale-web-1', '{{.Config.Env}}'), /COLOUR=blue/)
  await assertAnswer('scale-client-1', await webs(), 80)
  await host.compose(folder, '-p', 'scale', 'restart', '-t', '0')
  await assertAnswer('scale-client-1', await webs(), 80)
})

test('driver_opts of a service’s network: sysctls of its link; gw_priority, mac_address and ipv6_address', async () => {
  const subnet = '2001:db8:100:a:0:2f99:d04f:0/112'
  const folder = project(`
services:
  web:
    image: busybox
    stop_signal: KILL
    command: ["sleep", "1000"]
    networks:
      net:
        driver_opts: {com.docker.network.endpoint.sysctls: "net.ipv6.conf.IFNAME.hop_limit=33"}
        mac_address: "02:64:00:00:00:09"
        ipv6_address: "2001:db8:100:a:0:2f99:d04f:9"
      way: {gw_priority: 1}
networks:
  net: {driver: slash64, enable_ipv4: false, enable_ipv6: true, ipam: {driver: slash64, config: [{subnet: "${subnet}"}]}}
  way: {ours, driver_opts: {group: way}}
`)
  await host.compose(folder, '-p', 'opts', 'up', '-d')
  const settings = await host.docker('exec', 'opts-web-1', 'sh', '-c', 'cat /proc/sys/net/ipv6/conf/net*/hop_limit')
  assert.deepEqual(lines(settings).toSorted(), ['33', '64'])
  const network = '{{(index .NetworkSettings.Networks "opts_net").'
  assert.equal(await inspect(host, 'opts-web-1', `${network}GlobalIPv6Address}}`), '2001:db8:100:a:0:2f99:d04f:9')
  assert.equal(await inspect(host, 'opts-web-1', `${network}MacAddress}}`), '02:64:00:00:00:09')
  await assertConsistent(host)
})

test('the same group in two projects is one group; a different list for it is refused and leaves nothing', async () => {
  const file = (allow: string): string => `
services:
  app: {${server(80)}, networks: [net]}
networks:
  net: {ours, driver_opts: {group: shared${allow}}}
`
  const [first, second, third] = [project(file('')), project(file('')), project(file(', allow: "world-of-others:1"'))]
  await host.compose(first, '-p', 'first', 'up', '-d')
  await host.compose(second, '-p', 'second', 'up', '-d')
  await assertAnswer('second-app-1', [await addressOf(host, 'first-app-1', 'first_net')], 80)
  await assert.rejects(
    host.compose(third, '-p', 'third', 'up', '-d'),
    /group "shared" has allow="".*"world-of-others:1\/tcp"/,
  )
  assert.equal(await host.docker('network', 'ls', '-q', '--filter', 'name=third'), '')
})

test('what is missing or wrong in the file is one clear sentence of compose up, and the mended file comes up', async () => {
  const file = (network: string): string =>
    `services: {app: {${IDLER}, networks: [net]}}\nnetworks: {net: {${network}}}\n`
  const wrong = [
    ['driver: slash64, ipam: {driver: slash64}', /Compose: enable_ipv4: false, enable_ipv6: true/],
    ['driver: slash64, enable_ipv6: true, ipam: {driver: slash64}', /Compose: enable_ipv4: false/],
    ['driver: slash64, enable_ipv4: false, enable_ipv6: true', /Compose: ipam: {driver: slash64}/],
    ['ours, driver_opts: {grup: web}', /"grup" \(did you mean "group"\?\)/],
  ] as const
  for (const [network, says] of wrong) {
    await assert.rejects(host.compose(project(file(network)), '-p', 'wrong', 'up', '-d'), says)
    assert.equal(await host.docker('ps', '-aq'), '')
  }
  await host.compose(project(file('ours')), '-p', 'wrong', 'up', '-d')
})

test('a bridge beside in one file, and internal: true', async () => {
  const folder = project(`
services:
  web: {${server(80)}, ports: ["80:80"], networks: [net, four]}
  vault: {${server(81)}, ports: ["81:81"], networks: [vault]}
  guard: {${IDLER}, networks: [vault, net]}
networks:
  net: {ours, driver_opts: {group: mixed}}
  four: {}
  vault: {ours, internal: true, driver_opts: {group: mixed-vault}}
`)
  await host.compose(folder, '-p', 'mixed', 'up', '-d')
  const [web, vault] = [
    await addressOf(host, 'mixed-web-1', 'mixed_net'),
    await addressOf(host, 'mixed-vault-1', 'mixed_vault'),
  ]
  assert.deepEqual(await askFrom(topology.internet, [at(80)(web), at(81)(vault)]), ['hello', 'timeout'])
  assert.deepEqual(await ask(host, 'mixed-guard-1', [at(80)(web), at(81)(vault)]), ['hello', 'hello'])
})
