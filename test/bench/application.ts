// slash64 as users run it, plain JavaScript out of `npm run build`, and the do-nothing driver beside it, both on machines of the lab.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { build, strip } from '../../src/install/build.ts'
import { NODE_FLAGS } from '../../src/install/flags.ts'
import type { Host } from '../lab/host.ts'
import { atExit } from '../lab/leftovers.ts'
import { type Running, tail } from '../lab/process.ts'

/** What slash64 is started with. */
export const ENVIRONMENT = {
  SLASH64_PREFIX: '2001:db8:100:a::/64',
  SLASH64_ALLOW_DOC_PREFIX: '1',
} as const

/** What its networks are created with. */
export const OURS = ['-d', 'slash64', '--ipam-driver', 'slash64', '--ipv4=false', '--ipv6'] as const

/** The same of the do-nothing driver. */
export const FLOOR = ['-d', 'floor', '--ipam-driver', 'floor', '--ipv4=false', '--ipv6'] as const

/** A daemon that answers, and how long that took from its start, in milliseconds. */
export interface Started {
  readonly running: Running
  readonly socket: string
  readonly ms: number
}

/** Starts the built slash64 on a host, and waits until it answers. `node`: flags for Node. Throws with the end of its log when it ends instead. */
export function startSlash64(
  host: Host,
  env: Readonly<Record<string, string>> = {},
  node: readonly string[] = [],
): Promise<Started> {
  const argv = [process.execPath, ...NODE_FLAGS, ...node, join(application(), 'src/main.js')]
  return started(host, 'slash64', argv, { ...ENVIRONMENT, ...env })
}

/** Starts the do-nothing driver, likewise. */
export function startFloor(host: Host, node: readonly string[] = []): Promise<Started> {
  const argv = [process.execPath, ...node, join(application(), 'floor.mjs'), '/run/docker/plugins/floor.sock']
  return started(host, 'floor', argv, {})
}

let folder: string | undefined

/** The folder of the built application, made at first use and removed with this process. */
export function application(): string {
  if (folder !== undefined) return folder
  const made = mkdtempSync(join(tmpdir(), 'slash64-bench-'))
  atExit(() => rmSync(made, { recursive: true, force: true }))
  build(made)
  writeFileSync(join(made, 'floor.mjs'), strip(readFileSync(join(import.meta.dirname, 'start-floor.ts'), 'utf8')))
  folder = made
  return made
}

const PATIENCE_MS = 60_000

async function started(
  host: Host,
  name: string,
  argv: readonly string[],
  env: Record<string, string>,
): Promise<Started> {
  const socket = join(host.pluginDir, `${name}.sock`)
  rmSync(socket, { force: true }) // of one before: it would only be refused, but who looks while it goes is confused
  const began = performance.now()
  const running = host.spawn(argv, { label: name, env })
  while (!(await answers(socket))) {
    const late = performance.now() - began > PATIENCE_MS
    if (late || !running.running) throw new Error(`${argv.join(' ')} does not answer\n${tail(running.log())}`)
    await sleep(1)
  }
  return { running, socket, ms: performance.now() - began }
}

function answers(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const question = request({ socketPath, path: '/Plugin.Activate', method: 'POST', agent: false }, answer => {
    answer.resume().on('end', () => resolve(answer.statusCode === 200))
  })
  question.on('error', () => resolve(false))
  question.end()
  return promise
}

/** Memory of a process that is in RAM and only its own or shared, in MB of 2^20 bytes (VmRSS of proc(5)). */
export function rss({ running }: Started): number {
  const status = readFileSync(`/proc/${running.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}
