// What a lab machine leaves on the real one is a folder and control groups, both of one name that says which process made it.
// They are removed with the machine, at the end of the process however it ends, or, after a kill -9, by the next one that looks.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const mark = 'slash64-lab-'

/** `slash64-lab-<pid>.<start time of the process>-<name>`, so that a pid that was used again is not mistaken for its owner. */
const owned = new RegExp(`^${mark}(\\d+)\\.(\\d+)-`)

/** The start time of a process in clock ticks since boot (proc(5), stat field 22), or undefined when there is none. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] // the name in brackets may hold spaces
  } catch {
    return undefined
  }
}

/** Makes the folder of machine `name` and answers its path. Throws when this process has a machine of that name already. */
export function makeFolder(name: string): string {
  const folder = join(tmpdir(), `${mark}${process.pid}.${startTime(process.pid)}-${name}`)
  if (existsSync(folder)) throw new Error(`a lab machine "${name}" is up already: give this one another name`)
  mkdirSync(folder)
  return folder
}

/** Removes the leftovers of processes that are gone. Answers their names. */
export function sweep(temporary = tmpdir()): string[] {
  const dead = readdirSync(temporary).filter(name => {
    const [, pid, start] = owned.exec(name) ?? []
    return pid !== undefined && startTime(Number(pid)) !== start
  })
  for (const name of dead) removeFolder(join(temporary, name))
  return dead
}

/** Removes a machine's folder and the control groups of its containers and managed plugins. Its processes must be gone. */
export function removeFolder(folder: string): void {
  const plugins = join(folder, 'disk/var/lib/docker/plugins')
  const ids = existsSync(plugins) ? readdirSync(plugins).filter(name => /^[0-9a-f]{64}$/.test(name)) : []
  removeControlGroups(new Set([basename(folder), ...ids]))
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

/** Removes control groups by name, and all below them, wherever they are: the engine nests them below its own on some hierarchies. */
function removeControlGroups(names: ReadonlySet<string>, path = '/sys/fs/cgroup', doomed = false): void {
  for (const name of groupsIn(path)) removeControlGroups(names, join(path, name), doomed || names.has(name))
  if (doomed) removeControlGroup(path)
}

/** The groups directly in a group; none when somebody else removed it meanwhile. */
function groupsIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true })
    return entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
  } catch {
    return []
  }
}

function removeControlGroup(path: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      rmdirSync(path)
      return
    } catch (error) {
      if (!existsSync(path)) return
      if (attempt === 20) throw error // a killed process leaves its group a moment later
      pause(20)
    }
  }
}

/** Blocks for some milliseconds: the last clean-up runs when no event loop is left. */
export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

const cleanups = new Set<() => void>()

/** Registers a synchronous clean-up for the end of this process, by Ctrl-C, SIGTERM and crashes too. Answers how to take it back. */
export function atExit(cleanup: () => void): () => void {
  if (cleanups.size === 0) listen()
  cleanups.add(cleanup)
  return () => {
    cleanups.delete(cleanup)
  }
}

let listening = false

function listen(): void {
  if (listening) return
  listening = true
  const clean = () => {
    for (const cleanup of [...cleanups].reverse()) cleanup()
    cleanups.clear()
  }
  process.on('exit', clean)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      clean()
      process.kill(process.pid, signal)
    })
  }
}
