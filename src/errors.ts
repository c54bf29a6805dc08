// Every error that a user or Docker can see: a code, the kind that decides the HTTP status, and the sentence. Each sentence quotes what was
// wrong and says what to write instead.

type Kind = 'invalid' | 'conflict' | 'absent' | 'unsupported' | 'oversized' | 'exhausted' | 'late' | 'internal'

const table = {
  ADDRESS_INVALID: [
    'invalid',
    (text: string, problem: string) => `slash64: ${quote(text)} is not an IPv6 address: ${problem}`,
  ],
  ADDRESS_TAKEN: [
    'conflict',
    (address: string, holder: string) =>
      `slash64: the address ${quote(address)} is taken by ${holder}; write another one with --ip6, or none`,
  ],
  ALLOW_INVALID: [
    'invalid',
    (option: string, column: string, found: string, write: string) =>
      `slash64: allow=${quote(option)}, column ${column}: found ${quote(found)}; write ${write}`,
  ],
  ALLOW_LATER: [
    'unsupported',
    (option: string, column: string, peer: string, instead: string) =>
      `slash64: allow=${quote(option)}, column ${column}: the peer ${quote(peer)} is not supported yet by this version; ${instead}`,
  ],
  AUXILIARY: [
    'unsupported',
    (address: string) =>
      `slash64: --aux-address ${quote(address)} has no meaning here, nothing but containers gets addresses of a pool; leave it out`,
  ],
  BODY_EMPTY: [
    'invalid',
    (rpc: string) =>
      `slash64: ${rpc}: empty body (engine retry): the connection broke and the engine sent no arguments; repeat the docker command`,
  ],
  BODY_INVALID: [
    'invalid',
    (rpc: string, field: string, got: string, rule: string) => `slash64: ${rpc}: ${field} is ${got}; ${rule}`,
  ],
  BODY_NOT_JSON: [
    'invalid',
    (rpc: string, problem: string) => `slash64: ${rpc}: the body is not JSON: ${problem}; send one JSON object`,
  ],
  BODY_TOO_LARGE: [
    'oversized',
    (limit: string) => `slash64: the request is larger than ${limit}; publish fewer ports or give shorter options`,
  ],
  COMMAND_UNKNOWN: [
    'invalid',
    (what: string, word: string, advice: string) => `slash64: there is no ${what} ${quote(word)}; ${advice}`,
  ],
  COMMAND_USAGE: ['invalid', (problem: string, write: string) => `slash64: ${problem}; write "${write}"`],
  CONFIG_INVALID: [
    'invalid',
    (env: string, value: string, rule: string) => `slash64: ${env}=${JSON.stringify(value)} cannot be used: ${rule}`,
  ],
  CONFIG_UNKNOWN: [
    'invalid',
    (env: string, advice: string) => `slash64: there is no setting ${JSON.stringify(env)}; ${advice}`,
  ],
  CONTROL_ABSENT: [
    'absent',
    (path: string) =>
      `slash64: the daemon does not run: nobody listens on ${JSON.stringify(path)}; start it with "systemctl start slash64" (as a plugin of Docker: "docker plugin enable slash64"), or name its socket with --control or SLASH64_CONTROL`,
  ],
  CONTROL_BROKEN: [
    'internal',
    (path: string, problem: string) =>
      `slash64: asking the daemon on ${JSON.stringify(path)} failed: ${problem}; see its log, then try again`,
  ],
  CONTROL_FORBIDDEN: [
    'conflict',
    (path: string, group: string) =>
      `slash64: ${JSON.stringify(path)} is for root and the members of ${group}; run the command with sudo, or become a member with "usermod -aG" (who is in Docker's group is root on this host) and log in again`,
  ],
  CONTROL_NEWER: [
    'internal',
    (daemon: string, command: string, problem: string) =>
      `slash64: this command has version ${command} and cannot read the answer of the daemon, version ${quote(daemon)}: ${problem}; use the command of the daemon's version`,
  ],
  CONTROL_REFUSED: ['internal', (sentence: string) => sentence],
  CONTROL_UNKNOWN: [
    'absent',
    (method: string, path: string, known: string, version: string) =>
      `slash64: ${quote(method)} ${quote(path)} is no question that slash64 ${version} answers; ask ${known}, or use the command of that version`,
  ],
  CREATION_BUSY: [
    'late',
    (ms: string) =>
      `slash64: other networks are being created, and none was finished within ${ms} ms; repeat the docker command`,
  ],
  DEADLINE_PASSED: [
    'late',
    (rpc: string, ms: string) =>
      `slash64: ${rpc} was not finished within ${ms} ms; see the log of slash64, then repeat the docker command`,
  ],
  ENDPOINT_ADDRESS_INVALID: [
    'invalid',
    (text: string, pool: string, range: string) =>
      `slash64: ${quote(text)} is no endpoint address of the pool ${pool}; write one of ${range}, or no address`,
  ],
  ENDPOINT_JOINED: [
    'conflict',
    (endpoint: string, sandbox: string) =>
      `slash64: endpoint ${endpoint} has joined the sandbox ${quote(sandbox)} already; delete it and create a new one`,
  ],
  ENDPOINT_KNOWN: [
    'conflict',
    (endpoint: string, address: string) =>
      `slash64: endpoint ${endpoint} exists already with the address ${address}; delete it first`,
  ],
  ENDPOINT_NO_IPV6: [
    'invalid',
    () =>
      'slash64: the container got no IPv6 address because IPv6 is switched off in it; start it without --sysctl net.ipv6.conf.all.disable_ipv6=1',
  ],
  ENDPOINT_UNKNOWN: [
    'absent',
    (endpoint: string, network: string) =>
      `slash64: there is no endpoint ${endpoint} in network ${network}; disconnect the container from the network and connect it again`,
  ],
  ENGINE_OLD: [
    'unsupported',
    () =>
      'slash64: this engine cannot make IPv6-only networks; install Docker Engine 28 or later, then write --ipv4=false --ipv6 (Compose: enable_ipv4: false, enable_ipv6: true)',
  ],
  GATEWAY: [
    'unsupported',
    (address: string) =>
      `slash64: --gateway ${quote(address)} cannot be chosen, each network has a link-local gateway of its own; leave it out`,
  ],
  GROUP_COLLISION: [
    'conflict',
    (name: string, other: string) =>
      `slash64: the groups ${quote(name)} and ${quote(other)} have the same bits and could not be told apart; write another name for one of them`,
  ],
  GROUP_DOUBLE: [
    'conflict',
    (group: string, address: string) =>
      `slash64: the container is in group ${quote(group)} already, with the address ${address}; connect it to one network of a group only`,
  ],
  GROUP_INTERNAL: [
    'conflict',
    (group: string, is: string) =>
      `slash64: the group ${quote(group)} ${is} internal here, and that holds for all of its networks; write the same, or another group`,
  ],
  GROUP_NAME_INVALID: [
    'invalid',
    (name: string, problem: string) => `slash64: ${quote(name)} is no name of a group: ${problem}`,
  ],
  GROUP_OPTIONS: [
    'conflict',
    (group: string, there: string, here: string) =>
      `slash64: the group ${quote(group)} has allow=${quote(there)} here, so a network of it cannot have allow=${quote(here)}; write the same, or leave allow out`,
  ],
  GROUP_TWICE: [
    'invalid',
    (driver: string, ipam: string) =>
      `slash64: -o group=${quote(driver)} and --ipam-opt group=${quote(ipam)} differ; write one of them`,
  ],
  HOST_PREFIX_INVALID: [
    'invalid',
    (text: string, problem: string) => `slash64: ${quote(text)} cannot be the prefix of a host: ${problem}`,
  ],
  HOST_UNSEEN: [
    'internal',
    (folder: string) =>
      `slash64: ${JSON.stringify(folder)} does not follow the host's /run, so it would not see containers that start later; on the host type "mount --make-shared /run" (systemd has it so), and mount /run there with rbind,rslave`,
  ],
  INTERNAL: ['internal', (what: string) => `slash64: internal error: ${what}`],
  IPV4_ON: [
    'unsupported',
    () =>
      'slash64: its networks are IPv6 only, on Docker Engine 28 or later: write --ipv4=false --ipv6 (Compose: enable_ipv4: false, enable_ipv6: true)',
  ],
  IP_RANGE: [
    'unsupported',
    (range: string) =>
      `slash64: --ip-range ${quote(range)} is not supported, a group's pool is used as a whole; leave it out, or give single containers --ip6`,
  ],
  IPAM_MISSING: [
    'invalid',
    (pool: string) =>
      `slash64: the pool ${quote(pool)} is not from slash64's IPAM; write --ipam-driver slash64 (Compose: ipam: {driver: slash64})`,
  ],
  METHOD_UNKNOWN: [
    'absent',
    (method: string, path: string) =>
      `slash64: ${method} ${JSON.stringify(path)} is no method of this plugin; it answers POST on /NetworkDriver.* and /IpamDriver.*`,
  ],
  NAME_UNKNOWN: [
    'absent',
    (name: string, advice: string) =>
      `slash64: no group, network or container here is called ${quote(name)}; ${advice}`,
  ],
  NETWORK_KNOWN: [
    'conflict',
    (network: string, there: string, here: string) =>
      `slash64: network ${network} exists already with the pool ${there}, not ${here}; remove it first`,
  ],
  NETWORK_UNKNOWN: [
    'absent',
    (network: string) =>
      `slash64: it knows no network ${network} (was its state folder lost?); remove the network and create it again`,
  ],
  OPTION_BIRTH: [
    'invalid',
    (value: string) => `slash64: birth=${quote(value)} is unknown; write "sandbox" or "engine", or leave it out`,
  ],
  OPTION_IFNAME: [
    'unsupported',
    (value: string) =>
      `slash64: the engine lets no plugin name a link ${quote(value)} exactly; write -o com.docker.network.container_iface_prefix=NAME on the network`,
  ],
  OPTION_INTERNAL_ALLOW: [
    'conflict',
    (allow: string) =>
      `slash64: --internal closes the network to all other groups, so allow=${quote(allow)} cannot open it; leave one of them out`,
  ],
  OPTION_LATER: [
    'unsupported',
    (option: string) => `slash64: the option ${quote(option)} is not supported yet by this version; leave it out`,
  ],
  OPTION_MTU: [
    'invalid',
    (value: string) =>
      `slash64: com.docker.network.driver.mtu=${quote(value)} is no MTU of an IPv6 link; write 1280 to 65535`,
  ],
  OPTION_LINK_PREFIX: [
    'invalid',
    (value: string) =>
      `slash64: com.docker.network.container_iface_prefix=${quote(value)} cannot begin the name of a link; write at most 11 letters, digits, "-" or "_", beginning with a letter and not ending with a digit, and not "lo" or "s64"`,
  ],
  OPTION_SYSCTL: [
    'invalid',
    (text: string, advice: string) => `slash64: the endpoint sysctl ${quote(text)} cannot be set; ${advice}`,
  ],
  OPTION_UNKNOWN: [
    'invalid',
    (option: string, advice: string) => `slash64: there is no option ${quote(option)} (${advice})`,
  ],
  POOL_EXHAUSTED: [
    'exhausted',
    (pool: string, count: string) =>
      `slash64: all ${count} addresses of the pool ${pool} are in use; remove containers, or start this one in another group`,
  ],
  POOL_FOREIGN: [
    'unsupported',
    () =>
      'slash64: its IPAM serves networks of its own driver only: write -d slash64 --ipam-driver slash64 --ipv4=false --ipv6, on Docker Engine 28 or later',
  ],
  POOL_GROUP: [
    'conflict',
    (pool: string, group: string, right: string) =>
      `slash64: the pool ${quote(pool)} is not the one of group ${quote(group)}, ${right}; write --ipam-driver slash64 and no --subnet, or --subnet ${right}`,
  ],
  POOL_INVALID: [
    'invalid',
    (text: string, problem: string) => `slash64: ${quote(text)} is not the pool of a group: ${problem}`,
  ],
  POOL_NAMESERVER: [
    'conflict',
    (pool: string) =>
      `slash64: the pool ${pool} holds the address of a name server of this host (/etc/resolv.conf), so the engine does not take it; choose another group, or another SLASH64_PREFIX`,
  ],
  POOL_SECOND: [
    'unsupported',
    (first: string, second: string) =>
      `slash64: a network has one pool, not both ${quote(first)} and ${quote(second)}; write one --subnet, or none`,
  ],
  POOL_UNKNOWN: [
    'absent',
    (pool: string) =>
      `slash64: it knows no pool ${quote(pool)} (was its state folder lost?); remove the network and create it again`,
  ],
  PREFIX_INVALID: [
    'invalid',
    (text: string, problem: string) => `slash64: ${quote(text)} is not an IPv6 prefix: ${problem}`,
  ],
  PREFIX_ON_LINK: [
    'conflict',
    (prefix: string, held: string, link: string, instead: string) =>
      `slash64: the prefix ${quote(prefix)} holds ${held} of the link ${quote(link)}, so routing it to containers would cut this host off; write ${instead} that is routed to this host, or use a bridge network here`,
  ],
  PUBLISH_ADDRESS: [
    'invalid',
    (address: string, hostPort: string, port: string) =>
      `slash64: -p cannot open ${port} at the host address ${quote(address)}, because containers have addresses of their own; write -p ${hostPort}:${port} for everybody, or -p 127.0.0.1:${hostPort}:${port} for this host only`,
  ],
  PUBLISH_PORT: ['invalid', (port: string) => `slash64: -p cannot open ${quote(port)}; write a port of 1 to 65535`],
  PUBLISH_PROTOCOL: [
    'invalid',
    (port: string, protocol: string) =>
      `slash64: -p cannot open port ${port} of IP protocol ${quote(protocol)}; write tcp, udp or sctp, such as -p ${port}:${port}/tcp`,
  ],
  REQUEST_UNREADABLE: [
    'invalid',
    (problem: string) => `slash64: the request cannot be read: ${problem}; send what the plugin API of Docker says`,
  ],
  SANDBOX_GONE: [
    'absent',
    (sandbox: string) =>
      `slash64: ${quote(sandbox)} is not the network namespace of a container; slash64 must see the host's /run/docker/netns, and the container must still run`,
  ],
  SETTINGS_READ_ONLY: [
    'internal',
    (file: string, problem: string) =>
      `slash64: it cannot write the kernel's settings: ${JSON.stringify(file)} gives ${problem}; run it as root with a writable /proc/sys, or mount the host's /proc/sys/net read-write below SLASH64_HOST`,
  ],
  SETTING_REFUSED: ['internal', (problem: string) => `slash64: a setting of the kernel could not be made: ${problem}`],
  SOCKET_IN_USE: [
    'conflict',
    (path: string, setting: string) =>
      `slash64: another slash64 is running: it answers on ${JSON.stringify(path)}; stop it, or set ${setting}`,
  ],
  SOCKET_PASSED: [
    'conflict',
    (problem: string) =>
      `slash64: it cannot listen on what systemd passed: ${problem}; write one ListenStream= with the path of a socket into slash64.socket, and no Accept=yes`,
  ],
  SOCKET_UNUSABLE: [
    'conflict',
    (path: string, problem: string, setting: string) =>
      `slash64: cannot listen on ${JSON.stringify(path)}: ${problem}; remove what is there, or set ${setting}`,
  ],
  STATE_DAMAGED: [
    'internal',
    (file: string, problem: string) =>
      `slash64: the state file ${JSON.stringify(file)} is damaged: ${problem}; put it back from a backup, or move it away and re-create what it held`,
  ],
  STATE_LOCKED: [
    'conflict',
    (folder: string, holder: string) =>
      `slash64: the state ${JSON.stringify(folder)} is in use by ${holder}; stop it, or set SLASH64_STATE to another folder`,
  ],
  STATE_UNREADABLE: [
    'internal',
    (file: string, problem: string) =>
      `slash64: cannot read ${JSON.stringify(file)}: ${problem}; mend that, or set SLASH64_STATE to another folder`,
  ],
  STATE_UNWRITABLE: [
    'internal',
    (file: string, problem: string) =>
      `slash64: cannot write ${JSON.stringify(file)}: ${problem}; mend that, or set SLASH64_STATE to another folder`,
  ],
  STATE_VERSION_UNKNOWN: [
    'internal',
    (file: string, found: string, known: string) =>
      `slash64: ${JSON.stringify(file)} says ${found}, this slash64 reads version ${known}; run the slash64 that wrote it, or set SLASH64_STATE to an empty folder`,
  ],
  SWARM_UNSUPPORTED: [
    'unsupported',
    () =>
      'slash64: a swarm manager cannot allocate slash64 networks, each host has its own prefix; write "docker network create --config-only" on each node, then --scope swarm --config-from',
  ],
  TABLES_REFUSED: [
    'conflict',
    () =>
      'slash64: the kernel does not let it write its nftables tables: another slash64 is running and owns them (stop it), or this one lacks CAP_NET_ADMIN (grant it)',
  ],
} as const satisfies Record<string, readonly [Kind, (...parts: string[]) => string]>

export type ErrorCode = keyof typeof table

/** An error whose sentence is meant for the user. `status` is the HTTP status of its kind. */
export class PluginError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'PluginError'
  readonly code: C
  readonly kind: Kind

  constructor(code: C, ...parts: Parameters<(typeof table)[C][1]>) {
    const [kind, sentence] = table[code] as readonly [Kind, (...parts: string[]) => string]
    super(sentence(...(parts as string[])))
    this.code = code
    this.kind = kind
  }

  /** 4xx for what the caller can mend (409 conflicts, 413 size), 500 for what only we can, 503 for what may pass. */
  get status(): number {
    const statuses = { invalid: 400, unsupported: 400, absent: 404, conflict: 409, exhausted: 409, oversized: 413 }
    return { ...statuses, internal: 500, late: 503 }[this.kind]
  }
}

/** User input as errors quote it: in double quotes, cut after 80 characters, with nothing in it that moves or hides text on a terminal. */
export function quote(text: string): string {
  const cut = text.length > 80 ? `${text.slice(0, 80)}…` : text
  const visible = JSON.stringify(cut).replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    hidden => `\\u{${hidden.codePointAt(0)?.toString(16)}}`,
  )
  return cut === text ? visible : `${visible} (${text.length} characters)`
}
