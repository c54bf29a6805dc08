// The image that stands for the Dockerfile's public base image where there is no network: Node and npm with this machine's C library, busybox, and a filled
// npm cache to which npm keeps. Made once for a state of the packages: .cache/plugin-base.tar.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { withLock } from '../lab/lock.ts'
import { run, succeed } from '../lab/process.ts'
import { lab, repository } from '../lab/setup.ts'

const cache = join(repository, '.cache')
const archive = join(cache, 'plugin-base.tar')
/** What the packages follow from, as the Dockerfile has it. */
const INPUTS = ['package.json', 'package-lock.json', 'src/nftables-js/package.json']
const dockerfile = readFileSync(join(repository, 'Dockerfile'), 'utf8')

/** The base image's name in the Dockerfile. */
export const BASE_IMAGE = /^ARG NODE_IMAGE=(\S+)$/m.exec(dockerfile)?.[1] ?? ''

/** The tar archive of its root file system. Throws where npm can neither reach its registry nor finds the packages in its own cache. */
export async function baseImage(report: (line: string) => void = line => console.error(line)): Promise<string> {
  const texts = INPUTS.map(name => readFileSync(join(repository, name), 'utf8'))
  const key = createHash('sha256')
    .update(JSON.stringify([1, process.version, await npmFolder(), npmSteps(), texts]))
    .digest('hex')
  mkdirSync(cache, { recursive: true })
  await withLock(`${archive}.lock`, async () => {
    const stamp = `${archive}.key`
    if (existsSync(archive) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return
    report('lab: making the base image of the plugin, with the npm packages in it (once)')
    await make()
    writeFileSync(stamp, key)
  })
  return archive
}

/** The Dockerfile's commands that fetch the packages. */
function npmSteps(): string {
  const steps = /^RUN (npm .*)$/m.exec(dockerfile)?.[1]
  if (steps === undefined) throw new Error('the Dockerfile has no line "RUN npm …" any more: look at plugin-base.ts')
  return steps
}

/** The folder of the machine's npm, which brings its dependencies along; Debian's own package of it does not. */
async function npmFolder(): Promise<string> {
  const program = realpathSync((await succeed(['sh', '-c', 'command -v npm'])).trim())
  const folder = join(dirname(program), '..')
  if (existsSync(join(folder, 'node_modules'))) return folder
  throw new Error(
    `${program} is not a complete npm: the tests of the plugin need one, such as "npm install -g npm" gives`,
  )
}

async function make(): Promise<void> {
  const root = `${archive}.root`
  rmSync(root, { recursive: true, force: true })
  try {
    const npm = await npmFolder()
    await programs(root, npm)
    await packages(root)
    await succeed(['tar', '-C', root, '-cf', `${archive}.new`, '.'])
    renameSync(`${archive}.new`, archive)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

async function programs(root: string, npm: string): Promise<void> {
  for (const name of ['bin', 'usr/bin', 'tmp', 'root', 'etc']) mkdirSync(join(root, name), { recursive: true })
  const applets = (await succeed([join(lab.tools, 'busybox'), '--list'])).trim().split('\n')
  place(join(lab.tools, 'busybox'), join(root, 'bin/busybox'))
  for (const applet of applets.filter(name => name !== 'busybox')) symlinkSync('busybox', join(root, 'bin', applet))
  symlinkSync('/bin/env', join(root, 'usr/bin/env'))
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] }
  const libraries = sharedObjects.filter(path => path.startsWith('/') && !path.endsWith('.node'))
  for (const path of libraries) place(path, join(root, path))
  place(process.execPath, join(root, 'usr/local/bin/node'))
  cpSync(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'))
}

function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
}

/** Lets the Dockerfile's own commands run once, with a cache of their own. npm finds things in it by the address that this machine gets them from. */
async function packages(root: string): Promise<void> {
  const [folder, npmCache] = [`${root}/slash64`, `${root}/npm-cache`]
  for (const name of INPUTS) cpSync(join(repository, name), join(folder, name))
  // The Node beside npm: npm reads its global settings (a proxy's certificate, say) from where the Node is that runs it.
  const beside = dirname((await succeed(['sh', '-c', 'command -v npm'])).trim())
  const environment = { ...process.env, PATH: `${beside}:${process.env['PATH']}` }
  const registry = (await succeed(['npm', 'config', 'get', 'registry'], { env: environment })).trim()
  const { code, stderr } = await run(['sh', '-ec', `cd '${folder}'; ${npmSteps()}`], {
    env: { ...environment, npm_config_cache: npmCache, npm_config_registry: registry },
  })
  if (code !== 0) throw new Error(`npm could not fetch the packages:\n${stderr}`)
  rmSync(folder, { recursive: true })
  const settings = [`registry=${registry}`, 'cache=/npm-cache', 'offline=true', 'update-notifier=false', '']
  mkdirSync(join(root, 'usr/local/etc'), { recursive: true })
  writeFileSync(join(root, 'usr/local/etc/npmrc'), settings.join('\n'))
  rmSync(join(npmCache, '_logs'), { recursive: true, force: true })
}
