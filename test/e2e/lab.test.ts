// The lab itself: a host is a real Docker host, and nothing of it stays behind.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { Host } from '../lab/host.ts'
import { sweep } from '../lab/leftovers.ts'
import { Machine } from '../lab/machine.ts'
import { processTree, until } from '../lab/process.ts'
import { Topology } from '../lab/topology.ts'

/** The mount and network namespaces of processes; those that end meanwhile are left out. */
function namespaces(pids: readonly (number | string)[]): Set<string> {
  const found = new Set<string>()
  for (const path of pids.flatMap(pid => [`/proc/${pid}/ns/mnt`, `/proc/${pid}/ns/net`])) {
    try {
      found.add(readlinkSync(path))
    } catch {} // ended
  }
  return found
}

/** The namespaces out of `which` that a process of this machine is still in. */
function stillThere(which: ReadonlySet<string>): string[] {
  return [...namespaces(readdirSync('/proc').filter(name => /^\d+$/.test(name)))].filter(name => which.has(name))
}

/** What else a lab machine could leave behind on the real one. */
function traces() {
  const own = `slash64-lab-${process.pid}.`
  const shared = ['/etc', '/opt', '/var/lib', '/run', '/run/docker', '/run/netns'].filter(path => existsSync(path))
  return {
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').sort(),
    links: readdirSync('/sys/class/net').sort(),
    controlGroups: globSync('/sys/fs/cgroup/**/').filter(path => path.includes(own)),
    folders: readdirSync(tmpdir()).filter(name => name.startsWith(own)),
    files: shared.flatMap(path => readdirSync(path).map(name => join(path, name))),
  }
}

test('a host runs containers on an engine of 28 or later, and nothing of it stays', async () => {
  const before = traces()
  let used = new Set<string>()
  {
    await using host = await Host.start({ name: 'lab-test' })
    await host.startDockerd()
    const version = await host.docker('version', '--format', '{{.Server.Version}}')
    assert.ok(Number.parseInt(version, 10) >= 28, version)
    assert.equal(await host.docker('run', '--rm', 'busybox', 'echo', 'hello'), 'hello')
    assert.match(await host.docker('compose', 'version', '--short'), /^\d+\./)
    const failed = await host.tryDocker('run', '--rm', 'nosuchimage')
    assert.equal(failed.code, 125)
    await assert.rejects(host.docker('network', 'rm', 'nosuch'), /network nosuch not found/)
    await host.docker('run', '-d', '--name', 'left', 'busybox', 'sleep', '1000')
    assert.notDeepEqual(traces().controlGroups, [], 'containers have control groups below a name of the lab')
    used = namespaces(processTree(host.pid))
    assert.equal(used.size, 4, 'of the host and of its container')
    assert.equal(stillThere(used).length, 4)
  }
  assert.deepEqual(stillThere(used), [])
  assert.deepEqual(traces(), before)
})

/** Starts a process that boots a machine and waits; answers both. */
async function ownerOfMachine(): Promise<{ owner: ChildProcess; pid: number; dir: string }> {
  const source = `import { Machine } from ${JSON.stringify(join(import.meta.dirname, '../lab/machine.ts'))}
    const { pid, dir } = await Machine.start({ name: 'lab-owned' })
    console.log(JSON.stringify({ pid, dir }))`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await Promise.race([once(owner.stdout, 'data'), once(owner, 'exit')])
  return { owner, ...JSON.parse(String(line)) }
}

test('a machine ends with the process that owns it, by Ctrl-C at once and by kill -9 with a sweep', async () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
    const { owner, pid, dir } = await ownerOfMachine()
    assert.ok(existsSync(dir) && existsSync(`/proc/${pid}`))
    assert.ok(!sweep().includes(basename(dir)), 'a living owner keeps its machine')
    owner.kill(signal)
    await once(owner, 'exit')
    await until(
      () => !existsSync(`/proc/${pid}`),
      2000,
      () => `the machine outlived ${signal}`,
    )
    if (signal === 'SIGKILL') sweep()
    assert.ok(!existsSync(dir), signal)
  }
})

test('a host survives a crash of its engine and a power cut', async () => {
  await using host = await Host.start({ name: 'lab-test' })
  await host.startDockerd()
  await host.docker('create', '--name', 'kept', 'busybox')
  await host.stopDockerd('SIGKILL')
  await host.startDockerd()
  assert.equal(await host.docker('ps', '-a', '--format', '{{.Names}}'), 'kept')
  await host.powerCut()
  await assert.rejects(host.docker('ps'), /lab-test is down: boot\(\) it first/)
  await host.boot()
  await host.startDockerd()
  assert.equal(await host.docker('ps', '-a', '--format', '{{.Names}}'), 'kept')
  await host.stopDockerd()
})

test('what a machine writes to its system stays its own', async () => {
  await using machine = await Machine.start({ name: 'lab-test', private: ['/var/lib/own', '/opt/own'] })
  const real = readFileSync('/etc/hosts', 'utf8')
  await machine.check([
    'sh',
    '-c',
    'for d in /etc /usr /run /opt/own /var/lib/own /var/lib/slash64; do echo x > $d/lab-test; done',
  ])
  for (const folder of ['/etc', '/usr', '/run', '/opt', '/var/lib'])
    assert.ok(!existsSync(join(folder, 'lab-test')), folder)
  assert.equal(readFileSync('/etc/hosts', 'utf8'), real)
  assert.equal((await machine.check(['hostname'])).trim(), 'lab-test')
  assert.equal((await machine.check(['cat', '/proc/sys/net/ipv6/conf/all/forwarding'])).trim(), '0')
  await machine.powerCut()
  await machine.boot()
  const kept = await machine.check(['cat', '/opt/own/lab-test', '/var/lib/own/lab-test', '/var/lib/slash64/lab-test'])
  assert.equal(kept, 'x\nx\nx\n')
})

test('mounts below /run reach what was started before, as under systemd, and never the real machine', async () => {
  await using machine = await Machine.start({ name: 'lab-test' })
  const plugin = machine.spawn(['unshare', '-m', '--propagation', 'slave', 'sleep', '100'])
  await until(
    () => readFileSync(`/proc/${plugin.pid}/comm`, 'utf8') === 'sleep\n',
    2000,
    () => plugin.log(),
  )
  await machine.check(['sh', '-c', 'mkdir /run/later && mount -t tmpfs later /run/later'])
  assert.match(readFileSync(`/proc/${plugin.pid}/mountinfo`, 'utf8'), / \/run\/later /)
  assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), / \/run\/later /)
})

test('two hosts of one name are refused', async () => {
  await using machine = await Machine.start({ name: 'lab-test' })
  await assert.rejects(Machine.start({ name: machine.name }), /"lab-test" is up already: give this one another name/)
  await assert.rejects(Machine.start({ name: 'Lab_Test' }), /"Lab_Test": use lower-case letters, digits and -/)
})

test('hosts behind a router reach each other and the internet, and cables come out and go in', async () => {
  await using a = await Host.start({ name: 'lab-a', forward: true })
  await using b = await Host.start({ name: 'lab-b' })
  await using topology = await Topology.up({
    hosts: [
      { host: a, prefix: '2001:db8:100:a::/64', uplinkAddress: '2001:db8:1::a' },
      { host: b, prefix: '2001:db8:100:b::/64', uplinkAddress: '2001:db8:1::b' },
    ],
  })
  const reaches = async (from: Machine, to: string) =>
    (await from.exec(['busybox', 'ping', '-c', '1', '-W', '1', to])).code === 0
  await a.check(['ip', 'address', 'add', '2001:db8:100:a::1/128', 'dev', 'lo'])
  assert.ok(await reaches(a, '2001:db8:1::b'))
  assert.ok(await reaches(b, '2001:db8:100:a::1'), 'the prefix is routed to its host')
  assert.ok(await reaches(topology.internet, '2001:db8:1::a'))
  assert.ok(await reaches(b, Topology.internetAddress))
  await topology.unplug(a)
  assert.ok(!(await reaches(b, '2001:db8:100:a::1')))
  await topology.plug(a)
  assert.ok(await reaches(b, '2001:db8:100:a::1'))
  await a.powerCut()
  await a.boot()
  await topology.plug(a)
  assert.ok(await reaches(topology.internet, '2001:db8:1::a'))
})
