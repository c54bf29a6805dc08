// How the managed plugin starts the daemon (plugin-config.json, `entrypoint`).
import { once } from 'node:events'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Settings that the plugin's own mounts fix. They are not in plugin-config.json: the engine keeps the environment of the first installation through
 * every upgrade (moby daemon/pkg/plugin/manager_linux.go, upgradePlugin), so a newer plugin could not change them.
 */
export const fixedSettings = { SLASH64_HOST: '/host' } as const

/** Milliseconds; the engine gives up a start after 12.5 s (pluginPostStart, there), and sends SIGTERM. */
const GIVEN_UP = 15_000

if (import.meta.main) {
  Object.assign(process.env, fixedSettings)
  // Written at the end of a run, so that later starts are faster: the engine looks for the socket 0.5 s after a start, and next 3 s later. Not in the
  // image: V8 compiles no program twice to the same bytes.
  enableCompileCache(join(import.meta.dirname, '../.compiled'))
  await import('./main.ts')
  // A start that was refused waits for the engine to give it up. What ends by itself is started again behind the back of "docker plugin enable", and that
  // second start, when it is given up in its turn, takes the next "enable" with it, which may be the one with the right settings.
  if (process.exitCode !== undefined) await Promise.race([once(process, 'SIGTERM'), sleep(GIVEN_UP)])
  process.exit()
}
