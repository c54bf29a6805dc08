// systemd's programs for machines that have none: those of their own Debian suite, in .cache/lab-systemd, fetched at first use, complete or not at all.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findArchive, machineSuite, unpackPackages } from './debian.ts'
import { withLock } from './lock.ts'

const PACKAGES = ['systemd', 'libsystemd-shared', 'systemd-sysv']
const cache = join(import.meta.dirname, '../../.cache')

/** The tree of packages; absent on machines that have systemd. */
export const systemdTree = join(cache, 'lab-systemd')

/** Makes sure that systemd is on this machine or in the tree; `report` gets a line when it is fetched. Throws as ensureLab() does. */
export async function ensureSystemd(report: (line: string) => void): Promise<void> {
  if (there()) return
  mkdirSync(cache, { recursive: true })
  await withLock(join(cache, 'lab-systemd.lock'), async () => {
    if (!there()) await fetchTree(report)
  })
}

function there(): boolean {
  return existsSync('/lib/systemd/systemd') || existsSync(systemdTree)
}

async function fetchTree(report: (line: string) => void): Promise<void> {
  const suite = machineSuite()
  report(`lab: fetching systemd from Debian ${suite} (once)`)
  const aside = `${systemdTree}.new`
  rmSync(aside, { recursive: true, force: true })
  const archive = await findArchive(join(aside, 'apt'))
  await unpackPackages(archive, suite, PACKAGES, join(aside, 'state'), join(aside, 'root'))
  renameSync(join(aside, 'root'), systemdTree)
  rmSync(aside, { recursive: true })
}
