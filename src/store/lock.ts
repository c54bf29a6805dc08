// One process at a time per state folder: flock(2) on a file. The kernel lets go of it when its holder dies, whatever
// it died of, and it holds between a host and a managed plugin too, which do not see each other's process ids.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { PluginError } from '../errors.ts'

// From <sys/file.h>: exclusive, and do not wait.
const LOCK_EX_NB = 2 | 4

const flock = koffi.load(null).func('int flock(int fd, int operation)') as unknown as (
  fd: number,
  operation: number,
) => number

/**
 * Takes the lock of a folder and answers what releases it. The file `lock` stays behind; it names its last holder by
 * process id and start time, for the sentence of the next one. Throws STATE_LOCKED, with that name, where another
 * process has the lock (or this one already), STATE_UNWRITABLE where the file cannot be opened.
 */
export function takeLock(folder: string): { release(): void } {
  const path = join(folder, 'lock')
  const fd = openLock(path)
  if (flock(fd, LOCK_EX_NB) !== 0) {
    const code = koffi.errno()
    closeSync(fd)
    if (code === constants.errno.EWOULDBLOCK) throw new PluginError('STATE_LOCKED', folder, holder(path))
    throw new PluginError('STATE_UNWRITABLE', path, `flock failed with error ${code}`)
  }
  const started = new Date(Date.now() - process.uptime() * 1000).toISOString()
  ftruncateSync(fd)
  writeSync(fd, `process ${process.pid}, started ${started}\n`)
  return { release: () => closeSync(fd) }
}

function holder(path: string): string {
  return readFileSync(path, 'utf8').trim() || 'another process'
}

function openLock(path: string): number {
  try {
    return openSync(path, 'a', 0o600)
  } catch (error) {
    throw new PluginError('STATE_UNWRITABLE', path, (error as Error).message)
  }
}
