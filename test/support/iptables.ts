// Both kinds of ip6tables from the lab's packages, run in a namespace: what others write with.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lab } from '../lab/setup.ts'
import type { Netns } from './netns.ts'

export type Kind = 'nft' | 'legacy'
type Program = 'ip6tables' | 'ip6tables-save' | 'ip6tables-restore'

/** Runs `ip6tables WORDS` (of one string) and returns its output. Throws with its words when it fails. */
export function ip6tables(ns: Netns, kind: Kind, words: string): string {
  return run(ns, kind, 'ip6tables', words.split(' '))
}

/** `ip6tables-save -c`, without comments. */
export function save(ns: Netns, kind: Kind): string[] {
  const text = run(ns, kind, 'ip6tables-save', ['-c'])
  return text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
}

/** Loads the lines of a table filter, with their counters, in place of what is there. */
export function restore(ns: Netns, kind: Kind, lines: readonly string[]): void {
  const text = ['*filter', ...lines, 'COMMIT', ''].join('\n')
  ns.exec('sh', '-c', `printf %s "$1" | { ${script(kind, 'ip6tables-restore').replace('"$@"', '-c')} }`, 'sh', text)
}

function run(ns: Netns, kind: Kind, program: Program, args: readonly string[]): string {
  return ns.exec('sh', '-c', script(kind, program), program, ...args)
}

/** The lab has wrappers for the programs over nf_tables; those over ip6_tables lie in the same tree. */
function script(kind: Kind, program: Program): string {
  const text = readFileSync(join(lab.tools, program), 'utf8')
  return kind === 'nft' ? text : text.replace('xtables-nft-multi', 'xtables-legacy-multi')
}
