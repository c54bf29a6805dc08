// Docker, the state files and the kernel tell one story, and nothing is left over.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '../lab/host.ts'
import { hostPrefixes, present, storedNetworks } from './present.ts'
import { lines, look, promised, type Story } from './promised.ts'

const PATIENCE_MS = 3000

/**
 * Throws an AssertionError with both sides when Docker, the state files and the kernel (links, also dying ones, routes, neighbours,
 * addresses, set elements, the containers' own namespaces) do not agree within 3 s. Docker and slash64 must be running.
 */
export async function assertConsistent(host: Host): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const view = await look(host)
    const prefixes = await hostPrefixes(host)
    const differences = compare(promised(view, prefixes, storedNetworks(host)), await present(host, view))
    if (prefixes.length === 0) differences.push('the set host_prefix is empty')
    if (differences.length === 0) return
    if (performance.now() > deadline) assert.fail(`${differences.join('\n')}\n${host.logTail()}`)
    await sleep(50)
  }
}

function compare(wanted: Story, found: Story): string[] {
  const subjects = [...new Set([...Object.keys(wanted), ...Object.keys(found)])]
  return subjects.flatMap(subject => {
    const [should, is] = [wanted[subject] ?? [], found[subject] ?? []]
    if (should.join('\n') === is.join('\n')) return []
    return [`${subject}:`, ...should.map(line => `  should be: ${line}`), ...is.map(line => `  is:        ${line}`)]
  })
}

/** Removes every container and every slash64 network. */
export async function removeAll(host: Host): Promise<void> {
  const containers = lines(await host.docker('ps', '-aq'))
  if (containers.length > 0) await host.docker('rm', '-f', ...containers)
  const networks = lines(await host.docker('network', 'ls', '-q', '--filter', 'type=custom'))
  if (networks.length > 0) await host.docker('network', 'rm', ...networks)
}

/** The end of every test of the engine: all agrees, and after everything was removed nothing but the tables and the prefix stays. */
export async function cleanUp(host: Host): Promise<void> {
  try {
    await assertConsistent(host)
  } finally {
    await removeAll(host)
  }
  await assertConsistent(host)
}
