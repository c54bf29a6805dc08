// A real systemd on a lab machine: its tools, and systemd itself as pid 1 with units, journal and boot order.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Machine } from './machine.ts'
import { type Output, processTree, type Running, type RunOptions, run, succeed, until } from './process.ts'
import { repository } from './setup.ts'
import { systemdTree } from './systemd-packages.ts'

/** Gives a machine systemd's programs where the real one has none. */
export async function provideSystemd(machine: Machine): Promise<void> {
  if (!existsSync(systemdTree)) return
  const copy = 'for one in usr bin sbin lib; do [ ! -d "$0/$one" ] || cp -a "$0/$one/." "/$one/"; done'
  await machine.check(['sh', '-c', copy, systemdTree])
}

/** What systemd starts of itself and a machine of namespaces cannot have, or would do to the real one. */
const MASKED = [
  ...['systemd-udevd.service', 'systemd-udev-trigger.service', 'systemd-logind.service', 'systemd-sysctl.service'],
  ...[
    'systemd-modules-load.service',
    'systemd-timesyncd.service',
    'systemd-networkd.service',
    'systemd-resolved.service',
  ],
  ...['systemd-tmpfiles-setup-dev.service', 'systemd-tmpfiles-clean.timer', 'systemd-update-utmp.service'],
  ...[
    'dbus.service',
    'dbus.socket',
    'getty.target',
    'dev-hugepages.mount',
    'dev-mqueue.mount',
    'sys-kernel-debug.mount',
  ],
  ...['sys-kernel-tracing.mount', 'nftables.service', 'systemd-journal-flush.service'],
]

/** The shells before it start programs of their own. */
function isSystemd(pid: number): boolean {
  const file = `/proc/${pid}/comm`
  return existsSync(file) && readFileSync(file, 'utf8') === 'systemd\n'
}

/** systemd as pid 1 of a machine, until it is ended or the machine is. Programs that it starts see pids of their own. */
export class Systemd {
  readonly #machine: Machine
  readonly #running: Running
  readonly #pid: number

  private constructor(machine: Machine, running: Running, pid: number) {
    this.#machine = machine
    this.#running = running
    this.#pid = pid
  }

  /** Takes the units of the real machine away. Once for a machine: its disk outlives power cuts. */
  static async prepare(machine: Machine): Promise<void> {
    await provideSystemd(machine)
    const masks = MASKED.map(unit => `ln -s /dev/null /etc/systemd/system/${unit}`)
    const script = [
      'rm -rf /etc/systemd/system/* /etc/fstab',
      'ln -s /lib/systemd/system/multi-user.target /etc/systemd/system/default.target',
      ...masks,
      'mkdir -p /etc/systemd/journald.conf.d',
      'printf "[Journal]\\nReadKMsg=no\\nStorage=volatile\\n" > /etc/systemd/journald.conf.d/lab.conf',
    ]
    await machine.check(['sh', '-euc', script.join('\n')])
  }

  /** Boots it (1 s), and waits until every unit that is enabled has started or failed. */
  static async boot(machine: Machine): Promise<Systemd> {
    const script = join(import.meta.dirname, 'systemd.sh')
    const running = machine.spawn(['sh', script, machine.controlGroup, repository], { label: 'systemd' })
    const pid = await until(
      () => running.running && processTree(running.pid).find(isSystemd),
      5000,
      () => `systemd did not start: ${running.log()}`,
    )
    const systemd = new Systemd(machine, running, pid)
    const settled = async () => /running|degraded/.test((await systemd.exec(['systemctl', 'is-system-running'])).stdout)
    await until(settled, 60_000, () => `systemd did not come up on ${machine.name}: ${running.log()}`)
    return systemd
  }

  /** Runs a program beside its units. Never throws for an exit code. */
  exec(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    return run(this.#enter(argv), { ...options, env: this.#environment })
  }

  /** Runs a program and resolves to its standard output. Throws CommandError when its exit code is not 0. */
  check(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    return succeed(this.#enter(argv), { ...options, env: this.#environment })
  }

  /** A property of a unit, as `systemctl show` has it. */
  async show(unit: string, property: string): Promise<string> {
    return (await this.check(['systemctl', 'show', '--value', '-p', property, unit])).trim()
  }

  /** Stops every unit in order, as a shutdown does, and waits for the end. */
  async powerOff(): Promise<void> {
    await this.exec(['systemctl', 'poweroff'])
    await this.#running.stop('SIGCONT', 60_000)
  }

  get #environment(): Record<string, string> {
    return {
      PATH: `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: join(this.#machine.dir, 'home'),
      LANG: 'C.UTF-8',
    }
  }

  #enter(argv: readonly string[]): string[] {
    return ['nsenter', '-t', String(this.#pid), '-m', '-n', '-p', '-u', '-i', '-C', '--', ...argv]
  }
}
