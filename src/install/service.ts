// `npm run service`: slash64 as a service of this machine, by systemd. `-- --remove` takes it off again.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parseConfig } from '../config.ts'
import { build } from './build.ts'
import { cleanKernel } from './clean.ts'
import { Place } from './place.ts'
import {
  commandScript,
  paths,
  readSettings,
  serviceUnit,
  settingsFile,
  settingsMissing,
  socketUnit,
  UNITS,
} from './units.ts'

const USAGE = `npm run service                            installs slash64 as a service, or upgrades it; containers go on
npm run service -- --remove                removes it; settings and state stay
  --purge      removes settings and state, too
  --force      removes it although networks of it exist; their containers lose them
npm run service -- [--remove] --root DIR   the same below DIR, for images: nothing is started or stopped`

/** What a user is told instead of a stack. */
class Refusal extends Error {
  override readonly name = 'Refusal'
}

interface Options {
  readonly remove: boolean
  readonly purge: boolean
  readonly force: boolean
  readonly root: string
}

/** Milliseconds until an installed daemon has to answer. */
const PATIENCE = 15_000

/** What the daemon writes to the folder of its state (src/store/store.ts). The folder may be one that holds other things, too. */
const STATE_FILES = ['version', 'host.json', 'lock', 'networks', 'endpoints', 'pools'] as const

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  if (process.getuid?.() !== 0) throw new Refusal('this writes to /usr/local and /etc: run it as root')
  const place = new Place(options.root, paths.folders)
  if (options.remove) await remove(place, options)
  else await install(place)
}

function readOptions(args: string[]): Options {
  const flag = { type: 'boolean', default: false } as const
  const options = { remove: flag, purge: flag, force: flag, root: { type: 'string', default: '/' } } as const
  const { remove, purge, force, root } = understood(() => parseArgs({ args, options, strict: true }).values)
  if (!remove && (purge || force)) throw new Refusal(`--purge and --force go with --remove only; write\n${USAGE}`)
  if (!existsSync(root)) throw new Refusal(`--root ${JSON.stringify(root)}: there is no such folder; make it first`)
  return { remove, purge, force, root: resolve(root) }
}

function understood<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new Refusal(`${(error as Error).message}; write\n${USAGE}`)
  }
}

async function install(place: Place): Promise<void> {
  checkSettings(place)
  const live = isLive(place)
  if (live) refuseOther(place)
  say('building the application')
  const app = place.prepare(paths.app, build)
  // Run out of the new application before anything is replaced: when it cannot run, nothing has changed.
  const text = commandTexts(join(place.at(paths.app), '../app.new/src/cli.js'))
  say(`installing to ${place.at(paths.library)}`)
  place.copy(process.execPath, paths.node, 0o755)
  app.swap()
  const socketChanged = place.read(paths.socket) !== socketUnit()
  installFiles(place, text)
  installSettings(place)
  place.remember()
  if (!enable(place)) return
  if (live) await start(place, socketChanged)
  else say('systemd is not running here, so nothing was started; it will be at the next boot')
}

/** A daemon with settings that it refuses would not come back from its restart. */
function checkSettings(place: Place): void {
  const text = place.read(paths.settings)
  if (text === undefined) return
  try {
    parseConfig(readSettings(text))
  } catch (error) {
    const problem = (error as Error).message.replace(/^slash64: /, '')
    throw new Refusal(`${place.at(paths.settings)}: ${problem}. Nothing was changed; mend that first`)
  }
}

/** systemd would put its own socket in the place of a running daemon's. */
function refuseOther(place: Place): void {
  const { control } = parseConfig(readSettings(place.read(paths.settings) ?? ''))
  if (systemctl(place, 'is-active', 'slash64.service') || !listens(control)) return
  throw new Refusal(
    'another slash64 is running on this machine: end it first (docker plugin disable slash64, or Ctrl-C for npm start)',
  )
}

/** Whether a process listens on a unix socket. A managed plugin has the same one with another folder before its path. */
function listens(path: string): boolean {
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n')
  return lines.some(line => line.endsWith(path))
}

interface CommandTexts {
  readonly man: string
  readonly bash: string
  readonly zsh: string
  readonly fish: string
}

function commandTexts(cli: string): CommandTexts {
  const say = (...words: string[]): string => execFileSync(process.execPath, [cli, ...words], { encoding: 'utf8' })
  const completion = (shell: string): string => say('completion', shell)
  return { man: say('man'), bash: completion('bash'), zsh: completion('zsh'), fish: completion('fish') }
}

function installFiles(place: Place, { man, bash, zsh, fish }: CommandTexts): void {
  say(`installing ${place.at(paths.command)}, its manual page and completions`)
  place.write(paths.command, commandScript(), 0o755)
  place.write(paths.man, man)
  place.write(paths.bash, bash)
  place.write(paths.zsh, zsh)
  place.write(paths.fish, fish)
  say(`installing ${place.at(paths.service)} and ${UNITS[0]}`)
  place.write(paths.socket, socketUnit())
  place.write(paths.service, serviceUnit())
}

/** The user's own file: it is written once, and never again. */
function installSettings(place: Place): void {
  const file = place.at(paths.settings)
  const text = place.read(paths.settings)
  if (text === undefined) {
    say(`writing ${file}, with every setting at its default; SLASH64_PREFIX is the first to look at`)
    place.write(paths.settings, settingsFile())
    return
  }
  const missing = settingsMissing(text)
  say(`${file} is there and stays as it is${missing.length === 0 ? '' : `; it does not mention ${missing.join(', ')}`}`)
}

/** Whether the units could be enabled; where there is no systemctl it says what to do. */
function enable(place: Place): boolean {
  if (systemctl(place, 'enable', ...UNITS)) return true
  say(`there is no systemctl that enables the units; on the machine itself type: systemctl enable ${UNITS.join(' ')}`)
  return false
}

async function start(place: Place, socketChanged: boolean): Promise<void> {
  systemctl(place, 'daemon-reload')
  // Failed starts of the past do not count: this may be what mends them.
  systemctl(place, 'reset-failed', ...UNITS)
  say('starting it')
  systemctl(place, 'restart', ...(socketChanged ? UNITS : [UNITS[1]]))
  await answered(parseConfig(readSettings(place.read(paths.settings) ?? '')).control)
  say(`settings are in ${paths.settings}, the log in "journalctl -u slash64"; what to type next:

  docker network create -d slash64 --ipam-driver slash64 --ipv4=false --ipv6 -o group=web web
  docker run -d --network web -p 443:443 IMAGE
  slash64 status
`)
}

/** Waits until the daemon answers the command, and prints its answer. */
async function answered(control: string): Promise<void> {
  const deadline = performance.now() + PATIENCE
  for (;;) {
    const { status, stdout, stderr } = spawnSync(paths.command, ['status', '--control', control], { encoding: 'utf8' })
    if (status === 0) return console.log(`\n${stdout}`)
    if (performance.now() > deadline) {
      spawnSync('journalctl', ['-u', 'slash64', '-n', '10', '--no-pager', '-o', 'cat'], { stdio: 'inherit' })
      throw new Refusal(`it was started but does not answer: ${stderr.trim()}; look at "systemctl status slash64"`)
    }
    await sleep(200)
  }
}

async function remove(place: Place, { purge, force }: Options): Promise<void> {
  const state = stateFolder(place, force)
  if (!force) refuseNetworks(place, state)
  if (isLive(place)) systemctl(place, 'stop', ...UNITS)
  if (place.root === '/') await clean()
  systemctl(place, 'disable', ...UNITS)
  const { library, command, man, bash, zsh, fish, socket, service, settings } = paths
  place.remove(library, command, man, bash, zsh, fish, socket, service)
  if (isLive(place)) systemctl(place, 'daemon-reload')
  if (purge) place.remove(settings, ...STATE_FILES.map(name => join(state, name)))
  place.removeFolders(...(purge ? [dirname(settings), state] : []))
  say(purge ? 'removed, with its settings and its state' : 'removed')
  const kept = [settings, state].map(path => place.at(path)).filter(existsSync)
  if (kept.length > 0) say(`${kept.join(' and ')} stay; --remove --purge removes them as well`)
}

/** Settings that the daemon would refuse do not stand in the way of --force. */
function stateFolder(place: Place, force: boolean): string {
  try {
    return parseConfig(readSettings(place.read(paths.settings) ?? '')).state
  } catch (error) {
    if (!force) throw error
    return parseConfig({}).state
  }
}

async function clean(): Promise<void> {
  const removed = await cleanKernel()
  say(`taken out of the kernel: ${removed.length === 0 ? 'nothing, there was nothing' : removed.join(', ')}`)
  if (removed.length > 0) say('IPv6 forwarding stays on until the next boot: others may rely on it by now')
}

/** Containers on a network without its driver can be neither started nor removed cleanly. */
function refuseNetworks(place: Place, state: string): void {
  const networks = globSync(place.at(`${state}/networks/*.json`)).map(file => JSON.parse(readFileSync(file, 'utf8')))
  if (networks.length === 0) return
  const ids = networks.map(({ id }) => String(id).slice(0, 12))
  const names = networks.map(({ groupName }, index) => `${ids[index]} (${groupName ?? 'without group'})`)
  throw new Refusal(
    `these networks of slash64 exist: ${names.join(', ')}; remove their containers and them ("docker network rm ${ids.join(' ')}"), or add --force`,
  )
}

/** Whether the files are those of the running machine, and systemd runs it (sd_booted(3)). */
function isLive({ root }: Place): boolean {
  return root === '/' && existsSync('/run/systemd/system')
}

/** Whether systemctl could do it; what it complains of is shown. Below another root it changes files only. */
function systemctl(place: Place, ...words: readonly string[]): boolean {
  const root = isLive(place) ? [] : [`--root=${place.root}`]
  return spawnSync('systemctl', ['--quiet', ...root, ...words], { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
}

function say(line: string): void {
  console.log(`slash64: ${line}`)
}

try {
  await main()
} catch (error) {
  if (!(error instanceof Refusal) && (error as Error).name !== 'PluginError') throw error
  console.error(`slash64: ${(error as Error).message.replace(/^slash64: /, '')}`)
  process.exitCode = 1
}
