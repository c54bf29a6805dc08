// The host service under a real systemd: installed, booted, broken, mended, upgraded and removed, beside a real engine's own units.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { paths } from '../../src/install/units.ts'
import { Host } from '../lab/host.ts'
import { until } from '../lab/process.ts'
import { lab } from '../lab/setup.ts'
import { Systemd } from '../lab/systemd.ts'
import { Topology } from '../lab/topology.ts'
import { removeAll } from '../support/clean.ts'
import { addressOf } from '../support/container.ts'
import { configure, SERVICE } from '../support/installed.ts'
import type { Finding, Probe } from '../support/probe.ts'
import { createNetwork, ENVIRONMENT, PREFIX, probeFrom, serve, tryNetwork, UPLINK } from '../support/stage.ts'

const host = await Host.start({ name: 'boot', forward: true })
const topology = await Topology.up({ hosts: [{ host, prefix: PREFIX, uplinkAddress: UPLINK }] })
after(async () => {
  await topology.dispose()
  await host.dispose()
})
let systemd: Systemd

before(async () => {
  await Systemd.prepare(host)
  await host.check(['sh', '-c', 'echo DOCKER_OPTS=\\"--exec-opt native.cgroupdriver=cgroupfs\\" > /etc/default/docker'])
  systemd = await Systemd.boot(host)
  await systemd.check(['systemctl', 'enable', '--now', 'docker.service'])
  await host.docker('import', '--change', 'CMD ["sh"]', lab.image, 'busybox')
})

async function powerCutAndBoot(): Promise<void> {
  await host.powerCut()
  await host.boot()
  await topology.plug(host)
  systemd = await Systemd.boot(host)
}

const tcp = (address: string, port: number): Probe => ({ protocol: 'tcp', address, port, patience: 500 })
const outcomes = (findings: readonly Finding[]): string[] => findings.map(({ outcome }) => outcome)
/** From the internet: the published port, another one. */
const fromOutside = async (address: string) =>
  outcomes(await probeFrom(topology.internet, [tcp(address, 80), tcp(address, 81)]))

/** A time since boot in milliseconds. */
async function moment(unit: string, property: string): Promise<number> {
  const microseconds = Number(await systemd.show(unit, `${property}Monotonic`))
  assert.ok(microseconds > 0, `${property} of ${unit}`)
  return microseconds / 1000
}

/** Until the container of the tests is running: at boot, dockerd starts it after its own start. */
const started = (name: string) =>
  until(
    async () => (await host.tryDocker('inspect', '-f', '{{.State.Running}}', name)).stdout.trim() === 'true',
    20_000,
    () => `${name} does not start`,
  )

const run = () => host.docker('run', '--rm', '--network', 'web', 'busybox', 'true')

async function elapsed(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await act()
  return performance.now() - began
}

test('it is installed beside a running engine, answers, and says what to type next', async () => {
  const said = await systemd.check(SERVICE)
  assert.match(said, /starting it\n[\s\S]*docker network create -d slash64/)
  await configure(host, ENVIRONMENT)
  await systemd.check(['systemctl', 'restart', 'slash64'])
  await createNetwork(host, 'web', '-o', 'group=web')
  await serve(host, 'front', 'web', [80, 81], '-p', '80:80', '--restart', 'always')
  assert.deepEqual(await fromOutside(await addressOf(host, 'front', 'web')), ['answered', 'timeout'])
  assert.match(await systemd.check(['journalctl', '-u', 'slash64', '-o', 'cat']), /"msg":"ready"/)
})

for (const end of ['a shutdown', 'a power cut'] as const) {
  test(`after ${end} the container is back, and dockerd waited for nobody`, async () => {
    if (end === 'a shutdown') await systemd.powerOff()
    await powerCutAndBoot()
    await started('front')
    assert.deepEqual(await fromOutside(await addressOf(host, 'front', 'web')), ['answered', 'timeout'])
    const [socket, slash64, dockerd, ready] = await Promise.all([
      moment('slash64.socket', 'ActiveEnterTimestamp'),
      moment('slash64.service', 'ActiveEnterTimestamp'),
      moment('docker.service', 'ExecMainStartTimestamp'),
      moment('docker.service', 'ActiveEnterTimestamp'),
    ])
    assert.ok(socket <= slash64 && slash64 <= dockerd, `${socket}, ${slash64}, ${dockerd} ms`)
    assert.ok(
      ready - dockerd < 8000,
      `dockerd started in ${ready - dockerd} ms, and 15 s is what one call to nobody takes`,
    )
    assert.equal(await systemd.show('slash64.service', 'NRestarts'), '0')
  })
}

test('a crash and a restart cost a waiting call a second, and running containers nothing', async () => {
  const address = await addressOf(host, 'front', 'web')
  for (const disturb of [
    ['systemctl', 'kill', '-s', 'KILL', 'slash64.service'],
    ['systemctl', 'restart', 'slash64.service'],
  ]) {
    await systemd.check(disturb)
    const waited = elapsed(run)
    assert.deepEqual(await fromOutside(address), ['answered', 'timeout'])
    assert.ok((await waited) < 8000, `${await waited} ms after ${disturb.join(' ')}`)
  }
})

test('stopped, it is started by the next call', async () => {
  await systemd.check(['systemctl', 'stop', 'slash64.service'])
  await run()
  assert.equal(await systemd.show('slash64.service', 'ActiveState'), 'active')
})

test('settings that cannot be used: dockerd gets an error in time, and running containers keep their network', async () => {
  await host.check(['sed', '-i', 's/^#SLASH64_UPLINKS=.*/SLASH64_UPLINKS=eth0,/', paths.settings])
  await systemd.exec(['systemctl', 'restart', 'slash64.service'])
  const waited = await elapsed(async () => assert.equal((await tryNetwork(host, 'late')).code, 1))
  assert.ok(waited < 40_000, `${waited} ms`)
  assert.equal(await systemd.show('slash64.socket', 'Result'), 'service-start-limit-hit')
  assert.match(await systemd.check(['journalctl', '-u', 'slash64', '-o', 'cat']), /SLASH64_UPLINKS=.*an entry is empty/)
  assert.deepEqual(await fromOutside(await addressOf(host, 'front', 'web')), ['answered', 'timeout'])
  assert.match((await systemd.exec(SERVICE)).stderr, /SLASH64_UPLINKS.*Nothing was changed/)
  await host.check(['sed', '-i', 's/^SLASH64_UPLINKS=.*/#SLASH64_UPLINKS=/', paths.settings])
  await systemd.check(SERVICE)
  await run()
})

test('an upgrade under load: every call is answered', async () => {
  let upgrading = true
  const upgrade = systemd.check(SERVICE).finally(() => (upgrading = false))
  let runs = 0
  for (; upgrading; runs++) await run()
  await upgrade
  assert.ok(runs > 2, `${runs} containers`)
  assert.deepEqual(await fromOutside(await addressOf(host, 'front', 'web')), ['answered', 'timeout'])
})

test('another slash64 in its place is not thrown out', async () => {
  await systemd.check(['systemctl', 'stop', 'slash64.socket', 'slash64.service'])
  await host.startSlash64(ENVIRONMENT)
  assert.match((await systemd.exec(SERVICE)).stderr, /^slash64: another slash64 is running/)
  await host.stopSlash64()
  await systemd.check(SERVICE)
})

test('a removal needs the networks gone, and leaves no unit and nothing in the kernel', async () => {
  assert.match((await systemd.exec([...SERVICE, '--remove'])).stderr, /these networks of slash64 exist: \w{12} \(web\)/)
  assert.equal(await systemd.show('slash64.service', 'ActiveState'), 'active')
  await removeAll(host)
  await systemd.check([...SERVICE, '--remove', '--purge'])
  assert.equal(await systemd.show('slash64.service', 'LoadState'), 'not-found')
  // The folder of the state is a mount of the lab's here.
  const files =
    'find /etc /run /usr/local /var/lib/slash64 -mindepth 1 -name "*slash64*"; find /var/lib/slash64 -mindepth 1'
  const shows = ['ip -o link', 'ip -6 route show table all', 'ip -6 address', 'nft list ruleset', files]
  const left = await systemd.check(['sh', '-c', shows.join(';')])
  assert.deepEqual(
    left.split('\n').filter(line => /slash64|s64|proto 64|2001:db8:100:a:/.test(line)),
    [],
  )
})
