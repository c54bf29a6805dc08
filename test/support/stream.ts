// Real TCP and UDP sockets in namespaces, without a process of their own: plain system calls, polled.
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import koffi from 'koffi'
import { addressBytes } from '../../src/kernel/rtnetlink/bytes.ts'
import * as libc from '../../src/nftables-js/src/netlink/libc.ts'
import type { Netns } from './netns.ts'

const AF_INET6 = 10
const SOCK = { tcp: 1, udp: 2 } as const
const SO_REUSEADDR = 2
const SO_ERROR = 4
const { EAGAIN, EINPROGRESS } = constants.errno
// Of two names for one number the first: EAGAIN, not EWOULDBLOCK.
const names = new Map(
  Object.entries(constants.errno)
    .toReversed()
    .map(([name, number]) => [number, name]),
)

const system = koffi.load(null)
const connectCall = system.func('int connect(int fd, const uint8_t *addr, uint32_t len)')
const listenCall = system.func('int listen(int fd, int backlog)')
const acceptCall = system.func('int accept4(int fd, void *addr, void *len, int flags)')
const getsockopt = system.func(
  'int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *len)',
)

/** How an attempt to connect ended: `connected`, the name of an errno, or `timeout`; after `ms` milliseconds. */
export interface Outcome {
  readonly outcome: string
  readonly ms: number
}

/** One socket. Calls that fail throw an Error with the errno's name as its message. */
export class Stream implements Disposable {
  readonly fd: number

  constructor(fd: number) {
    this.fd = fd
  }

  static open(ns: Netns, protocol: keyof typeof SOCK): Stream {
    const type = SOCK[protocol] | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK
    return new Stream(check(ns.enter(() => libc.socket(AF_INET6, type, 0))))
  }

  /** A TCP server, or a UDP socket on a port. */
  static serve(ns: Netns, protocol: keyof typeof SOCK, port: number, address = '::'): Stream {
    const stream = Stream.open(ns, protocol)
    const bytes = socketAddress(address, port)
    const yes = Buffer.of(1, 0, 0, 0)
    check(libc.setsockopt(stream.fd, libc.SOL_SOCKET, SO_REUSEADDR, yes, yes.length))
    check(libc.bind(stream.fd, bytes, bytes.length))
    if (protocol === 'tcp') check(listenCall(stream.fd, 64))
    return stream
  }

  /** Connects, or for UDP only fixes the peer. Never throws. */
  async connect(address: string, port: number, patience = 1000): Promise<Outcome> {
    const began = performance.now()
    const bytes = socketAddress(address, port)
    const took = (outcome: string): Outcome => ({ outcome, ms: performance.now() - began })
    if (connectCall(this.fd, bytes, bytes.length) === 0) return took('connected')
    if (libc.errno() !== EINPROGRESS) return took(names.get(libc.errno()) ?? 'unknown')
    for (;;) {
      const pending = this.#error()
      if (pending) return took(pending)
      if (connectCall(this.fd, bytes, bytes.length) === 0) return took('connected')
      const code = names.get(libc.errno())
      if (code === 'EISCONN') return took('connected')
      if (code !== 'EALREADY' && code !== 'EINPROGRESS') return took(code ?? 'unknown')
      if (performance.now() - began > patience) return took('timeout')
      await sleep(1)
    }
  }

  async accept(patience = 1000): Promise<Stream> {
    return new Stream(await retry(patience, () => acceptCall(this.fd, null, null, libc.SOCK_NONBLOCK)))
  }

  write(text: string): void {
    const bytes = Buffer.from(text)
    check(libc.send(this.fd, bytes, bytes.length, 0x4000))
  }

  /** What came, up to 64 KiB; '' at the end of the stream. Throws `EAGAIN` when nothing came in time. */
  async read(patience = 1000): Promise<string> {
    const bytes = Buffer.alloc(65536)
    const length = await retry(patience, () => libc.recv(this.fd, bytes, bytes.length, libc.MSG_DONTWAIT))
    return bytes.toString('latin1', 0, length)
  }

  [Symbol.dispose](): void {
    libc.closeDescriptor(this.fd)
  }

  #error(): string | undefined {
    const value = Buffer.alloc(4)
    check(getsockopt(this.fd, libc.SOL_SOCKET, SO_ERROR, value, [4]))
    const code = value.readInt32LE(0)
    return code === 0 ? undefined : (names.get(code) ?? String(code))
  }
}

/** Tries one TCP connection and closes it again. */
export async function attempt(ns: Netns, address: string, port: number, patience = 300): Promise<Outcome> {
  using stream = Stream.open(ns, 'tcp')
  return await stream.connect(address, port, patience)
}

async function retry(patience: number, call: () => number): Promise<number> {
  const end = performance.now() + patience
  for (;;) {
    const result = call()
    if (result >= 0) return result
    if (libc.errno() !== EAGAIN || performance.now() > end) return check(result)
    await sleep(1)
  }
}

function check(result: number): number {
  if (result < 0) throw new Error(names.get(libc.errno()) ?? `errno ${libc.errno()}`)
  return result
}

function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(28)
  bytes.writeUInt16LE(AF_INET6, 0)
  bytes.writeUInt16BE(port, 2)
  addressBytes(address).copy(bytes, 8)
  return bytes
}
