// Composition root: configuration, state and kernel are brought together, brought into line, and only then the socket opens.
import { randomInt } from 'node:crypto'
import { type Logger, pino } from 'pino'
import { checkNotOnLink } from './address/prefix.ts'
import { type Config, parseConfig } from './config.ts'
import { Daemon } from './daemon.ts'
import { hostItems } from './dataplane/host.ts'
import { project } from './dataplane/project.ts'
import { readInventory, readNames } from './docker/inventory.ts'
import { PluginError } from './errors.ts'
import { startControl } from './http/control.ts'
import { listen } from './http/listen.ts'
import { createServer, type Submit } from './http/server.ts'
import { ForwardPolicyWatch } from './kernel/forward-policy-watch.ts'
import { HostFiles } from './kernel/host-files.ts'
import { bootId, Kernel } from './kernel/kernel.ts'
import { defaultUplinks, foreignLinks, listeningLinks, uplinkMtu } from './kernel/uplinks.ts'
import { Reconciler } from './reconcile.ts'
import { bringIntoLine, forgetLost, forgetPools, hostPrefix, rulesetOptions, wayOfInternal } from './startup.ts'
import type { CommandOf, CommandType } from './state/command.ts'
import type { EndpointId, NetworkId } from './state/model.ts'
import { loadedState, type State } from './state/state.ts'
import { Store } from './store/store.ts'
import { version } from './version.ts'

/** Uplinks are read once, at the start: fail closed, but not in silence. */
const NO_UPLINK =
  'no default route, and so no uplink: containers of other hosts are kept out until slash64 starts again with one, or with links named in SLASH64_UPLINKS'

async function main(): Promise<void> {
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime })
  try {
    const config = parseConfig(process.env)
    log.level = config.logLevel
    await run(config, log)
  } catch (error) {
    if (error instanceof PluginError) log.fatal(error.message)
    else log.fatal({ err: error }, 'slash64 cannot run')
    process.exitCode = 1
  }
}

async function run(config: Config, log: Logger): Promise<void> {
  const files = new HostFiles(config.host)
  files.check()
  const store = Store.open(config.state)
  try {
    await serve(config, files, store, log)
  } finally {
    store.close()
  }
}

async function serve(config: Config, files: HostFiles, store: Store, log: Logger): Promise<void> {
  const boot = bootId()
  const stored = store.load()
  for (const file of stored.lost) log.warn({ file }, 'a power cut left this state file empty; its endpoint is gone')
  const { prefix, record } = hostPrefix(config, stored.host)
  const state = loadedState(stored)
  using kernel = new Kernel({
    onError: error => log.error({ err: error }, 'a link could not be deleted'),
    sysctlRoot: files.settings,
  })
  checkNotOnLink(prefix, foreignLinks(kernel))
  forgetPools(state, store, stored.pools)
  forgetLost(state, store, boot, log)
  const uplinks = config.uplinks.length > 0 ? config.uplinks : defaultUplinks(kernel)
  if (uplinks.length === 0 && config.fleet.length > 0) log.warn(NO_UPLINK)
  kernel.defaultMtu = uplinkMtu(kernel, uplinks)
  const options = rulesetOptions(config, kernel, prefix, uplinks, state)
  kernel.fleet = wayOfInternal(options)
  const wanted = project(state, hostItems(prefix, options, listeningLinks(kernel, uplinks)))
  let kept = bringIntoLine(kernel, wanted, record, boot, log)
  store.writeHost(kept)
  const context = () => ({ now: Date.now(), random: randomInt(2 ** 31), boot, prefix, birth: config.birth })
  const daemon = new Daemon({ state, kernel, store, context, log })
  const submit: Submit = command => daemon.submit(onThisSide(command, files))
  const app = createServer({ submit, log, named: ids => namesIn(state, ids) })
  const reconciler = new Reconciler({
    state,
    submit,
    log,
    inventory: () => readInventory(files.path(config.dockerSocket)),
    engine: kept.engine,
    rememberEngine: engine => {
      kept = { ...kept, engine }
      store.writeHost(kept)
    },
  })
  void kernel.flush().catch(() => undefined)
  using forwardPolicy = new ForwardPolicyWatch(log, files.path('/run/xtables.lock'))
  forwardPolicy.start()
  await listen(app, config.socket)
  const facts = { version, prefix, fleet: options.fleet, uplinks }
  const control = await startControl({ state, facts, log, ...controlPaths(config, files) })
  log.info({ prefix: prefix.text, uplinks, networks: state.networks.size, endpoints: state.endpoints.size }, 'ready')
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
