// Composition root: configuration, state and kernel are brought together, brought into line, and only then the socket opens.
import { randomInt } from 'node:crypto'
import { type Logger, pino } from 'pino'
import { type Config, parseConfig } from './config.ts'
import { Daemon } from './daemon.ts'
import { readInventory, readNames } from './docker/inventory.ts'
import { PluginError } from './errors.ts'
import { startControl } from './http/control.ts'
import { listen } from './http/listen.ts'
import { passedSocket } from './http/passed.ts'
import { createServer, type Submit } from './http/server.ts'
import { ForwardPolicyWatch } from './kernel/forward-policy-watch.ts'
import { HostFiles } from './kernel/host-files.ts'
import { Kernel } from './kernel/kernel.ts'
import { Reconciler } from './reconcile.ts'
import { start } from './startup.ts'
import type { CommandOf, CommandType } from './state/command.ts'
import type { EndpointId, NetworkId } from './state/model.ts'
import type { State } from './state/state.ts'
import { Store } from './store/store.ts'
import { version } from './version.ts'

async function main(): Promise<void> {
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime })
  try {
    const config = parseConfig(process.env)
    log.level = config.logLevel
    // Before anything is done: a wrong unit is to change nothing.
    const socket = passedSocket(process.env, process.pid) ?? config.socket
    await run({ config, socket, files: new HostFiles(config.host), log })
  } catch (error) {
    if (error instanceof PluginError) log.fatal(error.message)
    else log.fatal({ err: error }, 'slash64 cannot run')
    process.exitCode = 1
  }
}

/** What a run is given. */
interface Surroundings {
  readonly config: Config
  /** Where the engine finds the plugin: a path, or a descriptor that systemd opened. */
  readonly socket: string | { readonly fd: number }
  readonly files: HostFiles
  readonly log: Logger
}

async function run(surroundings: Surroundings): Promise<void> {
  surroundings.files.check()
  const store = Store.open(surroundings.config.state)
  try {
    await serve(surroundings, store)
  } finally {
    store.close()
  }
}

async function serve({ config, socket, files, log }: Surroundings, store: Store): Promise<void> {
  using kernel = new Kernel({
    onError: error => log.error({ err: error }, 'a link could not be deleted'),
    sysctlRoot: files.settings,
  })
  const { state, prefix, boot, options, record } = start({ config, store, kernel, log })
  const context = () => ({ now: Date.now(), random: randomInt(2 ** 31), boot, prefix, birth: config.birth })
  const daemon = new Daemon({ state, kernel, store, context, log })
  const submit: Submit = command => daemon.submit(onThisSide(command, files))
  const app = createServer({ submit, log, named: ids => namesIn(state, ids) })
  const inventory = () => readInventory(files.path(config.dockerSocket))
  const rememberEngine = (engine: string) => store.writeHost({ ...record, engine })
  const reconciler = new Reconciler({ state, submit, log, inventory, engine: record.engine, rememberEngine })
  void kernel.flush().catch(() => undefined)
  using forwardPolicy = new ForwardPolicyWatch(log, files.path('/run/xtables.lock'))
  forwardPolicy.start()
  await listen(app, socket)
  const facts = { version, prefix, fleet: options.fleet, uplinks: options.uplinks }
  const control = await startControl({ state, facts, log, ...controlPaths(config, files) })
  const { networks, endpoints } = state
  log.info(
    { prefix: prefix.text, uplinks: options.uplinks, networks: networks.size, endpoints: endpoints.size },
    'ready',
  )
  if (config.dockerSocket !== '') reconciler.start()
  await signalled()
  reconciler.stop()
  await control.close()
  await app.close()
  await kernel.flush()
}

/** Where the command finds the daemon, and the daemon what Docker calls things. */
function controlPaths(config: Config, files: HostFiles) {
  const dockerSocket = files.path(config.dockerSocket)
  const names = dockerSocket === '' ? {} : { names: () => readNames(dockerSocket) }
  return { path: files.path(config.control), dockerSocket, ...names }
}

/** Join names the sandbox by the host's path. */
function onThisSide<T extends CommandType>(command: CommandOf<T>, files: HostFiles): CommandOf<T> {
  return 'sandbox' in command ? { ...command, sandbox: files.path(command.sandbox) } : command
}

/** Group and address, for the log: ids say little to a reader. */
function namesIn(state: State, { network, endpoint }: { network: string | undefined; endpoint: string | undefined }) {
  const group = state.networks.get(network as NetworkId)?.groupName
  const address = state.endpoints.get(endpoint as EndpointId)?.address
  return { ...(group === undefined ? {} : { group }), ...(address === undefined ? {} : { address }) }
}

function signalled(): Promise<unknown> {
  const signals = ['SIGTERM', 'SIGINT'] as const
  return Promise.race(signals.map(signal => new Promise(resolve => process.once(signal, resolve))))
}

process.title = 'slash64'
await main()
