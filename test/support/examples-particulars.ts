// What single examples promise beside their tables.
import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../lab/process.ts'
import { Topology } from '../lab/topology.ts'
import { inContainer } from './container.ts'
import { type Example, LEGACY, mapped } from './examples.ts'
import { ask } from './meeting.ts'
import { lines } from './promised.ts'
import { serveOn } from './stage.ts'

type Particular = (example: Example) => Promise<void>

/** By the name of the example; each throws an AssertionError. */
export const particulars: Readonly<Record<string, Particular>> = {
  'web-shop': shop,
  monitoring: monitor,
  mail,
  jobs,
  'ipv4-beside': beside,
}

const WGET = ['busybox', 'wget', '-q', '-T', '3', '-O', '-']

/** A visitor gets what the database has, through proxy and app, at both ports; also after the app came back with another address. */
async function shop(example: Example): Promise<void> {
  const buy = async (port: number): Promise<string> =>
    (await example.internet.exec([...WGET, `http://[${await example.address('proxy')}]:${port}/cgi-bin/stock`])).stdout
  assert.deepEqual([await buy(80), await buy(443)], ['3 teapots\n', '3 teapots\n'])
  await example.compose('up', '-d', '--wait', '--force-recreate', '--no-deps', 'app')
  await until(
    async () => (await buy(80)) === '3 teapots\n',
    8000,
    () => 'no teapots from a new app',
  )
}

/** All targets are up, and one that ends is seen down. */
async function monitor(example: Example): Promise<void> {
  const targets = async (): Promise<string> =>
    example.host.docker('exec', example.container('monitor'), 'wget', '-q', '-O', '-', 'http://localhost:9090/targets')
  const shows = (text: string): Promise<unknown> =>
    until(
      async () => (await targets()) === text,
      8000,
      () => `the monitor does not show: ${text}`,
    )
  await shows('web:9113 up\nqueue:9419 up\ndatabase:9187 up')
  await example.compose('stop', 'queue')
  await shows('web:9113 up\nqueue:9419 down\ndatabase:9187 up')
  await example.compose('start', 'queue')
}

/** The log and the mail have the client's own address, from the world and from a container; the mail is where only the server reaches. */
async function mail(example: Example): Promise<void> {
  const server = await example.address('mail')
  const input = 'EHLO me\r\nMAIL FROM:<a@example>\r\nRCPT TO:<b@example>\r\nDATA\r\nHello.\r\n.\r\nQUIT\r\n'
  const said = await example.internet.check(['busybox', 'nc', '-w', '5', server, '25'], { input })
  assert.match(said, /250 stored\r\n221 bye\r\n$/)
  await inContainer(example.host, example.container('storage'), [
    'sh',
    '-c',
    `echo QUIT | busybox nc -w 5 ${server} 993`,
  ])
  const log = await example.compose('logs', '--no-log-prefix', 'mail')
  const clients = Array.from(log.matchAll(/^port (\d+): connection from (\S+)$/gm), ([, port, client]) => [
    port,
    client,
  ])
  const [world, storage] = [Topology.internetAddress, await example.address('storage')]
  assert.deepEqual(
    clients.map(([port, client = '']) => [port, nameOf(client, [world, storage])]),
    [
      ['25', world],
      ['993', storage],
    ],
  )
  const stored = await example.host.docker('exec', example.container('storage'), 'cat', '/tmp/mails')
  assert.match(stored, /^from \S+0001: Hello\. ?$/)
}

/** The one of these addresses that another spelling means, or that spelling. */
function nameOf(address: string, known: readonly string[]): string {
  const same = (one: string): boolean => {
    const list = new BlockList()
    list.addAddress(one, 'ipv6')
    return list.check(address, 'ipv6')
  }
  return known.find(same) ?? address
}

/** No default route; what the world sends to the portal is done by workers, once. */
async function jobs(example: Example): Promise<void> {
  const { host } = example
  const worker = example.container('worker')
  assert.equal(await inContainer(host, worker, ['ip', '-6', 'route', 'show', 'default']), '')
  assert.equal(await inContainer(host, worker, ['ip', '-4', 'route']), '')
  const portal = await example.address('portal', 'front')
  const sent = [1, 2, 3, 4].map(number => `job-${number}`)
  for (const job of sent) await example.internet.check([...WGET, `http://[${portal}]/cgi-bin/job?${job}`])
  const done = async (): Promise<string[]> =>
    lines(await example.compose('logs', '--no-log-prefix', 'worker')).toSorted()
  await until(
    async () => (await done()).length >= sent.length,
    8000,
    () => 'the workers do not take what is in the queue',
  )
  await sleep(1000)
  assert.deepEqual(
    await done(),
    sent.map(job => `${job} is done`),
  )
}

/** A server with IPv4 only is reached, as the host; the world over IPv6, as itself; localhost:8080 is the app, and nothing else of the host is bound. */
async function beside(example: Example): Promise<void> {
  const { host, internet } = example
  const app = example.container('app')
  assert.equal(await host.check([...WGET, 'http://127.0.0.1:8080/']), 'hello\n')
  assert.equal(await host.docker('port', app), '80/tcp -> 127.0.0.1:8080')
  await using _server = await serveOn(internet, [80])
  const seen = await ask(host, app, [
    { address: mapped(LEGACY.internet), port: 80 },
    { address: Topology.internetAddress, port: 80 },
  ])
  assert.deepEqual(seen, [mapped(LEGACY.host), await example.address('app', 'web')])
  const routes = async (family: string): Promise<string> =>
    inContainer(host, app, ['ip', family, 'route', 'show', 'default'])
  assert.match(await routes('-4'), /^default via \S+ dev eth0 *\n$/)
  assert.match(await routes('-6'), /^default via fe80::\S+ dev net0 /m)
}
