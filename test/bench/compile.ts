// The C programs of floor/, compiled when they are needed and kept below .cache/bench. Where the machine has no compiler, Debian's tcc is fetched once.
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findArchive, machineSuite, unpackPackages } from '../lab/debian.ts'
import { withLock } from '../lab/lock.ts'
import { run, succeed } from '../lab/process.ts'
import { repository } from '../lab/setup.ts'

const sources = join(import.meta.dirname, 'floor')
const cache = join(repository, '.cache')
const folder = join(cache, 'bench')

/** Path of a program of floor/ by its name, `traffic`. Throws CommandError with what the compiler said. */
export async function compiled(name: string): Promise<string> {
  const source = join(sources, `${name}.c`)
  const texts = [source, join(sources, 'netlink.h')].map(file => readFileSync(file))
  const program = join(
    folder,
    `${name}-${createHash('sha256').update(Buffer.concat(texts)).digest('hex').slice(0, 12)}`,
  )
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  await withLock(join(folder, 'lock'), async () => {
    if (existsSync(program)) return
    const { argv, libraries = [] } = await compiler()
    await succeed([...argv, '-o', `${program}.new`, source, ...libraries])
    renameSync(`${program}.new`, program)
  })
  return program
}

/** `libraries`: what follows the source. */
interface Compiler {
  readonly argv: readonly string[]
  readonly libraries?: readonly string[]
}

async function compiler(): Promise<Compiler> {
  const own = await run(['cc', '--version']).catch(() => undefined)
  if (own?.code === 0) return { argv: ['cc', '-O2'] }
  const root = join(cache, 'lab-cc')
  if (!existsSync(root)) await fetchCompiler(root)
  return tcc(root)
}

async function fetchCompiler(root: string): Promise<void> {
  const aside = `${root}.new`
  rmSync(aside, { recursive: true, force: true })
  mkdirSync(aside)
  const archive = await findArchive(join(aside, 'apt'))
  const packages = ['tcc', 'libc6-dev', 'linux-libc-dev']
  await unpackPackages(archive, machineSuite(), packages, join(aside, 'state'), join(aside, 'root'))
  renameSync(join(aside, 'root'), root)
  rmSync(aside, { recursive: true })
}

/** tcc with the headers and start-up code of the fetched tree, and the C library of the machine: their paths are told, for in libc.so they are absolute. */
function tcc(root: string): Compiler {
  const found = (...patterns: string[]): string[] => patterns.flatMap(pattern => globSync(pattern).slice(0, 1))
  const usr = join(root, 'usr')
  const own = found(`${usr}/lib/*/tcc`)
  const includes = [...own.map(path => `${path}/include`), `${usr}/include`, ...found(`${usr}/include/*-linux-gnu*`)]
  return {
    argv: [
      ...[join(usr, 'bin/tcc'), '-O2', '-nostdlib', '-nostdinc'],
      ...[...own.map(path => `-B${path}`), ...includes.map(path => `-I${path}`)],
      ...found(`${usr}/lib/*/crt1.o`, `${usr}/lib/*/crti.o`, `${usr}/lib/*/crtn.o`),
    ],
    libraries: found('/lib/*-linux-gnu*/libc.so.6', `${usr}/lib/*/libc_nonshared.a`, `${usr}/lib/*/tcc/libtcc1.a`),
  }
}
