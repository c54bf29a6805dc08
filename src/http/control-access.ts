// Who may ask on the control socket: whoever may use Docker's own.
import { readFileSync, statSync } from 'node:fs'

/** Debian, Fedora and Docker's own packages call it so. */
const DOCKER_GROUP = 'docker'
const ROOT = 0

/**
 * The number of the group of Docker's socket. Where there is none (yet, or '': it is never asked): that of the group `docker`; where that is missing: root's.
 */
export function controlGroup(dockerSocket: string, groups = readGroups()): number {
  return groupOf(dockerSocket) ?? groups.find(({ name }) => name === DOCKER_GROUP)?.number ?? ROOT
}

/** A group as people call it, by the file that it owns: `the group "docker"`, or by its number where it has no name here. */
export function groupOwning(path: string, groups = readGroups()): string {
  const number = groupOf(path)
  if (number === undefined) return `the group ${JSON.stringify(DOCKER_GROUP)}`
  const name = groups.find(group => group.number === number)?.name
  return name === undefined ? `the group with the number ${number}` : `the group ${JSON.stringify(name)}`
}

export interface Group {
  readonly name: string
  readonly number: number
}

/** group(5): NAME:PASSWORD:NUMBER:MEMBERS, a line each. Other lines (of NIS) are passed over. */
export function parseGroups(text: string): Group[] {
  const lines = text.matchAll(/^([^:\n]+):[^:\n]*:(\d+):/gm)
  return [...lines].map(([, name = '', number]) => ({ name, number: Number(number) }))
}

function readGroups(): Group[] {
  try {
    return parseGroups(readFileSync('/etc/group', 'utf8'))
  } catch {
    return []
  }
}

function groupOf(path: string): number | undefined {
  try {
    return statSync(path).gid
  } catch {
    return undefined
  }
}
