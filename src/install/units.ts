// What the host service consists of: its paths, the texts of its units and of its settings. Pure.
//
// How dockerd and slash64 wait for each other, and for how long. dockerd dials the plugin's socket; a connection that nobody takes it repeats for
// 15 s, and one that somebody took it waits on for ever (moby pkg/plugins/client.go: retries, but no time-out for the answer).
//
// - At boot: slash64.socket listens long before dockerd starts, so a call never finds nobody. It waits in the socket's queue until the daemon, which
//   starts beside dockerd, reads it: some 0.4 s, and not 15 s for every network.
// - slash64.service comes after network-online.target, because uplinks are read once, at the start. docker.service waits for that target itself, so
//   Before=docker.service makes no boot longer. It orders and does not require: without slash64, dockerd starts all the same. At shutdown the order is
//   reversed, so that dockerd can still take its containers off their networks.
// - A daemon that ends is started again, whatever it ended of, while the socket goes on listening: calls wait instead of failing.
// - A daemon that cannot start (a setting that cannot be used, say) must not leave calls in a queue that nobody reads. After StartLimitBurst starts within
//   StartLimitIntervalSec systemd gives up, and with the service it fails the socket ("service-start-limit-hit"): the queue is gone, waiting
//   calls break, new ones find nobody and fail after dockerd's 15 s. That is some 7 s of trying and 22 s for the longest call. The limit has to be
//   within reach of RestartSec (5 starts at 1 s and 0.4 s each are well within 30 s), or systemd would try for ever with dockerd waiting.
// - Without RestartPreventExitStatus=: a connection in the queue starts the service again at once whatever the status was, so it would shorten nothing.
//   Without TriggerLimit*: the start limit is reached long before 20 activations in 2 s.
// - What runs already does not wait for any of this: routes and rules are the kernel's, and outlive the daemon.
// - RemoveOnStop: a socket file without a listener would make dockerd try for 15 s where no file says at once that there is no such plugin to dial.
// - Type=exec: a start is reported when the program runs, and not before. The daemon must be what systemd executes, without a shell in between: LISTEN_PID
//   names the process that the socket was passed to.
import { type Config, type Knob, knobs } from '../config.ts'
import { NODE_FLAGS } from './flags.ts'

/** Names of the units, in the order in which they start. */
export const UNITS = ['slash64.socket', 'slash64.service'] as const

const LIBRARY = '/usr/local/lib/slash64'

/** Where everything is. `library` is ours as a whole, and so are the settings; the others stand in folders that are everybody's. */
export const paths = {
  library: LIBRARY,
  app: `${LIBRARY}/app`,
  node: `${LIBRARY}/bin/node`,
  /** The folders that were made for the files, one a line: those that are to go with them. */
  folders: `${LIBRARY}/folders`,
  command: '/usr/local/bin/slash64',
  man: '/usr/local/share/man/man8/slash64.8',
  bash: '/usr/local/share/bash-completion/completions/slash64',
  zsh: '/usr/local/share/zsh/site-functions/_slash64',
  fish: '/usr/local/share/fish/vendor_completions.d/slash64.fish',
  socket: '/etc/systemd/system/slash64.socket',
  service: '/etc/systemd/system/slash64.service',
  settings: '/etc/slash64/slash64.env',
} as const

/** What only the managed plugin sets, and what slash64.socket says. */
const elsewhere: readonly (keyof Config)[] = ['host', 'socket']

/** The settings that have a line in slash64.env. */
export const settings: readonly Knob<unknown>[] = Object.entries(knobs)
  .filter(([name]) => !elsewhere.some(one => one === name))
  .map(([, knob]) => knob)

/** slash64.socket, systemd.socket(5). */
export function socketUnit(): string {
  return `[Unit]
Description=slash64: where Docker finds its network plugin
Documentation=man:slash64(8)
Before=docker.service

[Socket]
ListenStream=${knobs.socket.default}
SocketMode=0660
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`
}

/** slash64.service, systemd.service(5). */
export function serviceUnit(): string {
  return `[Unit]
Description=slash64: Docker networking with routed IPv6
Documentation=man:slash64(8)
Requires=slash64.socket
Wants=network-online.target
After=slash64.socket network-online.target
Before=docker.service
StartLimitIntervalSec=30
StartLimitBurst=5

[Service]
Type=exec
ExecStart=${paths.node} ${NODE_FLAGS.join(' ')} ${paths.app}/src/main.js
EnvironmentFile=-${paths.settings}
Restart=always
RestartSec=1
TimeoutStopSec=20
StateDirectory=slash64
StateDirectoryMode=0700
RuntimeDirectory=slash64
RuntimeDirectoryPreserve=restart
SyslogIdentifier=slash64

[Install]
WantedBy=multi-user.target
`
}

/** The command `slash64`: its own Node, whatever the machine has. */
export function commandScript(): string {
  return `#!/bin/sh\nexec ${paths.node} ${paths.app}/src/cli.js "$@"\n`
}

/** slash64.env as it is at first: every setting with its meaning and its default, as a comment. */
export function settingsFile(): string {
  const entries = settings.map(({ env, description, default: value }) => `# ${description}\n#${env}=${value}\n`)
  return `# Settings of slash64 on this host, for slash64.service: systemd.exec(5), EnvironmentFile=.
# Each line shows a default. Take the "#" away from a line, change it, and type: systemctl restart slash64
# Nothing but blanks may follow a value. The socket on which Docker finds slash64 is set in slash64.socket.

${entries.join('\n')}`
}

/** The variables that a file of settings sets, as systemd reads it: one a line, "#" and ";" begin comments, quotes around a value are no part of it. */
export function readSettings(text: string): Record<string, string> {
  const entries = text.split('\n').flatMap((line): [string, string][] => {
    const [, name, value = ''] = /^\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    return name === undefined ? [] : [[name, value.replace(/^(["'])(.*)\1$/, '$2')]]
  })
  return Object.fromEntries(entries)
}

/** The settings that a file from an earlier version does not mention, not even as a comment. */
export function settingsMissing(text: string): string[] {
  return settings.map(({ env }) => env).filter(env => !new RegExp(`^[\\s#;]*${env}\\s*=`, 'm').test(text))
}
