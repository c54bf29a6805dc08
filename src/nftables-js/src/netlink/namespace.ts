import { closeSync, openSync, statfsSync } from 'node:fs'
import { NetlinkError } from './errors.ts'
import { CLONE_NEWNET, errno, setns } from './libc.ts'

const NSFS_MAGIC = 0x6e736673

/** True when `path` is a namespace file (a bind mount of nsfs, or below /proc/PID/ns), not a plain one. */
export function isNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC
  } catch {
    return false
  }
}

/**
 * Runs `act` with the main thread in the network namespace at `path` and returns to the one before. `act` must be
 * synchronous: an await in it would leave other code in the wrong namespace. Sockets opened in it stay in it, and
 * /proc/sys/net shows it. Throws NetlinkError (ENOENT, EINVAL, EPERM); when the way back fails the process ends,
 * because nothing it did afterwards would reach the right host.
 */
export function inNamespace<T>(path: string, act: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  try {
    const there = openSync(path, 'r')
    try {
      if (setns(there, CLONE_NEWNET) < 0) throw new NetlinkError(`setns ${path}`, errno())
    } finally {
      closeSync(there)
    }
    try {
      return act()
    } finally {
      if (setns(home, CLONE_NEWNET) < 0) process.abort()
    }
  } finally {
    closeSync(home)
  }
}
