// What `npm run plugin -- …` takes.
import { parseArgs } from 'node:util'

export const USAGE = `usage: npm run plugin [-- OPTIONS] [SLASH64_…=VALUE …]
  --name NAME       name of the plugin, slash64 when not given; drivers are called NAME:latest
  --no-enable       make it, do not start it
  --remove          remove it instead, with what it left in the kernel
  --push REFERENCE  make it as REFERENCE and push it there; nothing is installed
  --node-image REF  base image instead of the Dockerfile's: a Debian with Node 24 or later and npm
  SLASH64_…=VALUE   settings, as "docker plugin set" takes them`

export interface PluginOptions {
  readonly name: string
  readonly enable: boolean
  /** Remove the plugin instead of making it. */
  readonly remove: boolean
  /** Where to push to; undefined: install here. */
  readonly push: string | undefined
  /** undefined: the Dockerfile's. */
  readonly nodeImage: string | undefined
  /** `NAME=VALUE`, to be set before the start. */
  readonly settings: readonly string[]
}

/** Reads arguments. Throws an Error that quotes what is not understood. */
export function pluginOptions(args: readonly string[]): PluginOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      'no-enable': { type: 'boolean' },
      remove: { type: 'boolean' },
      push: { type: 'string' },
      'node-image': { type: 'string' },
    },
  })
  const stray = positionals.find(word => !/^SLASH64_\w+=/.test(word))
  if (stray !== undefined) throw new Error(`${JSON.stringify(stray)} is no setting; write SLASH64_NAME=VALUE\n${USAGE}`)
  const { name, push, remove = false, 'no-enable': disabled = false, 'node-image': nodeImage } = values
  const installs = disabled || positionals.length > 0
  if (push !== undefined && (installs || remove || name !== undefined)) {
    throw new Error('--push installs nothing, so that it goes with --node-image only')
  }
  if (remove && (installs || nodeImage !== undefined)) throw new Error('--remove goes with --name only')
  return { name: name ?? 'slash64', enable: !disabled, remove, push, nodeImage, settings: positionals }
}
