import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { followsHost, HostFiles } from '../../src/kernel/host-files.ts'
import { run } from '../lab/process.ts'

const scratch = mkdtempSync(join(tmpdir(), 'slash64-host-'))
after(() => rmSync(scratch, { recursive: true }))

test('paths of the host are below the folder; without one they are themselves', () => {
  const here = new HostFiles('')
  assert.equal(here.path('/var/run/docker/netns/1'), '/var/run/docker/netns/1')
  assert.equal(here.settings, '/proc/sys')
  const there = new HostFiles('/host')
  assert.equal(there.path('/run/docker.sock'), '/host/run/docker.sock')
  assert.equal(there.path('/var/run/docker/netns/1'), '/host/run/docker/netns/1')
  assert.equal(there.path('/var/running'), '/host/var/running')
  assert.equal(there.path(''), '', 'what is switched off stays off')
  assert.equal(there.settings, '/host/proc/sys')
})

test('mountinfo says whether a mount follows the host, and the topmost one counts', () => {
  const mount = (point: string, fields: string) => `36 35 98:0 / ${point} rw,noatime${fields} - tmpfs tmpfs rw`
  assert.equal(followsHost(mount('/host/run', ' master:7'), '/host/run'), true)
  assert.equal(followsHost(mount('/host/run', ' shared:1 master:7'), '/host/run'), true)
  assert.equal(followsHost(mount('/host/run', ''), '/host/run'), false)
  assert.equal(followsHost(mount('/host/run', ' shared:1'), '/host/run'), false, 'shared with whom?')
  assert.equal(followsHost(mount('/host/run', ' unbindable'), '/host/run'), false)
  assert.equal(followsHost(mount('/host/run/docker', ' master:7'), '/host/run'), false)
  assert.equal(followsHost(mount('/a\\040b/run', ' master:7'), '/a b/run'), true)
  const covered = [mount('/host/run', ' master:7'), mount('/host/run', '')].join('\n')
  assert.equal(followsHost(covered, '/host/run'), false)
})

/** Runs `check` in mount and network namespaces of their own, after `setUp`. Answers the sentence, or '' when all is well. */
async function checked(folder: string, setUp: string): Promise<string> {
  const program = `
    import { HostFiles } from './src/kernel/host-files.ts'
    try { new HostFiles(${JSON.stringify(folder)}).check() } catch (error) { console.log(error.message) }`
  const script = `${setUp}\nexec ${process.execPath} --input-type=module-typescript -e "$PROGRAM"`
  const argv = ['unshare', '-m', '-n', '--propagation', 'private', 'sh', '-euc', script]
  const { stdout, stderr, code } = await run(argv, { env: { ...process.env, PROGRAM: program, D: scratch } })
  assert.equal(code, 0, stderr)
  return stdout.trim()
}

test('what the managed plugin lacks is said at the start', async () => {
  for (const name of ['run', 'host/run']) mkdirSync(join(scratch, name), { recursive: true })
  mkdirSync(join(scratch, 'host/proc/sys/net'), { recursive: true })
  const folder = join(scratch, 'host')
  const settings = 'mount --bind /proc/sys/net "$D/host/proc/sys/net"'
  const follows = `mount -t tmpfs run "$D/run"; mount --make-shared "$D/run"
    mount --bind "$D/run" "$D/host/run"; mount --make-slave "$D/host/run"`
  assert.equal(await checked(folder, `${settings}\n${follows}`), '')
  assert.match(
    await checked(folder, settings),
    /host\/run" does not follow the host's \/run.*mount --make-shared \/run/,
  )
  assert.match(await checked(folder, `${settings}\nmount -t tmpfs run "$D/host/run"`), /does not follow/)
  const readOnly = `${settings}\n${follows}\nmount -o remount,bind,ro "$D/host/proc/sys/net"`
  assert.match(await checked(folder, readOnly), /forwarding" gives EROFS; .*read-write below SLASH64_HOST/)
  assert.match(await checked(folder, follows), /forwarding" gives ENOENT/)
})

test('a machine whose settings cannot be written is refused as well', async () => {
  assert.equal(await checked('', ''), '')
  assert.match(await checked('', 'mount --bind /proc/sys /proc/sys\nmount -o remount,bind,ro /proc/sys'), /gives EROFS/)
})
