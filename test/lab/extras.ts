// What only the tests of the managed plugin need, out of Debian's packages: a registry and BuildKit's front end. A set of its own, so that the others need
// not wait for it: .cache/lab-extras, fetched at first use, complete or not at all.
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { findArchive, unpackPackages } from './debian.ts'
import { withLock } from './lock.ts'
import { repository } from './setup.ts'

const cache = join(repository, '.cache')
const folder = join(cache, 'lab-extras')

/** Debian's testing suite, as for the engine. */
const suite = 'forky'
const recipe = {
  'docker-registry': 'usr/bin/docker-registry',
  'docker-buildx': 'usr/libexec/docker/cli-plugins/docker-buildx',
}
const key = JSON.stringify([1, suite, recipe])

/** The programs, for a lab machine: they want its libraries. */
export const extras = { registry: join(folder, 'docker-registry'), buildx: join(folder, 'docker-buildx') } as const

/** Makes sure that they are there. Throws as ensureLab() does. */
export async function ensureExtras(report: (line: string) => void = line => console.error(line)): Promise<void> {
  if (complete()) return
  mkdirSync(cache, { recursive: true })
  await withLock(join(cache, 'lab-extras.lock'), async () => {
    if (!complete()) await fetchExtras(report)
  })
}

function complete(): boolean {
  const stamp = join(folder, 'stamp')
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === key
}

async function fetchExtras(report: (line: string) => void): Promise<void> {
  report(`lab: fetching ${Object.keys(recipe).join(' and ')} from Debian ${suite} (once)`)
  const aside = `${folder}.new`
  rmSync(aside, { recursive: true, force: true })
  mkdirSync(aside, { recursive: true })
  const archive = await findArchive(join(aside, 'apt'))
  const root = join(aside, 'root')
  await unpackPackages(archive, suite, Object.keys(recipe), join(aside, 'state'), root)
  for (const program of Object.values(recipe)) cpSync(join(root, program), join(aside, basename(program)))
  for (const scratch of ['apt', 'root']) rmSync(join(aside, scratch), { recursive: true, force: true })
  writeFileSync(join(aside, 'stamp'), key)
  rmSync(folder, { recursive: true, force: true })
  renameSync(aside, folder)
}
