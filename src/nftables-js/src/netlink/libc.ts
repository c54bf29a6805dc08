// The libc calls that netlink needs, through koffi. Every function here is one system call: no allocation, no policy.
import koffi from 'koffi'

const libc = koffi.load(null)

export const AF_NETLINK = 16
export const SOCK_RAW = 3
export const SOCK_CLOEXEC = 0o2000000
export const SOCK_NONBLOCK = 0o4000
export const MSG_DONTWAIT = 0x40
export const MSG_TRUNC = 0x20
export const SOL_SOCKET = 1
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SOL_NETLINK = 270
export const NETLINK_ADD_MEMBERSHIP = 1
export const NETLINK_CAP_ACK = 10
export const NETLINK_EXT_ACK = 11
export const NETLINK_GET_STRICT_CHK = 12
export const CLONE_NEWNET = 0x40000000

type Int = (...args: never[]) => number
interface Send extends Int {
  (fd: number, buffer: Buffer, length: number, flags: number): number
  async(
    fd: number,
    buffer: Buffer,
    length: number,
    flags: number,
    done: (error: Error | null, result: number) => void,
  ): void
}

export const socket = libc.func('int socket(int domain, int type, int protocol)') as unknown as (
  domain: number,
  type: number,
  protocol: number,
) => number
export const bind = libc.func('int bind(int fd, const uint8_t *addr, uint32_t len)') as unknown as (
  fd: number,
  address: Buffer,
  length: number,
) => number
export const getsockname = libc.func(
  'int getsockname(int fd, _Out_ uint8_t *addr, _Inout_ uint32_t *len)',
) as unknown as (fd: number, address: Buffer, length: [number]) => number
export const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t len)',
) as unknown as (fd: number, level: number, name: number, value: Buffer, length: number) => number
export const send = libc.func('int64_t send(int fd, const void *buf, size_t len, int flags)') as unknown as Send
export const recv = libc.func('int64_t recv(int fd, void *buf, size_t len, int flags)') as unknown as (
  fd: number,
  buffer: Buffer,
  length: number,
  flags: number,
) => number
export const setns = libc.func('int setns(int fd, int nstype)') as unknown as (fd: number, type: number) => number
export const closeDescriptor = libc.func('int close(int fd)') as unknown as (fd: number) => number

const errnoLocation = libc.func('void *__errno_location(void)')
const errnoOfThread = new Int32Array(koffi.view(errnoLocation(), 4))

/**
 * errno of the last failed call of this file, as a positive number; to be asked for at once. It is read from its place in memory (errno(3): each thread has
 * its own, and one place for life): on the way into a native function V8 may compile or collect, and libc's calls for that leave their own errno there.
 */
export function errno(): number {
  return errnoOfThread[0] ?? 0
}

// Compiled now: its first use would be after the first failure.
errno()

/** Calls `onReadable` whenever `fd` can be read, or when an error is pending on it. `stop` ends it; `restart` is needed after an error. */
export function poll(fd: number, onReadable: () => void): { stop(): void; restart(): void } {
  // koffi's declaration knows one callback argument; the real ones are (status, events): an error (status < 0) stops
  // the poll, so the callback has to look at the socket either way. A handle must be closed, never just dropped: its
  // finalizer would take the descriptor out of epoll, whoever polls that number by then.
  const handle = koffi.node.poll(fd, { readable: true }, onReadable)
  return { stop: () => handle.close(), restart: () => handle.start({ readable: true }, onReadable) }
}
