// The machine that was measured, in the words of those who would buy one.
import { readFileSync } from 'node:fs'
import { availableParallelism, machine, release, totalmem } from 'node:os'
import { ensureLab } from '../lab/setup.ts'

/** Facts by their names, in the order to print them. Sets the lab up when it is not. */
export async function describeMachine(): Promise<Readonly<Record<string, string>>> {
  const { engine, nft } = await ensureLab()
  const cpuinfo = readFileSync('/proc/cpuinfo', 'utf8')
  return {
    CPU: `${cpuModel(cpuinfo) ?? machine()}${/\bhypervisor\b/.test(cpuinfo) ? ', in a virtual machine' : ''}`,
    cores: String(availableParallelism()),
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    'Docker Engine': engine,
    'Node.js': process.versions.node,
    nft,
  }
}

/** Of /proc/cpuinfo; undefined where the architecture does not name it (arm64). */
export function cpuModel(cpuinfo: string): string | undefined {
  return /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1]?.trim()
}
