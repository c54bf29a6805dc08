// slash64 as a managed plugin on lab hosts: built as users build it, from a base image that was made here, and had from a registry of Debian's.
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { ensureExtras, extras } from '../lab/extras.ts'
import type { Host } from '../lab/host.ts'
import { withLock } from '../lab/lock.ts'
import { type Output, tail, until } from '../lab/process.ts'
import { repository } from '../lab/setup.ts'
import { BASE_IMAGE, baseImage } from './plugin-base.ts'

const storage = join(repository, '.cache/plugin-registry')
/** Where every registry of serveRegistry() has the plugin, once somebody pushed it. */
export const REFERENCE = '127.0.0.1:5000/slash64:test'

/** What the image is made of. */
const SOURCES = ['Dockerfile', '.dockerignore', 'plugin-config.json', 'package*.json', 'src/**/*.{ts,json,sh}']

/** Imports the image on which the Dockerfile builds. */
export async function importBase(host: Host): Promise<void> {
  const path = 'ENV PATH=/usr/local/bin:/usr/bin:/bin'
  await host.docker('import', '--change', path, await baseImage(), BASE_IMAGE)
}

/** Gives the host's docker command BuildKit's front end; without it `docker build` is the classic builder. */
export async function addBuildx(host: Host): Promise<void> {
  await ensureExtras()
  const folder = join(host.dir, 'home/.docker/cli-plugins')
  mkdirSync(folder, { recursive: true })
  symlinkSync(extras.buildx, join(folder, 'docker-buildx'))
}

/** Runs `npm run plugin -- ARGS` on a host, good or bad. */
export async function npmRunPlugin(host: Host, ...args: string[]): Promise<Output> {
  return host.exec(['sh', join(repository, 'src/run.sh'), join(repository, 'src/install/plugin.ts'), ...args])
}

/** The same, and resolves to what it said. Throws with what it complained of. */
export async function makePlugin(host: Host, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await npmRunPlugin(host, ...args)
  if (code !== 0) throw new Error(`npm run plugin -- ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}`)
  return stdout
}

/** Starts a registry on 127.0.0.1:5000 of a host. All of them have the same content. */
export async function serveRegistry(host: Host): Promise<void> {
  await ensureExtras()
  mkdirSync(storage, { recursive: true })
  const config = join(host.dir, 'registry.yaml')
  const settings = {
    version: '0.1',
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(storage, 'content') } },
    http: { addr: '127.0.0.1:5000' },
  }
  writeFileSync(config, JSON.stringify(settings))
  const registry = host.spawn([extras.registry, 'serve', config], { label: 'registry' })
  const listens = async (): Promise<boolean> => {
    if (!registry.running) throw new Error(`the registry ended\n${tail(registry.log())}`)
    return (await host.exec(['busybox', 'wget', '-q', '-O-', 'http://127.0.0.1:5000/v2/'])).code === 0
  }
  await until(listens, 10_000, () => `the registry does not listen\n${tail(registry.log())}`)
}

/** Installs the plugin of these sources as `slash64` from a registry, which is served; it is built and pushed when that has another one. */
export async function installPlugin(host: Host, settings: Readonly<Record<string, string>>): Promise<void> {
  await serveRegistry(host)
  await withLock(`${storage}.lock`, async () => {
    const stamp = join(storage, 'stamp')
    const key = sourcesKey()
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return
    rmSync(stamp, { force: true })
    await importBase(host)
    await makePlugin(host, '--push', REFERENCE)
    writeFileSync(stamp, key)
  })
  const given = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  await host.docker('plugin', 'install', '--alias', 'slash64', '--grant-all-permissions', REFERENCE, ...given)
  await usePlugin(host)
}

function sourcesKey(): string {
  const hash = createHash('sha256').update(process.version)
  for (const name of globSync(SOURCES, { cwd: repository, exclude: ['src/nftables-js/dist/**'] }).sort()) {
    hash.update(`${name}\0`).update(readFileSync(join(repository, name)))
  }
  return hash.digest('hex')
}

/** The id of the plugin `name`. */
export function pluginId(host: Host, name = 'slash64'): Promise<string> {
  return host.docker('plugin', 'inspect', '--format', '{{.Id}}', name)
}

/** The folder of the plugin `name`, as the host sees it: `rootfs` and `propagated-mount` are in it. */
export async function pluginFolder(host: Host, name = 'slash64'): Promise<string> {
  return `/var/lib/docker/plugins/${await pluginId(host, name)}`
}

/** From here on the tests' networks are those of the plugin `slash64`, and its state is looked at. */
export async function usePlugin(host: Host): Promise<void> {
  host.driver = 'slash64:latest'
  host.state = `${await pluginFolder(host)}/propagated-mount`
}

/** What the plugin has logged: its lines are in the engine's log. Undone are the quotes that the engine put around them. */
export function pluginLog(host: Host): { msg: string; level: number }[] {
  const lines = readFileSync(join(host.dir, 'log/dockerd.log'), 'utf8').matchAll(/ msg=("\{.*\}") plugin=[0-9a-f]+$/gm)
  return Array.from(lines, ([, quoted = '']) => JSON.parse(JSON.parse(quoted)))
}

/** The process id of the plugin's daemon, as the host counts. Throws when there is none, or several. */
export async function pluginPid(host: Host): Promise<number> {
  const found = await host.exec(['sh', '-c', 'grep -lx slash64 /proc/[0-9]*/comm'])
  const pids = Array.from(found.stdout.matchAll(/\d+/g), ([pid]) => pid)
  if (pids.length !== 1) throw new Error(`processes called slash64: ${pids.join(', ') || 'none'}\n${host.logTail()}`)
  return Number(pids[0])
}

/** Milliseconds from `began` until the plugin's socket answers. */
export async function answered(host: Host, began: number): Promise<number> {
  // The whole path is too long for a socket's address (unix(7): 107 bytes).
  const short = join(host.dir, 'plugin')
  rmSync(short, { force: true })
  symlinkSync(join(host.pluginDir, await pluginId(host)), short)
  const socketPath = join(short, 'slash64.sock')
  const ask = (): Promise<boolean> =>
    new Promise(resolve => {
      const question = request({ socketPath, method: 'POST', path: '/Plugin.Activate' }, reply => {
        reply.resume()
        resolve(reply.statusCode === 200)
      })
      question.on('error', () => resolve(false)).end()
    })
  await until(ask, 15_000, () => `the plugin does not answer\n${host.logTail()}`)
  return Math.round(performance.now() - began)
}
