// `npm run build [-- FOLDER]`: slash64 as plain JavaScript with the packages that it needs at run time and nothing else, in dist/app. Types are only
// taken out, so lines and columns stay. Started from .ts files, Node would carry a TypeScript parser along (some 25 MB) and start in twice the time.
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'

const repository = resolve(import.meta.dirname, '../..')
const DEFAULT_FOLDER = join(repository, 'dist/app')
/** A package of the workspace: npm puts a link to its source into node_modules. */
const OWN = 'nftables-js'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/**
 * Writes the application to `folder`, which is emptied first: `src/main.js` (the daemon), `src/cli.js` (the command), `node_modules` and a
 * package.json. The same sources and packages give the same files. Throws an Error that names a package that is not installed.
 */
export function build(folder: string = DEFAULT_FOLDER): void {
  rmSync(folder, { recursive: true, force: true })
  const manifest = readManifest(repository)
  stripTree(join(repository, 'src'), join(folder, 'src'), [`${OWN}/**`, 'install/**'])
  const own = join(repository, 'src', OWN)
  stripTree(join(own, 'src'), join(folder, 'node_modules', OWN, 'dist'), [])
  cpSync(join(own, 'package.json'), join(folder, 'node_modules', OWN, 'package.json'))
  const { name, version, license } = manifest as Manifest & { license: string }
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ name, version, license, type: 'module' }, null, 2)}\n`,
  )
  for (const path of packagesOf(repository, manifest)) copyPackage(path, join(folder, relative(repository, path)))
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

/** Every .ts file below `from` as .js below `to`. */
function stripTree(from: string, to: string, exclude: readonly string[]): void {
  for (const file of globSync('**/*.ts', { cwd: from, exclude }).sort()) {
    const target = join(to, file.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, strip(readFileSync(join(from, file), 'utf8')))
  }
}

/** JavaScript out of TypeScript: types become blanks, and relative imports lead to the .js files. */
export function strip(source: string): string {
  const relativeImport = /(\b(?:from|import)\s*\(?\s*'\.{1,2}\/[^']*)\.ts'/g
  return stripTypeScriptTypes(source).replace(relativeImport, "$1.js'")
}

/** The folders of all packages that `manifest` needs at run time, theirs included; optional ones where they are installed. */
function packagesOf(folder: string, manifest: Manifest, found = new Set<string>()): ReadonlySet<string> {
  const { dependencies = {}, optionalDependencies = {} } = manifest
  const required = Object.keys(dependencies).filter(name => !(name in optionalDependencies))
  // The Node of the machine's own architecture is a dependency of this repository only, and the image has its own.
  const optional = Object.keys(optionalDependencies).filter(name => !name.startsWith('node-linux-'))
  for (const name of [...required, ...optional].sort()) {
    if (name.startsWith('@types/')) continue
    const path = findPackage(folder, name)
    if (path === undefined && required.includes(name)) {
      throw new Error(`the package ${name}, which ${manifest.name} needs, is not installed: run "npm ci"`)
    }
    if (path === undefined || found.has(path)) continue
    if (name !== OWN) found.add(path)
    packagesOf(path, readManifest(path), found)
  }
  return found
}

/** As Node finds packages: in node_modules of the folder, and of those above it, up to the repository. */
function findPackage(folder: string, name: string): string | undefined {
  const path = join(folder, 'node_modules', name)
  if (existsSync(path)) return path
  return folder === repository ? undefined : findPackage(dirname(folder), name)
}

/** Without what only developers read, and without packages inside: they are copied where they are needed. */
function copyPackage(from: string, to: string): void {
  const filter = (path: string): boolean =>
    !/\.(d\.[cm]?ts|ts|map|md|markdown)$/i.test(path) && !relative(from, path).split('/').includes('node_modules')
  cpSync(from, to, { recursive: true, filter, dereference: true })
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? DEFAULT_FOLDER)
  build(folder)
  console.log(`slash64: built ${folder}`)
}
