// What a page of the documentation runs on: machines by name, with what its reader has installed.
import { join } from 'node:path'
import { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { repository } from '../lab/setup.ts'
import { assertConsistent } from './clean.ts'
import type { SetUp } from './docs.ts'
import { installPlugin } from './plugin.ts'
import { lines } from './promised.ts'
import { bareHost, ENVIRONMENT, runs, Stage } from './stage.ts'
import { A, B, TwoHosts } from './two-hosts.ts'

/** What the daemon of a host is started with, by the host's name on the page; a host that is not named has none. */
type Daemons = Readonly<Record<string, (env: Record<string, string>) => Promise<void>>>

export class Ground implements AsyncDisposable {
  /** By the names that pages use; the first is where commands run that name none. */
  readonly machines: Readonly<Record<string, Machine>>
  readonly #daemons: Daemons
  readonly #stage: AsyncDisposable
  /** Machines whose daemon has settings of the page. */
  readonly #changed = new Set<string>()

  private constructor(stage: AsyncDisposable, machines: Record<string, Machine>, daemons: Daemons) {
    this.#stage = stage
    this.machines = machines
    this.#daemons = daemons
  }

  /** Everything runs when this resolves. */
  static async up(setUp: SetUp): Promise<Ground> {
    const ground = await grounds[setUp]()
    for (const machine of Object.values(ground.machines)) await equip(machine)
    return ground
  }

  static async host(): Promise<Ground> {
    const stage = await Stage.up({ name: 'docs' })
    const { host, topology } = stage
    const daemon = (env: Record<string, string>) => host.startSlash64({ ...ENVIRONMENT, ...env })
    return new Ground(stage, { host, internet: topology.internet, router: topology.router }, { host: daemon })
  }

  static async twoHosts(): Promise<Ground> {
    const stage = await TwoHosts.up()
    const { a, b, topology } = stage
    const shared = { SLASH64_ALLOW_DOC_PREFIX: '1', SLASH64_FLEET: `${A.prefix},${B.prefix}`, SLASH64_PREFIX: A.prefix }
    const daemons: Daemons = {
      a: env => a.startSlash64({ ...shared, ...env }),
      b: env => stage.startB(env),
    }
    return new Ground(stage, { a, b, internet: topology.internet, router: topology.router }, daemons)
  }

  static async clone(): Promise<Ground> {
    const bare = await bareHost('docs')
    const { host, topology } = bare
    return new Ground(bare, { host, internet: topology.internet, router: topology.router }, {})
  }

  static async plugin(): Promise<Ground> {
    // A host that stays when the installation fails would keep the file from ending.
    await using stack = new AsyncDisposableStack()
    const { host, topology } = stack.use(await bareHost('docs'))
    await installPlugin(host, ENVIRONMENT)
    return new Ground(stack.move(), { host, internet: topology.internet, router: topology.router }, {})
  }

  /**
   * What happens to a host by itself: `stop slash64`, `start slash64 [NAME=VALUE…]`. Throws when the words mean nothing, or the daemon does not
   * start.
   */
  async happen(machine: string, words: readonly string[]): Promise<void> {
    const [verb, name, ...settings] = words
    const host = this.machines[machine]
    const start = this.#daemons[machine]
    if (!(host instanceof Host) || !start || name !== 'slash64')
      throw new Error(`"${words.join(' ')}" means nothing on ${machine}`)
    if (verb === 'stop') await host.stopSlash64()
    else if (verb === 'start') {
      await start(Object.fromEntries(settings.map(one => one.split(/=(.*)/).slice(0, 2))))
      this.#changed[settings.length > 0 ? 'add' : 'delete'](machine)
    } else throw new Error(`"${words.join(' ')}" means nothing: write "stop slash64" or "start slash64 NAME=VALUE"`)
  }

  /** What a page has left behind on the hosts, in words. Where it is not empty, nobody else may use them. */
  async leftovers(): Promise<string[]> {
    const found: string[] = []
    for (const [name, machine] of Object.entries(this.machines))
      if (machine instanceof Host) found.push(...(await this.#leftOn(name, machine)).map(what => `${name}: ${what}`))
    return found
  }

  async #leftOn(name: string, host: Host): Promise<string[]> {
    const looks = {
      container: ['ps', '-a', '--format', '{{.Names}}'],
      network: ['network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}}'],
      volume: ['volume', 'ls', '--format', '{{.Name}}'],
    }
    const found: string[] = []
    for (const [kind, look] of Object.entries(looks))
      found.push(...lines(await host.docker(...look)).map(one => `the ${kind} ${one} is left`))
    if (!this.#daemons[name]) return found
    if (!runs(() => host.slash64)) return [...found, 'slash64 does not run']
    if (this.#changed.has(name)) found.push('slash64 runs with other settings')
    await assertConsistent(host).catch(error => found.push(error.message))
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stage[Symbol.asyncDispose]()
  }
}

const grounds: Readonly<Record<SetUp, () => Promise<Ground>>> = {
  host: Ground.host,
  'two hosts': Ground.twoHosts,
  clone: Ground.clone,
  plugin: Ground.plugin,
}

/**
 * The command slash64, ping and nc as they are in the image busybox, whatever the real machine has, and the one way to ask journalctl for the logs of
 * slash64 and of dockerd, which have no journal here.
 */
async function equip(machine: Machine): Promise<void> {
  const flags = '--conditions=nftables-js-source --disable-warning=ExperimentalWarning'
  const command = `#!/bin/sh\nexec '${process.execPath}' ${flags} '${join(repository, 'src/cli.ts')}' "$@"\n`
  const logs = Object.entries({ slash64: 'slash64', docker: 'dockerd' }).map(
    ([unit, log]) => `[ "$*" = "-u ${unit} -o cat" ] && exec cat '${join(machine.dir, 'log', `${log}.log`)}'\n`,
  )
  const journal = `#!/bin/sh\n${logs.join('')}exit 1\n`
  for (const [name, input] of Object.entries({ slash64: command, journalctl: journal }))
    await machine.check(['sh', '-ec', `cd /usr/local/bin; cat > ${name}; chmod +x ${name}`], { input })
  const tools = 'for name in ping nc wget; do ln -sf "$(command -v busybox)" /usr/local/bin/$name; done'
  await machine.check(['sh', '-ec', tools])
}

/** A clone of this repository on the machine, as it is now, in a folder of its own: what is written there stays there. */
export async function cloneOn(machine: Machine, name: string): Promise<string> {
  const folder = join(machine.dir, 'home', name, 'slash64')
  const script = `
    mkdir -p '${folder}' '${folder}.upper' '${folder}.work'
    mount -t overlay overlay -o 'lowerdir=${repository},upperdir=${folder}.upper,workdir=${folder}.work' '${folder}'`
  await machine.check(['sh', '-ec', script])
  return folder
}
