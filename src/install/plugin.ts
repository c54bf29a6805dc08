// `npm run plugin`: slash64 as a managed plugin of the engine that the docker command speaks to. Builds the image, makes a plugin of it and enables it; a
// plugin that is there is upgraded, and keeps its settings, its networks and its containers' traffic. With --push: pushes it, and installs nothing.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { version } from '../version.ts'
import { cleanKernel } from './clean.ts'
import { docker, exportContainer, tryDocker } from './docker.ts'
import { packPlugin } from './plugin-image.ts'
import { type PluginOptions, pluginOptions, USAGE } from './plugin-options.ts'
import { type Registry, serveRegistry } from './registry.ts'
import { settle } from './root.ts'

const repository = resolve(import.meta.dirname, '../..')
const OLDEST_ENGINE = 28
/** What the engine puts into every container (moby daemon/initlayer/setup_unix.go), and into a plugin when it enables it. */
const ENGINES_OWN = ['.dockerenv', 'dev', 'etc', 'proc', 'sys']

type Say = (line: string) => void

/** Makes what the options say, and says what it does. Rejects with an Error whose message is for the user. Nothing of its scratch stays. */
export async function makePlugin(options: PluginOptions, say: Say): Promise<void> {
  await checkEngine()
  if (options.push !== undefined) await refuseInstalled(options.push)
  const scratch = mkdtempSync(join(tmpdir(), 'slash64-plugin-'))
  try {
    await buildPlugin(options.nodeImage, scratch, say)
    say('packing them')
    const image = await packPlugin(
      join(scratch, 'rootfs'),
      JSON.parse(readFileSync(join(scratch, 'config.json'), 'utf8')),
    )
    say(`slash64 ${version} as a plugin: ${image.manifest.digest}`)
    await using registry = await serveRegistry(image)
    if (options.push !== undefined) await push(options.push, registry, say)
    else await install(options, registry, say)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function checkEngine(): Promise<void> {
  const engine = await docker('version', '--format', '{{.Server.Version}}')
  if (!(Number.parseInt(engine, 10) >= OLDEST_ENGINE)) {
    throw new Error(`Docker Engine ${engine} has no networks without IPv4; slash64 needs ${OLDEST_ENGINE} or later`)
  }
}

/** Builds the Dockerfile and writes `config.json` and `rootfs` to `folder`, as `docker plugin create` takes them. Rejects with what docker said. */
export async function buildPlugin(nodeImage: string | undefined, folder: string, say: Say): Promise<void> {
  say(
    `building the image from the Dockerfile${nodeImage === undefined ? '' : ` on ${nodeImage}`}; the first time takes a minute or two`,
  )
  const idFile = join(folder, 'image')
  const base = nodeImage === undefined ? [] : ['--build-arg', `NODE_IMAGE=${nodeImage}`]
  await docker('build', ...base, '--iidfile', idFile, repository)
  const image = readFileSync(idFile, 'utf8').trim()
  rmSync(idFile)
  say('taking its files out')
  const rootfs = join(folder, 'rootfs')
  mkdirSync(rootfs)
  const container = await docker('create', '--network', 'none', image)
  try {
    await exportContainer(container, rootfs)
  } finally {
    await docker('rm', container)
    await tryDocker('image', 'rm', '--no-prune', image)
  }
  for (const name of ENGINES_OWN) rmSync(join(rootfs, name), { recursive: true, force: true })
  settle(rootfs)
  copyFileSync(join(repository, 'plugin-config.json'), join(folder, 'config.json'))
}

async function push(reference: string, registry: Registry, say: Say): Promise<void> {
  say(`pushing it as ${reference}`)
  await add(reference, registry)
  try {
    await docker('plugin', 'push', reference)
  } finally {
    await docker('plugin', 'rm', reference)
  }
  say(`pushed. To install it: docker plugin install --alias slash64 ${reference}`)
}

/** What is pushed has to be on the engine under that name for a moment. */
async function refuseInstalled(reference: string): Promise<void> {
  if ((await inspect(reference)) === undefined) return
  throw new Error(
    `the plugin ${reference} is installed on this engine, and pushing would take its place; push from another engine, or remove it (docker plugin rm ${reference}) and install it anew with --alias slash64`,
  )
}

async function add(name: string, registry: Registry): Promise<void> {
  await docker('plugin', 'install', '--disable', '--grant-all-permissions', '--alias', name, registry.reference)
}

interface Installed {
  readonly Id: string
  readonly Enabled: boolean
}

async function inspect(name: string): Promise<Installed | undefined> {
  const json = await tryDocker('plugin', 'inspect', '--format', '{{json .}}', name)
  return json === undefined ? undefined : (JSON.parse(json) as Installed)
}

async function install({ name, settings, enable }: PluginOptions, registry: Registry, say: Say): Promise<void> {
  const before = await inspect(name)
  if (before === undefined) {
    say(`installing the plugin ${name}`)
    await add(name, registry)
  } else {
    say(`upgrading the plugin ${name}: settings, networks and state stay, and containers go on`)
    await upgrade(name, before, registry)
  }
  if (settings.length > 0) await docker('plugin', 'set', name, ...settings)
  if (enable) await start(name, say)
  else say(`it is not enabled. To start it: docker plugin enable ${name}`)
}

/**
 * In place. --force is for networks that use it: while it is away their containers keep traffic and rules, and the engine waits 15 s for an answer. What
 * was enabled is enabled again when there is no upgrade.
 */
async function upgrade(name: string, before: Installed, registry: Registry): Promise<void> {
  if (before.Enabled) await docker('plugin', 'disable', '--force', name)
  try {
    const grants = ['--skip-remote-check', '--grant-all-permissions']
    await docker('plugin', 'upgrade', ...grants, name, registry.reference)
  } catch (error) {
    if (before.Enabled) await tryDocker('plugin', 'enable', name)
    throw error
  }
}

async function start(name: string, say: Say): Promise<void> {
  say('enabling it')
  try {
    await docker('plugin', 'enable', name)
  } catch (error) {
    const id = (await inspect(name))?.Id ?? name
    const advice = `why is in the engine's log: journalctl -u docker | grep plugin=${id}\na setting is mended with: docker plugin set ${name} SLASH64_…=VALUE`
    throw new Error(`${(error as Error).message}\n${advice}`)
  }
  const driver = driverOf(name)
  say(`it runs. To make a network (the tag belongs to the driver's name):
  docker network create -d ${driver} --ipam-driver ${driver} --ipv4=false --ipv6 -o group=web web`)
}

/** What networks are made with: the engine wants the tag (moby #33347). */
function driverOf(name: string): string {
  return /:[^/]*$/.test(name) ? name : `${name}:latest`
}

/** Removes the plugin, its state and what it left in the kernel, which stays otherwise until the next boot. Rejects where networks use it. */
export async function removePlugin(name: string, say: Say): Promise<void> {
  const before = await inspect(name)
  if (before === undefined)
    throw new Error(`there is no plugin ${name} on this engine; "docker plugin ls" lists those that there are`)
  const list = ['network', 'ls', '--format', '{{.Name}}', '--filter', `driver=${driverOf(name)}`]
  const networks = (await docker(...list)).split('\n').filter(Boolean)
  if (networks.length > 0) {
    throw new Error(`networks use ${name}; remove their containers, then them: docker network rm ${networks.join(' ')}`)
  }
  if (before.Enabled) await docker('plugin', 'disable', name)
  await docker('plugin', 'rm', name)
  say(`removed the plugin ${name} and its state`)
  if (process.getuid?.() !== 0)
    return say(
      'its tables and the route of the prefix stay in the kernel until the next boot: only root can remove them',
    )
  for (const item of await cleanKernel()) say(`removed ${item}`)
}

if (import.meta.main) {
  const say: Say = line => console.log(`slash64: ${line}`)
  try {
    const options = pluginOptions(process.argv.slice(2))
    await (options.remove ? removePlugin(options.name, say) : makePlugin(options, say))
  } catch (error) {
    console.error(`slash64: ${error instanceof Error ? error.message : error}`)
    if ((error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')) console.error(USAGE)
    process.exitCode = 1
  }
}
