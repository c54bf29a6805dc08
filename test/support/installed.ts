// slash64 installed on a lab host by `npm run service`. No systemd runs there: the tests start the daemon by hand, as its unit says.
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { paths, readSettings } from '../../src/install/units.ts'
import type { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { type Output, type Running, until } from '../lab/process.ts'
import { repository } from '../lab/setup.ts'

/** `npm run service`, without npm. */
export const SERVICE = [
  ...[process.execPath, '--conditions=nftables-js-source', '--disable-warning=ExperimentalWarning'],
  join(repository, 'src/install/service.ts'),
]
/** The plugin's socket, on the host. */
const SOCKET = '/run/docker/plugins/slash64.sock'

/** `npm run service -- ARGS` on a machine; what it said. Throws CommandError with its words when it fails. */
export function service(machine: Machine, ...args: string[]): Promise<string> {
  return machine.check([...SERVICE, ...args])
}

/** The same, good or bad. */
export function tryService(machine: Machine, ...args: string[]): Promise<Output> {
  return machine.exec([...SERVICE, ...args])
}

/** Takes the comment mark from settings in slash64.env and gives them values, as an editor would. */
export async function configure(machine: Machine, settings: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await machine.check(['sed', '-i', `s|^#${name}=.*|${name}=${value}|`, paths.settings])
    await machine.check(['grep', '-q', `^${name}=${value}$`, paths.settings])
  }
}

/** Files of the machine, as it sees them. */
export function fileOf(machine: Machine, path: string): string {
  return readFileSync(machine.outside(path), 'utf8')
}

/**
 * Opens the plugin's socket and starts the daemon for its first connection, with the command line and the settings of the installed unit: what systemd
 * does, done by systemd-socket-activate(1). `more` are sockets that it opens before, as a unit should not.
 */
export async function activate(host: Host, ...more: string[]): Promise<Running> {
  const command = /^ExecStart=(.*)$/m.exec(fileOf(host, paths.service))?.[1]?.split(' ') ?? []
  const settings = Object.entries(readSettings(fileOf(host, paths.settings)))
  const environment = settings.flatMap(([name, value]) => ['-E', `${name}=${value}`])
  const sockets = [...more, SOCKET].flatMap(path => ['-l', path])
  const label = `slash64-${++daemons}`
  const daemon = host.spawn(['systemd-socket-activate', ...sockets, ...environment, ...command], { label })
  await until(
    () => daemon.log().includes(`Listening on ${SOCKET}`),
    5000,
    () => `systemd-socket-activate: ${daemon.log()}`,
  )
  return daemon
}

let daemons = 0

/** What `slash64 status` prints; waits until the daemon answers. */
export async function answered(host: Host): Promise<string> {
  const once = async () => {
    const { code, stdout } = await host.exec(['slash64', 'status'])
    return code === 0 && stdout
  }
  return until(once, 5000, () => 'the command gets no answer')
}

/** What the plugin answers on its socket to a POST without a body; waits until there is a socket, and then for as long as it takes. */
export async function ask(host: Host, path: string): Promise<{ status: number | undefined; body: string }> {
  const socketPath = join(host.pluginDir, 'slash64.sock')
  const once = () =>
    new Promise<{ status: number | undefined; body: string } | undefined>((resolve, reject) => {
      request({ socketPath, method: 'POST', path, agent: false }, async answer => {
        resolve({ status: answer.statusCode, body: await text(answer) })
      })
        .on('error', (error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined)
          else reject(error)
        })
        .end()
    })
  return until(once, 5000, () => `nobody listens on ${socketPath}`)
}
