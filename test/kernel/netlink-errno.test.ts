import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import { run } from '../lab/process.ts'

/** Fails, first and many times, while V8 compiles and collects all it can: what it does in between must not be taken for the reason. */
const PROGRAM = `
import * as libc from './src/nftables-js/src/netlink/libc.ts'
const wrong = new Set()
const fd = libc.socket(libc.AF_NETLINK, libc.SOCK_RAW | libc.SOCK_NONBLOCK, 0)
for (let round = 0; round < 3000; round++) {
  const closed = libc.closeDescriptor(-1) < 0 && libc.errno()
  if (closed !== ${constants.errno.EBADF}) wrong.add(closed)
  const received = libc.recv(fd, Buffer.alloc(1 << (round % 16)), 1, libc.MSG_DONTWAIT) < 0 && libc.errno()
  if (received !== ${constants.errno.EAGAIN}) wrong.add(received)
}
console.log(JSON.stringify([...wrong]))`

test('errno is that of the call that failed, whatever V8 does meanwhile', async () => {
  const stress = ['--always-sparkplug', '--stress-scavenge=50', '--gc-interval=200', '--stress-compaction']
  const { stdout, stderr, code } = await run([
    process.execPath,
    ...stress,
    '--input-type=module-typescript',
    '-e',
    PROGRAM,
  ])
  assert.equal(code, 0, stderr)
  assert.equal(stdout.trim(), '[]')
})
