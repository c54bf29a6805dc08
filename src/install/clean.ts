// Takes everything out of the kernel that slash64 put there, after its last run: nothing of it goes by itself, so that containers keep their network and
// their rules while no daemon runs.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { LINK_PREFIX } from '../address/plan.ts'
import { diff } from '../dataplane/diff.ts'
import { type Item, keyOf } from '../dataplane/item.ts'
import { hostTables } from '../dataplane/ruleset.ts'
import { PluginError } from '../errors.ts'
import { Kernel } from '../kernel/kernel.ts'
import { observe } from '../kernel/observe.ts'

/**
 * Removes our tables, links, routes, neighbours, the host's own addresses, and our rules in iptables, in the network namespace of this process; resolves to what
 * was removed, as words such as `table inet slash64`. Settings of the kernel stay as they are (forwarding may be others' by now). Throws
 * TABLES_REFUSED, before anything is removed, where a daemon runs, and the error of the first step that failed, after the others were tried.
 */
export async function cleanKernel(): Promise<string[]> {
  const errors: unknown[] = []
  using kernel = new Kernel({ onError: error => errors.push(error) })
  const tables = tableItems(kernel)
  own(kernel, tables)
  // With a table go its elements.
  const there = observe(kernel, tables, undefined).filter(({ kind }) => kind !== 'element')
  errors.push(...kernel.repair(diff(there, [])).map(({ error }) => error))
  const rules = removeAccepts()
  await kernel.flush()
  if (errors.length > 0) throw errors[0]
  return [...there.map(keyOf), ...rules]
}

/** Our tables as items. Only their names and flags count here. */
function tableItems(kernel: Kernel): Item[] {
  const options = { prefixes: [], fleet: [], uplinks: [], owned: kernel.ownsTables, flowsFrom: 1, flowsTo: 1 }
  return hostTables(options).map(ruleset => {
    const { family, name } = ruleset.table
    return { kind: 'table', family, name, digest: '', ruleset }
  })
}

/** A table that a running daemon owns cannot be taken over: that is how we know of it, wherever it runs. */
function own(kernel: Kernel, tables: readonly Item[]): void {
  const there = observe(kernel, tables, undefined)
    .filter(({ kind }) => kind === 'table')
    .map(keyOf)
  try {
    kernel.adopt(tables.filter(table => there.includes(keyOf(table))))
  } catch (error) {
    throw (error as { readonly code?: unknown }).code === 'EPERM' ? new PluginError('TABLES_REFUSED') : error
  }
}

/** The two rules that the daemon writes to FORWARD where its policy is drop, through the programs whose rules they are. */
function removeAccepts(): string[] {
  const programs = ['ip6tables-nft', ...(hasLegacyTable() ? ['ip6tables-legacy'] : [])]
  return programs.flatMap(program =>
    ['-o', '-i'].flatMap(direction => {
      const rule = ['FORWARD', direction, `${LINK_PREFIX}+`, '-j', 'ACCEPT']
      return succeeds(program, ['-w', '-C', ...rule]) && succeeds(program, ['-w', '-D', ...rule])
        ? [`${program} ${rule.join(' ')}`]
        : []
    }),
  )
}

/** Asking for a legacy table that nobody made would make it. */
function hasLegacyTable(): boolean {
  const names = '/proc/net/ip6_tables_names'
  return existsSync(names) && readFileSync(names, 'utf8').split('\n').includes('filter')
}

function succeeds(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
