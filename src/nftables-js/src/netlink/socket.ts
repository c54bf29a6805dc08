import { constants } from 'node:os'
import { NetlinkError } from './errors.ts'
import {
  AF_NETLINK,
  bind,
  closeDescriptor,
  errno,
  getsockname,
  MSG_DONTWAIT,
  MSG_TRUNC,
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  poll,
  recv,
  SO_RCVBUFFORCE,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  send,
  setsockopt,
  socket,
} from './libc.ts'
import {
  attributeMap,
  Batch,
  type Message,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HEADER,
  NLMSG_NOOP,
  parseMessages,
  readString,
  type Writer,
} from './message.ts'

const { EAGAIN, ENOBUFS, EINTR } = constants.errno
const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200
const NLMSGERR_ATTR_MSG = 1
const NLMSGERR_ATTR_OFFS = 2
const RECEIVE_BYTES = 64 * 1024
const DUMP_TRIES = 10
/** Where datagrams arrive; what is kept of one is copied before anything else runs, so all sockets share it. */
const chunk = Buffer.allocUnsafe(RECEIVE_BYTES)

/** Netlink protocols by name (linux/netlink.h). */
const protocols = { route: 0, netfilter: 12 } as const

export interface SocketOptions {
  /** Kernel buffer for what we have not read yet, in bytes. Default 8 MiB. */
  readonly receiveBuffer?: number
  /** Kernel buffer for one send, in bytes. Default 8 MiB. */
  readonly sendBuffer?: number
}

interface Pending {
  readonly operations: Map<number, { operation: string; acknowledged: boolean }>
  readonly unanswered: Set<number>
  readonly replies: Message[]
  done: boolean
  interrupted: boolean
  error: NetlinkError | undefined
}

/**
 * One netlink socket in the network namespace in which it was opened. Requests run inside send(2): when it returns,
 * every answer is queued, so nothing here ever waits. Answers go to their request by sequence number, which lets a
 * request run while an asynchronous one is under way.
 */
export class NetlinkSocket implements Disposable {
  readonly portId: number
  readonly #fd: number
  readonly #pending = new Map<number, Pending>()
  #sequence = 1
  #notify: { message(message: Message): void; overflow(): void } | undefined
  #watch: { stop(): void; restart(): void } | undefined

  private constructor(fd: number, portId: number) {
    this.#fd = fd
    this.portId = portId
  }

  /** Opens and binds a socket. Throws NetlinkError (EPERM, EPROTONOSUPPORT where the kernel lacks the protocol). */
  static open(protocol: keyof typeof protocols, options: SocketOptions = {}): NetlinkSocket {
    const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocols[protocol])
    if (fd < 0) throw new NetlinkError(`open netlink ${protocol}`, errno())
    try {
      const address = Buffer.alloc(12)
      address.writeUInt16LE(AF_NETLINK, 0)
      check(bind(fd, address, address.length), 'bind netlink socket')
      check(getsockname(fd, address, [address.length]), 'getsockname')
      option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1)
      option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1)
      // Both need CAP_NET_ADMIN; without it the socket still works with the default buffers.
      trySet(fd, SO_RCVBUFFORCE, options.receiveBuffer ?? 8 << 20)
      trySet(fd, SO_SNDBUFFORCE, options.sendBuffer ?? 8 << 20)
      return new NetlinkSocket(fd, address.readUInt32LE(4))
    } catch (error) {
      closeDescriptor(fd)
      throw error
    }
  }

  /** Sends the batch and returns the messages that answer it, acknowledgements left out. Throws the first refusal. */
  request(batch: Batch): Message[] {
    if (batch.size === 0) return []
    const pending = this.#register(batch)
    const bytes = batch.bytes
    for (;;) {
      if (send(this.#fd, bytes, bytes.length, 0) >= 0) break
      const code = errno()
      if (code === EINTR) continue
      const failure = new NetlinkError('send', code)
      this.#forget(pending)
      throw failure
    }
    this.#drain()
    return this.#settle(pending)
  }

  /** The same with the send on a thread: for deletes that wait for RCU and for large loads. */
  async requestAsync(batch: Batch): Promise<Message[]> {
    if (batch.size === 0) return []
    const pending = this.#register(batch)
    const bytes = batch.bytes
    const failed = await new Promise<number>(resolve => {
      send.async(this.#fd, bytes, bytes.length, 0, (error, result) => {
        resolve(error ? constants.errno.EIO : result < 0 ? errno() : 0)
      })
    })
    if (failed) {
      this.#forget(pending)
      throw new NetlinkError('send', failed)
    }
    this.#drain()
    return this.#settle(pending)
  }

  /**
   * Reads a whole table. A dump that the kernel marks as interrupted is read again (up to 10 times), never returned:
   * what looks absent in it may only have moved.
   */
  dump(operation: string, type: number, write: (writer: Writer) => void, flags = 0): Message[] {
    for (let round = 0; round < DUMP_TRIES; round++) {
      const batch = new Batch().add(operation, type, NLM_F_DUMP | flags, write)
      const pending = this.#register(batch)
      if (send(this.#fd, batch.bytes, batch.byteLength, 0) < 0) {
        const failure = new NetlinkError(operation, errno())
        this.#forget(pending)
        throw failure
      }
      while (!pending.done && !pending.error) if (!this.#receive()) break
      const replies = this.#settle(pending)
      if (!pending.interrupted) return replies
    }
    throw new NetlinkError(operation, EINTR, `the dump was interrupted ${DUMP_TRIES} times`)
  }

  /**
   * Joins multicast groups and passes on every message that answers no request. `overflow` means that the kernel had
   * to drop some (ENOBUFS): read everything again.
   */
  subscribe(groups: readonly number[], on: { message(message: Message): void; overflow(): void }): void {
    for (const group of groups) option(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    this.#notify = on
    this.#watch ??= poll(this.#fd, () => {
      this.#drain()
      this.#watch?.restart()
    })
  }

  /** Stops notifications and closes the descriptor. A table that this socket owns becomes an orphan or goes with it. */
  close(): void {
    this.#watch?.stop()
    this.#watch = undefined
    closeDescriptor(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #register(batch: Batch): Pending {
    const operations = batch.number(this.#sequence)
    this.#sequence = (this.#sequence + batch.size) >>> 0 || 1
    const unanswered = new Set([...operations].filter(([, { acknowledged }]) => acknowledged).map(([seq]) => seq))
    const pending: Pending = { operations, unanswered, replies: [], done: false, interrupted: false, error: undefined }
    for (const sequence of operations.keys()) this.#pending.set(sequence, pending)
    return pending
  }

  #forget(pending: Pending): void {
    for (const sequence of pending.operations.keys()) this.#pending.delete(sequence)
  }

  #settle(pending: Pending): Message[] {
    this.#forget(pending)
    if (pending.error) throw pending.error
    const [lost] = pending.unanswered
    if (lost !== undefined) {
      const operation = pending.operations.get(lost)?.operation ?? 'request'
      throw new NetlinkError(operation, ENOBUFS, 'no acknowledgement came: the outcome is unknown')
    }
    return pending.replies
  }

  #drain(): void {
    while (this.#receive());
  }

  /** Reads one datagram and hands out its messages. False when nothing is queued. */
  #receive(): boolean {
    const length = recv(this.#fd, chunk, RECEIVE_BYTES, MSG_DONTWAIT | MSG_TRUNC)
    if (length < 0) {
      const code = errno()
      if (code === EAGAIN) return false
      if (code === EINTR) return true
      if (code !== ENOBUFS) throw new NetlinkError('recv', code)
      this.#notify?.overflow()
      return true
    }
    if (length > RECEIVE_BYTES)
      throw new NetlinkError('recv', constants.errno.EMSGSIZE, `${length} bytes in one datagram`)
    for (const message of parseMessages(Buffer.from(chunk.subarray(0, length)))) this.#dispatch(message)
    return true
  }

  #dispatch(message: Message): void {
    const pending = message.port === this.portId || message.port === 0 ? this.#pending.get(message.sequence) : undefined
    if (!pending) {
      if (message.type > NLMSG_DONE) this.#notify?.message(message)
      return
    }
    if ((message.flags & NLM_F_DUMP_INTR) !== 0) pending.interrupted = true
    if (message.type === NLMSG_ERROR) {
      pending.unanswered.delete(message.sequence)
      pending.error ??= refusal(message, pending.operations.get(message.sequence)?.operation ?? 'request')
    } else if (message.type === NLMSG_DONE) {
      pending.done = true
      const code = message.payload.length >= 4 ? message.payload.readInt32LE(0) : 0
      if (code < 0) pending.error ??= new NetlinkError([...pending.operations.values()][0]?.operation ?? 'dump', -code)
    } else if (message.type !== NLMSG_NOOP) pending.replies.push(message)
  }
}

/** Reads an NLMSG_ERROR: i32 code | the request's header | (unless capped) its payload | extended-ack attributes. */
function refusal(message: Message, operation: string): NetlinkError | undefined {
  const code = -message.payload.readInt32LE(0)
  if (code === 0) return undefined
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return new NetlinkError(operation, code)
  const echoed = message.payload.readUInt32LE(4)
  const tlvs = 4 + ((message.flags & NLM_F_CAPPED) !== 0 ? NLMSG_HEADER : (echoed + 3) & ~3)
  const attributes = attributeMap(message.payload, tlvs)
  const text = attributes.get(NLMSGERR_ATTR_MSG)
  const offset = attributes.get(NLMSGERR_ATTR_OFFS)
  return new NetlinkError(operation, code, text && readString(text), offset?.readUInt32LE(0))
}

function check(result: number, operation: string): void {
  if (result < 0) throw new NetlinkError(operation, errno())
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

function option(fd: number, level: number, name: number, value: number): void {
  check(setsockopt(fd, level, name, int(value), 4), `setsockopt ${name}`)
}

function trySet(fd: number, name: number, value: number): void {
  setsockopt(fd, SOL_SOCKET, name, int(value), 4)
}
