// Network namespaces on a machine of the lab, to be sandboxes of containers that are not there.
import type { Machine } from '../lab/machine.ts'

/** Makes them; resolves to their paths as the engine would give them (SandboxKey). They go with the machine. */
export async function addSandboxes(machine: Machine, names: readonly string[]): Promise<string[]> {
  await machine.check(['ip', '-batch', '-'], { input: names.map(name => `netns add ${name}\n`).join('') })
  return names.map(name => `/run/netns/${name}`)
}
