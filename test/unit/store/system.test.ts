// What the system does to the state files: other processes, full and read-only disks.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Store } from '../../../src/store/store.ts'

const root = mkdtempSync(join(tmpdir(), 'slash64-store-'))
after(() => rmSync(root, { recursive: true }))
const asRoot = process.getuid?.() === 0 ? {} : { skip: 'mounting needs root' }

const NODE = ['--conditions=nftables-js-source', '--input-type=module-typescript', '-e']
const program = (body: string): string => `
  import { Store } from '../../../src/store/store.ts'
  import { change, endpoint, network, pool } from './samples.ts'
  ${body}`

test('a second process is refused, and gets in when the first one is gone, however it went', async () => {
  const folder = join(root, 'shared')
  const code = program(`Store.open(${JSON.stringify(folder)}); console.log('open'); setInterval(() => {}, 1000)`)
  const holder = spawn(process.execPath, [...NODE, code], { cwd: import.meta.dirname })
  await once(holder.stdout, 'data')
  const message = new RegExp(`in use by process ${holder.pid}, started 2.*; stop it, or set SLASH64_STATE`)
  assert.throws(() => Store.open(folder), { code: 'STATE_LOCKED', status: 409, message })
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const store = Store.open(folder)
  assert.match(readFileSync(join(folder, 'lock'), 'utf8'), new RegExp(`^process ${process.pid}, started 2[^\n]*\n$`))
  store.close()
})

test('one process opens a folder once at a time', () => {
  const folder = join(root, 'twice')
  const store = Store.open(folder)
  assert.throws(() => Store.open(folder), { code: 'STATE_LOCKED', message: new RegExp(`process ${process.pid},`) })
  store.close()
  Store.open(folder).close()
})

test('a folder that could not be opened is not held', () => {
  const folder = join(root, 'refused')
  Store.open(folder).close()
  writeFileSync(join(folder, 'version'), '9')
  for (let tries = 0; tries < 2; tries++) assert.throws(() => Store.open(folder), { code: 'STATE_VERSION_UNKNOWN' })
})

/** Runs a program in a mount namespace of its own, with a fresh tmpfs of 256 KiB at `root`; answers what it printed. */
function onTmpfs(body: string): string {
  const code = program(body)
  const mount = `mount -t tmpfs -o size=256k none ${root} && exec "$@"`
  const args = ['-m', 'sh', '-c', mount, 'sh', process.execPath, ...NODE, code]
  const { stdout, stderr, status } = spawnSync('unshare', args, { cwd: import.meta.dirname, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

test('a full disk: the write says so, nothing has changed, and it goes on when there is room', asRoot, () => {
  const printed = onTmpfs(`
    import assert from 'node:assert/strict'
    import { rmSync, writeFileSync } from 'node:fs'
    const store = Store.open('${root}/state')
    store.write([change('pool', undefined, pool(1)), change('network', undefined, network(1))])
    try { writeFileSync('${root}/ballast', Buffer.alloc(1024 * 1024)) } catch {}
    const before = store.load()
    const changes = [change('network', network(1)), change('endpoint', undefined, endpoint(1))]
    assert.throws(() => store.write(changes), error => { console.log(error.message); return error.status === 500 })
    assert.throws(() => store.writeHost({ prefixSeed: 'x' }), error => { console.log(error.message); return true })
    assert.deepEqual(store.load(), before)
    store.write([change('pool', pool(1))])
    rmSync('${root}/ballast')
    store.write(changes)
    console.log(store.load().endpoints.length)`)
  const [endpoint, host, count] = printed.trim().split('\n')
  assert.match(endpoint ?? '', /^slash64: cannot write ".*\/endpoints\/0+1\.json": ENOSPC: no space left/)
  assert.match(host ?? '', /^slash64: cannot write ".*\/host\.json": ENOSPC/)
  assert.equal(count, '1')
})

test('a read-only disk', asRoot, () => {
  const printed = onTmpfs(`
    import { spawnSync } from 'node:child_process'
    const store = Store.open('${root}/state')
    store.write([change('endpoint', undefined, endpoint(1))])
    store.close()
    const say = work => { try { work(); console.log('no error') } catch (error) { console.log(error.code, error.message) } }
    spawnSync('mount', ['-o', 'remount,ro', '${root}'])
    say(() => Store.open('${root}/state'))
    say(() => store.write([change('endpoint', endpoint(1))]))
    console.log(store.load().endpoints.length)`)
  const [open, write, count] = printed.trim().split('\n')
  assert.match(open ?? '', /^STATE_UNWRITABLE .*\/lock": EROFS/)
  assert.match(write ?? '', /^STATE_UNWRITABLE .*endpoints.*EROFS/)
  assert.equal(count, '1')
})
