// Where the host's files are: in their own place, or below the folder into which the managed plugin has them mounted. The engine
// gives a plugin a read-only /proc/sys and a /run of its own.
import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PluginError } from '../errors.ts'

/** Any setting that has to be written: one that every kernel with IPv6 has. */
const A_SETTING = 'net/ipv6/conf/all/forwarding'

export class HostFiles {
  readonly #folder: string

  /** `folder`: Config.host, '' where the host's files are in their own place. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** The tree of kernel settings that can be written. */
  get settings(): string {
    return this.path('/proc/sys')
  }

  /**
   * Where the host's file `path` is for this process; '' stays ''. The engine writes /var/run for /run in the keys of sandboxes, which is the same
   * folder on every host that it supports (Filesystem Hierarchy Standard 3.0, 5.13), and a link that leads nowhere in the plugin.
   */
  path(path: string): string {
    if (this.#folder === '' || path === '') return path
    return join(this.#folder, path.replace(/^\/var\/run\//, '/run/'))
  }

  /**
   * Sees to it that what is needed of the host can be seen and written, before anything is done. Throws SETTINGS_READ_ONLY, and HOST_UNSEEN where the
   * mount would not show the sandboxes of containers that start later.
   */
  check(): void {
    const setting = join(this.settings, A_SETTING)
    try {
      accessSync(setting, constants.W_OK)
    } catch (error) {
      throw new PluginError('SETTINGS_READ_ONLY', setting, (error as NodeJS.ErrnoException).code ?? String(error))
    }
    if (this.#folder === '') return
    const run = this.path('/run')
    if (!followsHost(readFileSync('/proc/self/mountinfo', 'utf8'), run)) throw new PluginError('HOST_UNSEEN', run)
  }
}

/**
 * Whether mounts that the host makes below its /run appear at `point` too. `mountinfo`: /proc/PID/mountinfo (proc(5)), whose optional fields say
 * `master:N` for a mount that follows another one. `shared:N` alone says nothing: the engine makes a plugin's own mounts shared among each other.
 */
export function followsHost(mountinfo: string, point: string): boolean {
  const lines = mountinfo.split('\n').map(line => line.split(' '))
  const last = lines.findLast(fields => unescaped(fields[4] ?? '') === point)
  if (last === undefined) return false
  return last.slice(6, last.indexOf('-')).some(field => field.startsWith('master:'))
}

/** Spaces and the like are written in octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
