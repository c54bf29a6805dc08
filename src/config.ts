// The settings: environment -> frozen Config, one row a setting. The reference page of the settings is made from this
// table.
import { parsePrefix } from './address/prefix.ts'
import { PluginError } from './errors.ts'
import type { Birth } from './state/model.ts'
import { nearest } from './words.ts'

/** pino's, from most to least. */
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Config {
  /** As written; undefined: derived from the machine id. */
  readonly prefix: string | undefined
  readonly allowDocPrefix: boolean
  /** CIDRs in canonical text; none: the own prefix. */
  readonly fleet: readonly string[]
  /** Names of links; none: the links of the default routes. */
  readonly uplinks: readonly string[]
  /** Folder of the state files. */
  readonly state: string
  /** Path of the plugin's unix socket. */
  readonly socket: string
  /** Path of the socket that the command asks. */
  readonly control: string
  /** Path of Docker's own socket; '': never asked. */
  readonly dockerSocket: string
  /** Who brings the links into containers, for networks that do not say. */
  readonly birth: Birth
  readonly logLevel: LogLevel
  /** New flows that one container may hold open, 0: derived from the size of the connection table. */
  readonly flowsFrom: number
  /** New flows that one published address may hold open, 0: derived likewise. */
  readonly flowsTo: number
  /** Folder that holds the host's /run and /proc/sys/net; '': they are where they always are. */
  readonly host: string
}

/**
 * One setting. `default` is what an empty or absent variable means, written as the variable would be; '' is nothing.
 */
export interface Knob<T> {
  readonly env: string
  readonly description: string
  readonly default: string
  /** Throws an Error whose message says what is allowed. */
  readonly parse: (text: string) => T
}

/** Every setting that there is. */
export const knobs: { readonly [K in keyof Config]: Knob<Config[K]> } = {
  prefix: {
    env: 'SLASH64_PREFIX',
    description:
      'IPv6 prefix of this host, /48 to /80, routed to it; without one, a private /64 derived from the machine id',
    default: '',
    parse: text => (text === '' ? undefined : text),
  },
  allowDocPrefix: {
    env: 'SLASH64_ALLOW_DOC_PREFIX',
    description: '1 takes documentation prefixes (2001:db8::/32, 3fff::/20) as SLASH64_PREFIX: for tests',
    default: '0',
    parse: text => oneOf(text, ['0', '1']) === '1',
  },
  fleet: {
    env: 'SLASH64_FLEET',
    description:
      'host prefixes of all hosts that run slash64, or an aggregate that holds nothing else; by default the own prefix',
    default: '',
    parse: text => list(text).map(one => parsePrefix(one).text),
  },
  uplinks: {
    env: 'SLASH64_UPLINKS',
    description: 'links that lead to other hosts; by default those of the default routes',
    default: '',
    parse: text => list(text).map(linkName),
  },
  state: {
    env: 'SLASH64_STATE',
    description: 'folder of the state files',
    default: '/var/lib/slash64',
    parse: absolutePath,
  },
  socket: {
    env: 'SLASH64_SOCKET',
    description: 'unix socket on which the engine finds the plugin',
    default: '/run/docker/plugins/slash64.sock',
    parse: socketPath,
  },
  control: {
    env: 'SLASH64_CONTROL',
    description: 'unix socket on which the command slash64 finds the daemon',
    default: '/run/slash64/control.sock',
    parse: socketPath,
  },
  dockerSocket: {
    env: 'SLASH64_DOCKER_SOCKET',
    description: "Docker's own socket, to learn which networks and containers are gone; off: do not ask",
    default: '/run/docker.sock',
    parse: text => (text === 'off' ? '' : socketPath(text)),
  },
  birth: {
    env: 'SLASH64_BIRTH',
    description: 'who brings the links into containers: sandbox (made there, fast) or engine (moved there by Docker)',
    default: 'sandbox',
    parse: text => oneOf(text, ['sandbox', 'engine']),
  },
  logLevel: {
    env: 'SLASH64_LOG_LEVEL',
    description: `least level that is logged: ${LOG_LEVELS.join(', ')}`,
    default: 'info',
    parse: text => oneOf(text, LOG_LEVELS),
  },
  flowsFrom: {
    env: 'SLASH64_FLOWS_FROM',
    description: 'new flows that one container may hold open; 0 derives it from the size of the connection table',
    default: '0',
    parse: count,
  },
  flowsTo: {
    env: 'SLASH64_FLOWS_TO',
    description:
      'new flows that one published address may hold open; 0 derives it from the size of the connection table',
    default: '0',
    parse: count,
  },
  host: {
    env: 'SLASH64_HOST',
    description: "folder that holds the host's /run and /proc/sys/net, as the managed plugin has them; else empty",
    default: '',
    parse: text => (text === '' ? '' : absolutePath(text).replace(/\/+$/, '')),
  },
}

/**
 * The settings of an environment, frozen. Variables that do not begin with `SLASH64_` are somebody else's. Throws
 * CONFIG_INVALID for a value that cannot be used, CONFIG_UNKNOWN for a `SLASH64_` variable that is no setting.
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  refuseUnknown(Object.keys(env))
  const entries = Object.entries(knobs).map(([name, knob]) => [name, value(knob, env[knob.env])])
  return Object.freeze(Object.fromEntries(entries))
}

function value(knob: Knob<unknown>, text: string | undefined): unknown {
  // Managed plugins and Compose files hand on settings that nobody gave as ''.
  const given = text?.trim() || knob.default
  try {
    return Object.freeze(knob.parse(given))
  } catch (error) {
    const rule = (error as Error).message.replace(/^slash64: /, '')
    throw new PluginError('CONFIG_INVALID', knob.env, given, rule)
  }
}

function refuseUnknown(names: readonly string[]): void {
  const known = Object.values(knobs).map(knob => knob.env)
  const unknown = names.find(name => name.startsWith('SLASH64_') && !known.includes(name))
  if (unknown === undefined) return
  const near = nearest(unknown, known)
  throw new PluginError('CONFIG_UNKNOWN', unknown, near ? `write ${near}` : `there are ${known.join(', ')}`)
}

function oneOf<const T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find(one => one === text)
  if (found === undefined) throw new Error(`write ${allowed.join(', ')}`)
  return found
}

/** Comma separated; spaces around an entry are not part of it. */
function list(text: string): string[] {
  if (text === '') return []
  const entries = text.split(',').map(one => one.trim())
  if (entries.includes('')) throw new Error('an entry is empty; write the entries with one comma between them')
  return entries
}

/** The kernel's rule (dev_valid_name in net/core/dev.c). */
function linkName(name: string): string {
  if (name.length > 15 || /[\s/:]/.test(name) || name === '.' || name === '..') {
    throw new Error(`${JSON.stringify(name)} is no name of a link; write names as "ip link" shows them, such as "eth0"`)
  }
  return name
}

function absolutePath(text: string): string {
  if (!text.startsWith('/') || text.split('/').includes('..')) {
    throw new Error('write an absolute path without ".."')
  }
  return text
}

/** The kernel's limit: sun_path of unix(7) holds 107 bytes and a NUL. */
function socketPath(text: string): string {
  if (Buffer.byteLength(text) > 107) throw new Error('write a path of at most 107 bytes')
  return absolutePath(text)
}

function count(text: string): number {
  if (!/^(0|[1-9]\d{0,8})$/.test(text)) throw new Error('write a whole number from 0 to 999999999')
  return Number(text)
}
