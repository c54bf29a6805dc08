// What the lab is made of: a Docker Engine and network tools out of Debian's packages, unpacked below .cache/lab of the
// repository. Fetched at first use, complete or not at all; later uses find the stamp.

import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Archive, findArchive, machineSuite, unpackPackages } from './debian.ts'
import { buildImage } from './image.ts'
import { withLock } from './lock.ts'
import { succeed } from './process.ts'
import { ensureSystemd } from './systemd-packages.ts'

export const repository = join(import.meta.dirname, '../..')
const cache = join(repository, '.cache')
const folder = join(cache, 'lab')

/** The parts of a complete lab. */
export const lab = {
  /** A tree of packages that is laid over the /usr of a lab machine: Docker Engine, its CLI and Compose, and the tools they run. */
  engine: join(folder, 'engine'),
  /** Wrappers that run anywhere: ip, ss, bridge, tc, nft, iptables…, busybox, of the machine's own suite. */
  tools: join(folder, 'tools/bin'),
  /** A wrapper of the newest nft that Debian has. */
  newTools: join(folder, 'tools-new/bin'),
  /** A root file system for `docker import`: busybox and nothing else. */
  image: join(folder, 'busybox.tar'),
} as const

/** Debian's testing suite moves, so tests read the engine's version instead of assuming one. */
const engineSuite = 'forky'
const oldestEngine = 28
const layout = 1
const recipe = {
  engine: [
    'docker.io',
    'docker-cli',
    'docker-compose',
    'containerd',
    'runc',
    'tini',
    'iptables',
    'nftables',
    'iproute2',
    'busybox-static',
  ],
  tools: ['iptables', 'nftables', 'iproute2', 'busybox-static'],
}

/** Where the lab came from: suites, and the engine's upstream version such as `28.5.2`. */
export type Stamp = { key: string; engine: string; nft: string; newNft: string }

/**
 * Makes sure that the lab is there and resolves to its stamp; under 10 ms when it is. `report` gets lines of progress. Throws a
 * sentence that says what to do: not root, not Debian 12 or later, no mirror, an engine older than 28.
 */
export async function ensureLab(report: (line: string) => void = line => console.error(line)): Promise<Stamp> {
  await ensureSystemd(report)
  const suite = machineSuite()
  const key = JSON.stringify([layout, folder, suite, engineSuite, recipe])
  const found = readStamp(key)
  if (found) return found
  if (process.getuid?.() !== 0) throw new Error('the lab needs root: network namespaces and a Docker Engine of its own')
  mkdirSync(cache, { recursive: true })
  return withLock(join(cache, 'lab.lock'), async () => readStamp(key) ?? (await build(key, suite, report)))
}

function readStamp(key: string): Stamp | undefined {
  const file = join(folder, 'stamp.json')
  if (!existsSync(file)) return undefined
  const stamp = JSON.parse(readFileSync(file, 'utf8')) as Stamp
  return stamp.key === key ? stamp : undefined
}

async function build(key: string, suite: string, report: (line: string) => void): Promise<Stamp> {
  const start = performance.now()
  report(`lab: fetching Docker Engine, nft and iproute2 from Debian ${engineSuite} and ${suite} (about 110 MB, once)`)
  const aside = `${folder}.new`
  rmSync(aside, { recursive: true, force: true })
  mkdirSync(aside, { recursive: true })
  const archive = await findArchive(join(aside, 'apt'))
  const timed = async (what: string, work: Promise<Map<string, string>>) => {
    const versions = await work
    report(`lab: ${what} … ${seconds(start)}`)
    return versions
  }
  const [engine, tools] = await Promise.all([
    timed(`Docker Engine from Debian ${engineSuite}`, unpackEngine(archive, aside)),
    timed(
      `tools from Debian ${suite}`,
      unpackPackages(archive, suite, recipe.tools, join(aside, 'apt-tools'), join(aside, 'tools/root')),
    ),
  ])
  writeWrappers(aside, 'tools', 'tools/root', ['ip', 'ss', 'bridge', 'tc', 'nft', ...xtables])
  writeWrappers(aside, 'tools-new', 'engine', ['nft'])
  symlinkSync('../root/bin/busybox', join(aside, 'tools/bin/busybox'))
  await buildImage(join(aside, 'engine/usr/bin/busybox'), join(aside, 'image'), join(aside, 'busybox.tar'))
  const stamp = {
    key,
    engine: upstreamVersion(engine, 'docker.io'),
    nft: upstreamVersion(tools, 'nftables'),
    newNft: upstreamVersion(engine, 'nftables'),
  }
  checkEngine(stamp.engine)
  rmSync(join(aside, 'apt'), { recursive: true, force: true })
  writeFileSync(join(aside, 'stamp.json'), JSON.stringify(stamp))
  rmSync(folder, { recursive: true, force: true })
  renameSync(aside, folder)
  report(`lab: ready in ${seconds(start)}: Docker Engine ${stamp.engine}, nft ${stamp.nft} and ${stamp.newNft}`)
  return stamp
}

const seconds = (start: number) => `${((performance.now() - start) / 1000).toFixed(1)} s`

/** `1:28.5.2+dfsg4-5` is upstream's `28.5.2`: no epoch, no Debian revision, no repacking mark. */
export function upstreamVersion(versions: Map<string, string>, name: string): string {
  return (versions.get(name) ?? '').replace(/^\d+:/, '').replace(/[+~-].*$/, '')
}

/** Throws when `version` is of an engine that cannot make IPv6-only networks. */
export function checkEngine(version: string): void {
  if (!(Number.parseInt(version, 10) >= oldestEngine)) {
    throw new Error(
      `Debian ${engineSuite} has Docker Engine "${version}", and slash64 needs ${oldestEngine} or later: name a newer suite in test/lab/setup.ts`,
    )
  }
}

/** The names that update-alternatives would make at installation. */
const xtables = ['iptables', 'ip6tables'].flatMap(name => [name, `${name}-save`, `${name}-restore`])

async function unpackEngine(archive: Archive, aside: string): Promise<Map<string, string>> {
  const root = join(aside, 'engine')
  const versions = await unpackPackages(archive, engineSuite, recipe.engine, join(aside, 'apt-engine'), root)
  for (const name of xtables) symlinkSync('xtables-nft-multi', join(root, 'usr/sbin', name))
  // A tree from before the merge of /bin into /usr would not lie over /usr as one piece.
  const split = ['bin', 'sbin', 'lib'].filter(name => existsSync(join(root, name)))
  for (const name of split) await succeed(['cp', '-a', `${join(root, name)}/.`, join(root, 'usr', name)])
  return versions
}

/**
 * Writes `<set>/bin/<name>` for programs of the tree `root`, run by its own dynamic loader with its own libraries, so that they
 * depend on nothing of the machine and the programs that they start do not see those libraries.
 */
function writeWrappers(aside: string, set: string, root: string, names: readonly string[]): void {
  const at = (pattern: string) => globSync(join(aside, root, pattern)).map(path => path.replace(aside, folder))
  const [loader] = at('{usr/,}lib/*-linux-gnu*/ld-linux-*.so.*')
  const libraries = at('{usr/,}lib/*-linux-gnu*')
  const [extensions] = at('{usr/,}lib/*-linux-gnu*/xtables')
  mkdirSync(join(aside, set, 'bin'), { recursive: true })
  for (const name of names) {
    const [program] = at(`{usr/,}{bin,sbin}/${xtables.includes(name) ? 'xtables-nft-multi' : name}`)
    if (!loader || !program || !extensions)
      throw new Error(`the package with ${name} has changed its layout: look at .cache/lab.new/${root}`)
    const command = `exec '${loader}' --library-path '${libraries.join(':')}' --argv0 ${name} '${program}' "$@"`
    const file = join(aside, set, 'bin', name)
    writeFileSync(file, `#!/bin/sh\nXTABLES_LIBDIR='${extensions}' ${command}\n`)
    chmodSync(file, 0o755)
  }
}
