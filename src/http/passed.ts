// The socket that systemd opened and passes on at the start of a unit that it activates: sd_listen_fds(3).
import { fstatSync, readFileSync, readlinkSync } from 'node:fs'
import { PluginError } from '../errors.ts'

/** The first passed descriptor (SD_LISTEN_FDS_START in systemd/sd-daemon.h). */
const FIRST = 3
/** __SO_ACCEPTCON (linux/net.h) and SOCK_STREAM, as the columns Flags and Type of /proc/net/unix show them. */
const LISTENING = '00010000'
const STREAM = '0001'
const VARIABLES = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const

/**
 * The descriptor that was passed to the process `pid`, for `listen`; undefined where none was: LISTEN_PID is absent, or another process's (a wrapper's,
 * say, that systemd started and that started us). The variables are deleted from `env`, so that no child takes them for its own. Throws
 * SOCKET_PASSED where it is not exactly one descriptor, or it is no listening unix stream socket.
 */
export function passedSocket(
  env: Record<string, string | undefined>,
  pid: number,
): { readonly fd: number } | undefined {
  const { LISTEN_PID: owner, LISTEN_FDS: count = '' } = env
  for (const name of VARIABLES) delete env[name]
  if (owner !== String(pid)) return undefined
  if (count !== '1') throw new PluginError('SOCKET_PASSED', `LISTEN_FDS is ${JSON.stringify(count)}, and not 1`)
  const problem = problemOf(FIRST)
  if (problem !== undefined) throw new PluginError('SOCKET_PASSED', `descriptor ${FIRST} is ${problem}`)
  return { fd: FIRST }
}

/** What a descriptor is where it is no listening unix stream socket. Node cannot ask with getsockopt(2), but the kernel lists such sockets by inode. */
function problemOf(fd: number): string | undefined {
  const inode = inodeOf(fd)
  if (inode === undefined) return 'no open socket'
  const socket = unixSockets().get(inode)
  if (socket === undefined) return 'no unix socket'
  if (socket.type !== STREAM) return 'no stream socket'
  return socket.flags === LISTENING ? undefined : 'not listening'
}

/** The inode of an open socket, as text; undefined for anything else. */
function inodeOf(fd: number): string | undefined {
  try {
    if (!fstatSync(fd).isSocket()) return undefined
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
  } catch {
    return undefined
  }
}

/** The unix sockets of this network namespace by inode: `Num RefCount Protocol Flags Type St Inode Path` (net/unix/af_unix.c, unix_seq_show). */
function unixSockets(): Map<string, { readonly flags: string; readonly type: string }> {
  const lines = readFileSync('/proc/self/net/unix', 'latin1').split('\n').slice(1)
  return new Map(
    lines.map(line => {
      const [, , , flags = '', type = '', , inode = ''] = line.trim().split(/\s+/)
      return [inode, { flags, type }]
    }),
  )
}
