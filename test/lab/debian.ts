// Packages of any Debian suite, through a private apt state: nothing is installed, and the machine's own apt state is neither
// read for packages nor changed. Only its sources (for the mirror) and its Acquire settings (proxy and the like) are looked at.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError, run, succeed } from './process.ts'

/** A Debian archive that this machine uses, and its Acquire settings as lines of apt.conf(5). */
export type Archive = { mirrors: string[]; settings: string; keyring: string; architecture: string }

/** The code name of this machine's Debian release, from os-release(5). Throws where this is not a Debian 12 or later. */
export function machineSuite(osRelease = readFileSync('/etc/os-release', 'utf8')): string {
  const field = (name: string) => osRelease.match(new RegExp(`^${name}="?([^"\n]*)"?$`, 'm'))?.[1]
  const codename = field('VERSION_CODENAME')
  if (field('ID') !== 'debian' || !codename || ['buster', 'bullseye'].includes(codename)) {
    throw new Error(
      `the lab needs Debian 12 (bookworm) or later, and this is ${field('PRETTY_NAME') ?? 'unknown'}: use such a machine`,
    )
  }
  return codename
}

/**
 * The mirrors among the URIs that `apt-get update --print-uris` lists, those of security archives and removable media left out:
 * `'http://mirror/debian/dists/bookworm/InRelease' NAME SIZE` gives `http://mirror/debian`. In the order of the sources.
 */
export function mirrorsOf(printedUris: string): string[] {
  const bases = Array.from(printedUris.matchAll(/^'(.+)\/dists\/[^']+\/InRelease'/gm), match => match[1] ?? '')
  return [...new Set(bases)].filter(base => !/security|^cdrom:/.test(base))
}

/** The settings that decide how apt reaches its sources, out of `apt-config dump`; what it would fetch beside packages is left out. */
export function acquireSettings(dump: string): string {
  return dump
    .split('\n')
    .filter(line => /^Acquire::(?!IndexTargets|Languages|Changelogs)\S/.test(line))
    .join('\n')
}

/** Reads how this machine reaches Debian. `scratch` is an empty folder. Throws where apt knows no mirror or Debian's keys are absent. */
export async function findArchive(scratch: string): Promise<Archive> {
  const lists = join(scratch, 'no-lists')
  mkdirSync(join(lists, 'partial'), { recursive: true })
  const mirrors = mirrorsOf(await succeed(['apt-get', 'update', '--print-uris', '-o', `Dir::State::lists=${lists}/`]))
  if (mirrors.length === 0) {
    throw new Error(
      'apt knows no Debian mirror: add one to /etc/apt/sources.list.d, for example with `apt edit-sources`',
    )
  }
  const keyrings = ['gpg', 'pgp'].map(ending => `/usr/share/keyrings/debian-archive-keyring.${ending}`)
  const keyring = keyrings.find(existsSync)
  if (!keyring)
    throw new Error(`Debian's keys are at none of ${keyrings.join(', ')}: install the package debian-archive-keyring`)
  const settings = acquireSettings(await succeed(['apt-config', 'dump']))
  const architecture = (await succeed(['dpkg', '--print-architecture'])).trim()
  return { mirrors, settings, keyring, architecture }
}

/**
 * apt.conf(5) for a state of its own below `state`: an empty system, one source, none of the machine's hooks and preferences. A
 * signed index may be past its date, so that a frozen mirror or a wrong clock does not end the tests.
 */
export function privateConfig(archive: Archive, state: string): string {
  return `${archive.settings}
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
APT::Sandbox::User "root";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "${state}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "${state}";
Dir::State::lists "${state}/lists";
Dir::State::status "${state}/status";
Dir::Cache "${state}/cache";
`
}

function prepareState(archive: Archive, suite: string, mirror: string, state: string): NodeJS.ProcessEnv {
  rmSync(state, { recursive: true, force: true })
  mkdirSync(join(state, 'lists/partial'), { recursive: true })
  mkdirSync(join(state, 'cache/archives/partial'), { recursive: true })
  writeFileSync(join(state, 'status'), '')
  const options = `arch=${archive.architecture} signed-by=${archive.keyring}`
  writeFileSync(join(state, 'sources.list'), `deb [${options}] ${mirror} ${suite} main\n`)
  writeFileSync(join(state, 'apt.conf'), privateConfig(archive, state))
  return { ...process.env, APT_CONFIG: join(state, 'apt.conf'), DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' }
}

/** Tries the machine's mirrors one after the other: some of its sources may not be Debian at all, and only Debian's keys are taken. */
async function update(archive: Archive, suite: string, state: string): Promise<NodeJS.ProcessEnv> {
  const failures: string[] = []
  for (const mirror of archive.mirrors) {
    const env = prepareState(archive, suite, mirror, state)
    const { code, stderr } = await run(['apt-get', '-qq', '-o', 'APT::Update::Error-Mode=any', 'update'], { env })
    if (code === 0) return env
    failures.push(stderr.trim())
  }
  throw new Error(
    `none of this machine's mirrors has Debian ${suite}: check its apt sources and the network\n${failures.join('\n')}`,
  )
}

/**
 * Downloads `packages` of `suite` with all that they depend on and unpacks them into `root` (no maintainer script runs). `state`
 * is a scratch folder. Resolves to the versions, by package name. Throws with apt's own words when a package is not to be had.
 */
export async function unpackPackages(
  archive: Archive,
  suite: string,
  packages: readonly string[],
  state: string,
  root: string,
): Promise<Map<string, string>> {
  const env = await update(archive, suite, state)
  const install = ['apt-get', '-qq', '-y', 'install', '--download-only', '--no-install-recommends', ...packages]
  const output = await run(install, { env })
  if (output.code !== 0) throw new CommandError(install, `Debian ${suite} does not give these packages`, output)
  mkdirSync(root, { recursive: true })
  const archives = join(state, 'cache/archives')
  const versions = new Map<string, string>()
  for (const file of readdirSync(archives).filter(name => name.endsWith('.deb'))) {
    const [name = '', version = ''] = file.split('_')
    versions.set(name, decodeURIComponent(version))
    if (!unwanted.has(name) || packages.includes(name)) await succeed(['dpkg', '-x', join(archives, file), root])
  }
  for (const folder of ['doc', 'man', 'locale', 'lintian'])
    rmSync(join(root, 'usr/share', folder), { recursive: true, force: true })
  rmSync(state, { recursive: true })
  return versions
}

/** Dependencies for the set-up of a real system only. */
const unwanted = new Set(['systemd', 'libsystemd-shared', 'debconf', 'libc-gconv-modules-extra'])
