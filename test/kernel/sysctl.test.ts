import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { SysctlTree } from '../../src/kernel/sysctl.ts'
import { connect, withNetns } from '../support/netns.ts'

const tree = new SysctlTree()
const on = (link: string, name: string): string[] => ['net', 'ipv6', 'conf', link, name]

describe('below net the settings are those of the namespace that was entered', () => {
  it('are read and written there, and nowhere else', () =>
    withNetns(ns =>
      withNetns(other => {
        const name = on('all', 'forwarding')
        assert.equal(
          ns.enter(() => tree.write(name, 1)),
          '0',
        )
        assert.equal(
          ns.enter(() => tree.read(name)),
          '1',
        )
        assert.equal(
          other.enter(() => tree.read(name)),
          '0',
        )
        assert.equal(ns.exec('cat', '/proc/sys/net/ipv6/conf/all/forwarding'), '1\n')
        assert.equal(
          ns.enter(() => tree.write(name, '1')),
          '1',
        )
      }),
    ))

  it('also of a link with dots in its name', () =>
    withNetns(ns =>
      withNetns(other => {
        connect(ns, 'eth0.5', other, 'b')
        assert.equal(
          ns.enter(() => tree.write(on('eth0.5', 'accept_ra'), 0)),
          '1',
        )
        assert.equal(ns.exec('cat', '/proc/sys/net/ipv6/conf/eth0.5/accept_ra'), '0\n')
      }),
    ))

  it('a link or setting that is missing', () =>
    withNetns(ns => {
      ns.enter(() => {
        assert.throws(() => tree.read(on('gone', 'accept_ra')), {
          name: 'SysctlError',
          code: 'ENOENT',
          file: '/proc/sys/net/ipv6/conf/gone/accept_ra',
          message: /^cannot read \/proc\/sys\/net\/ipv6\/conf\/gone\/accept_ra: ENOENT \(/,
        })
        assert.equal(tree.writeIfPresent(on('lo', 'nosuch_enabled'), 0), undefined)
        assert.throws(() => tree.write(on('lo', 'nosuch_enabled'), 0), { code: 'ENOENT' })
        assert.throws(() => tree.writeIfPresent(on('gone', 'seg6_enabled'), 0), { code: 'ENOENT' })
        assert.equal(tree.writeIfPresent(on('lo', 'accept_redirects'), 0), '1')
        assert.equal(tree.read(on('lo', 'accept_redirects')), '0')
      })
    }))

  it('a value that the kernel does not take is named with the file', () =>
    withNetns(ns => {
      ns.enter(() => {
        assert.throws(() => tree.write(on('lo', 'addr_gen_mode'), 77), {
          code: 'EINVAL',
          message:
            'cannot write "77" to /proc/sys/net/ipv6/conf/lo/addr_gen_mode: EINVAL (the kernel does not take this value)',
        })
      })
    }))

  it('a read-only tree is named, with what to mount', () =>
    withNetns(ns => {
      const script = `
        import { SysctlTree } from './src/kernel/sysctl.ts'
        try { new SysctlTree().write(['net', 'ipv6', 'conf', 'all', 'forwarding'], 1) } catch (error) { console.log(error.message) }`
      const node = [process.execPath, ...process.execArgv.filter(arg => arg.startsWith('--conditions'))]
      const said = ns.exec(
        'unshare',
        '-m',
        'sh',
        '-c',
        'mount -o bind,ro /proc/sys /proc/sys && exec "$@"',
        'sh',
        ...node,
        '--input-type=module-typescript',
        '-e',
        script,
      )
      assert.equal(
        said,
        'cannot write "1" to /proc/sys/net/ipv6/conf/all/forwarding: EROFS (/proc/sys is mounted read-only; ' +
          "mount the host's /proc/sys read-write and use that folder instead)\n",
      )
    }))
})

describe('a tree elsewhere', () => {
  function folder(test: TestContext): string {
    const root = mkdtempSync(join(tmpdir(), 'sysctl-'))
    test.after(() => rmSync(root, { recursive: true }))
    mkdirSync(join(root, 'net'))
    writeFileSync(join(root, 'net', 'range'), '32768\t60999\n')
    return root
  }

  it('is written only where the value differs; lists are compared without their tabs', test => {
    const root = folder(test)
    const file = join(root, 'net', 'range')
    const elsewhere = new SysctlTree(root)
    utimesSync(file, 1, 1)
    assert.equal(elsewhere.read(['net', 'range']), '32768 60999')
    assert.equal(elsewhere.write(['net', 'range'], ' 32768  60999'), '32768 60999')
    assert.equal(statSync(file).mtimeMs, 1000)
    assert.equal(elsewhere.write(['net', 'range'], '1024 2047'), '32768 60999')
    assert.match(readFileSync(file, 'utf8'), /^1024 2047/)
  })

  it('is never left through a segment', test => {
    const elsewhere = new SysctlTree(folder(test))
    for (const segments of [['net', '..', 'x'], ['net/range'], ['net', ''], ['.']]) {
      assert.throws(() => elsewhere.read(segments), {
        name: 'RangeError',
        message: /names no setting: write one name per segment/,
      })
    }
  })
})
