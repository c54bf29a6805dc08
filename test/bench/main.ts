// npm run bench: what the daemon takes for a container, asked over its socket as the engine asks, with a real namespace as each sandbox.
//   -- --count N   containers (default 200)      -- --ports N   published ports of each (default 2)
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Host } from '../lab/host.ts'
import { repository } from '../lab/setup.ts'
import { Engine } from './engine.ts'

const { values } = parseArgs({ options: { count: { type: 'string' }, ports: { type: 'string' } } })
const count = Number(values.count ?? 200)
const ports = Number(values.ports ?? 2)

console.log(`starting the daemon and making ${count} namespaces`)
await using host = await Host.start({ name: 'bench', forward: true })
await host.startSlash64({
  SLASH64_PREFIX: '2001:db8:100:a::/64',
  SLASH64_ALLOW_DOC_PREFIX: '1',
  SLASH64_LOG_LEVEL: 'warn',
})
await host.check(['sh', '-c', `for i in $(seq 0 ${count - 1}); do ip netns add b$i; done`])

const engine = new Engine(join(host.pluginDir, 'slash64.sock'))
const pool = await engine.createNetwork(id())
for (let i = 0; i < count; i++) {
  await engine.start(pool, id(), `/run/netns/b${i}`, ports)
  await engine.call('NetworkDriver.EndpointOperInfo', { NetworkID: pool.network, EndpointID: id() })
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1} of ${count} containers`)
}
const rssBusy = rss(readFileSync(`/proc/${host.slash64.pid}/status`, 'utf8'))
for (const endpoint of engine.endpoints()) await engine.stop(pool, endpoint)
engine.close()
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')

const rows = engine.rows([
  ['an empty RPC (the floor)', ['NetworkDriver.EndpointOperInfo']],
  ['CreateEndpoint', ['NetworkDriver.CreateEndpoint']],
  ['Join', ['NetworkDriver.Join']],
  ['CreateEndpoint + Join', ['NetworkDriver.CreateEndpoint', 'NetworkDriver.Join']],
  ['RequestAddress', ['IpamDriver.RequestAddress']],
  ['Leave', ['NetworkDriver.Leave']],
  ['DeleteEndpoint', ['NetworkDriver.DeleteEndpoint']],
])
const floor = rows[0]?.p50 ?? Number.NaN
console.log(`\n${count} containers, ${ports} published ports each; milliseconds as dockerd would see them\n`)
console.log(`${'call'.padEnd(26)}${'p50'.padStart(9)}${'p99'.padStart(9)}${'of the floor'.padStart(14)}`)
for (const { name, p50, p99 } of rows) {
  const figures = [p50.toFixed(2).padStart(9), p99.toFixed(2).padStart(9), `${(p50 / floor).toFixed(1)} x`.padStart(14)]
  console.log(name.padEnd(26) + figures.join(''))
}
console.log(`\nmemory of the daemon with ${count} endpoints: ${rssBusy} MB`)
writeFileSync(join(folder(), 'results.json'), `${JSON.stringify({ count, ports, rows, rssBusy }, null, 2)}\n`)

function id(): string {
  return randomBytes(32).toString('hex')
}

function folder(): string {
  const path = join(repository, 'test/bench')
  mkdirSync(path, { recursive: true })
  return path
}

function rss(status: string): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
}
