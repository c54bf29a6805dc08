// `node src/install/root.ts FOLDER`, which the Dockerfile runs: the root file system of the managed plugin. Node with the libraries that it loads, and
// the application; no shell, no programs. The same sources, packages and Node give the same files.
import { chmodSync, copyFileSync, existsSync, lutimesSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { build } from './build.ts'

/** The time of every file, so that two builds give the same archive: SOURCE_DATE_EPOCH (seconds since 1970) where it is set, as reproducible-builds.org says. */
const TIME = Number(process.env['SOURCE_DATE_EPOCH'] || 0)

/** Writes the root file system to `folder`, which is emptied first. Throws where a file of this Node cannot be read, or a package is not installed. */
export function buildRoot(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  place(process.execPath, join(folder, 'bin/node'))
  for (const library of libraries()) place(library, join(folder, library))
  const license = join(dirname(process.execPath), '../LICENSE')
  if (existsSync(license)) place(license, join(folder, 'bin/node.LICENSE'))
  build(join(folder, 'app'))
  settle(folder)
}

/** The shared libraries of this process and the dynamic loader, by the paths under which the loader finds them. */
function libraries(): string[] {
  const report = process.report.getReport() as { sharedObjects: string[] }
  return report.sharedObjects.filter(path => path.startsWith('/') && path !== process.execPath).sort()
}

/** Links are followed: a library has the name under which it is looked for. */
function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
}

/** Gives all below a root file system one mode for folders and programs, one for the rest, and one time, whatever they had where they came from. */
export function settle(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) settle(path)
    else if (!entry.isSymbolicLink()) {
      chmodSync(path, isProgram(path) ? 0o755 : 0o644)
      lutimesSync(path, TIME, TIME)
    }
  }
  chmodSync(folder, 0o755)
  lutimesSync(folder, TIME, TIME)
}

/** Node, and the loader, which the kernel starts it with. */
function isProgram(path: string): boolean {
  return path.endsWith('/bin/node') || /\/ld-linux[^/]*$/.test(path)
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new Error('name the folder that the root file system is to be written to')
  buildRoot(resolve(folder))
  console.log(`slash64: the root file system of the plugin is in ${folder}`)
}
