// Netlink messages as bytes (linux/netlink.h): a header of 16 bytes, then a family header, then attributes.
//
//   u32 length | u16 type | u16 flags | u32 sequence | u32 port      all in host byte order
//   attribute: u16 length (with its 4 bytes of header, without padding) | u16 type | value | padding to 4
//
// Host order is little-endian on every machine that Node and this package support (x64, arm64).

export const NLM_F_REQUEST = 0x1
export const NLM_F_MULTI = 0x2
export const NLM_F_ACK = 0x4
export const NLM_F_ECHO = 0x8
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
export const NLM_F_DUMP = 0x300

export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSG_HEADER = 16

const NLA_F_NESTED = 0x8000
const NLA_TYPE_MASK = 0x3fff
const MAX_ATTRIBUTE = 0xffff

const align = (length: number): number => (length + 3) & ~3

/** Appends values and attributes to a buffer that grows. Numbers are host order (`u16`), or big-endian (`be16`). */
export class Writer {
  #buffer: Buffer
  #length = 0

  constructor(capacity = 4096) {
    this.#buffer = Buffer.alloc(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** The bytes so far; a view, valid until the next append. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #room(count: number): number {
    const at = this.#length
    const padded = align(at + count)
    if (padded > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#buffer.length * 2, padded))
      this.#buffer.copy(larger, 0, 0, at)
      this.#buffer = larger
    }
    this.#length = at + count
    return at
  }

  /** Raw bytes without an attribute header (family headers); no padding is added. */
  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length)
    this.#buffer.set(bytes, at)
    return this
  }

  rawU8(value: number): this {
    const at = this.#room(1)
    this.#buffer[at] = value
    return this
  }

  rawU16(value: number): this {
    const at = this.#room(2)
    this.#buffer.writeUInt16LE(value, at)
    return this
  }

  rawBe16(value: number): this {
    const at = this.#room(2)
    this.#buffer.writeUInt16BE(value, at)
    return this
  }

  rawU32(value: number): this {
    const at = this.#room(4)
    this.#buffer.writeUInt32LE(value >>> 0, at)
    return this
  }

  #attribute(type: number, length: number): number {
    const at = this.#room(align(4 + length))
    this.#buffer.writeUInt16LE(4 + length, at)
    this.#buffer.writeUInt16LE(type, at + 2)
    this.#buffer.fill(0, at + 4 + length, this.#length)
    return at + 4
  }

  bytesAttribute(type: number, value: Uint8Array): this {
    if (value.length > MAX_ATTRIBUTE - 4) throw new RangeError(`attribute ${type}: ${value.length} bytes exceed 65531`)
    const at = this.#attribute(type, value.length)
    this.#buffer.set(value, at)
    return this
  }

  u8(type: number, value: number): this {
    const at = this.#attribute(type, 1)
    this.#buffer[at] = value
    return this
  }

  u16(type: number, value: number): this {
    const at = this.#attribute(type, 2)
    this.#buffer.writeUInt16LE(value, at)
    return this
  }

  u32(type: number, value: number): this {
    const at = this.#attribute(type, 4)
    this.#buffer.writeUInt32LE(value >>> 0, at)
    return this
  }

  be16(type: number, value: number): this {
    const at = this.#attribute(type, 2)
    this.#buffer.writeUInt16BE(value, at)
    return this
  }

  be32(type: number, value: number): this {
    const at = this.#attribute(type, 4)
    this.#buffer.writeUInt32BE(value >>> 0, at)
    return this
  }

  be64(type: number, value: bigint): this {
    const at = this.#attribute(type, 8)
    this.#buffer.writeBigUInt64BE(value, at)
    return this
  }

  /** A zero-terminated string. */
  string(type: number, value: string): this {
    const bytes = Buffer.from(`${value}\0`)
    return this.bytesAttribute(type, bytes)
  }

  /** An attribute without a value. */
  flag(type: number): this {
    this.#attribute(type, 0)
    return this
  }

  /** An attribute that holds what `write` appends, with NLA_F_NESTED. */
  nest(type: number, write: (writer: this) => void): this {
    const at = this.#room(4)
    write(this)
    const length = this.#length - at
    if (length > MAX_ATTRIBUTE) throw new RangeError(`attribute ${type}: ${length} nested bytes exceed 65535`)
    this.#buffer.writeUInt16LE(length, at)
    this.#buffer.writeUInt16LE(type | NLA_F_NESTED, at + 2)
    return this
  }

  /** A whole message; `write` appends family header and attributes. Sequence and port stay 0 (see Batch). */
  message(type: number, flags: number, write: (writer: this) => void): number {
    const at = this.#room(NLMSG_HEADER)
    this.#buffer.fill(0, at, at + NLMSG_HEADER)
    write(this)
    this.#room(align(this.#length) - this.#length)
    this.#buffer.writeUInt32LE(this.#length - at, at)
    this.#buffer.writeUInt16LE(type, at + 4)
    this.#buffer.writeUInt16LE(flags, at + 6)
    return at
  }

  /** Writes a sequence number into the message that starts at `at`. */
  sequence(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value >>> 0, at + 8)
  }
}

/** Messages that go to the kernel in one send, each with the words that an error about it will carry. */
export class Batch {
  readonly #writer: Writer
  readonly #messages: { at: number; operation: string; flags: number }[] = []

  constructor(capacity?: number) {
    this.#writer = new Writer(capacity)
  }

  get size(): number {
    return this.#messages.length
  }

  get bytes(): Buffer {
    return this.#writer.bytes
  }

  get byteLength(): number {
    return this.#writer.length
  }

  /** Appends one message. `flags` gets NLM_F_REQUEST added; ask for NLM_F_ACK where an answer is needed. */
  add(operation: string, type: number, flags: number, write: (writer: Writer) => void): this {
    const at = this.#writer.message(type, flags | NLM_F_REQUEST, write)
    this.#messages.push({ at, operation, flags })
    return this
  }

  /** Numbers the messages from `first` on and returns, per sequence number, what it stands for. */
  number(first: number): Map<number, { operation: string; acknowledged: boolean }> {
    return new Map(
      this.#messages.map(({ at, operation, flags }, index) => {
        const sequence = (first + index) >>> 0
        this.#writer.sequence(at, sequence)
        return [sequence, { operation, acknowledged: (flags & NLM_F_ACK) !== 0 }]
      }),
    )
  }
}

/** A received message; `payload` starts at the family header. */
export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly port: number
  readonly payload: Buffer
}

/** Splits what one recv returned. Throws when a message claims more bytes than there are. */
export function parseMessages(bytes: Buffer): Message[] {
  const messages: Message[] = []
  for (let at = 0; at + NLMSG_HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at)
    if (length < NLMSG_HEADER || at + length > bytes.length) {
      throw new RangeError(`netlink message at ${at} claims ${length} of ${bytes.length - at} bytes`)
    }
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      port: bytes.readUInt32LE(at + 12),
      payload: bytes.subarray(at + NLMSG_HEADER, at + length),
    })
    at += align(length)
  }
  return messages
}

/** One attribute; `type` without the NESTED and byte-order flags. */
export interface Attribute {
  readonly type: number
  readonly value: Buffer
}

/** The attributes of `bytes` from `offset` on, in order. Throws on an attribute that does not fit. */
export function parseAttributes(bytes: Buffer, offset = 0): Attribute[] {
  const attributes: Attribute[] = []
  for (let at = offset; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4 || at + length > bytes.length) {
      throw new RangeError(`attribute at ${at} claims ${length} of ${bytes.length - at} bytes`)
    }
    attributes.push({ type: bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, value: bytes.subarray(at + 4, at + length) })
    at += align(length)
  }
  return attributes
}

/** The same by type; of a repeated type the last one stays. */
export function attributeMap(bytes: Buffer, offset = 0): Map<number, Buffer> {
  return new Map(parseAttributes(bytes, offset).map(({ type, value }) => [type, value]))
}

/** A string attribute's value without its terminating zero. */
export function readString(value: Buffer): string {
  const end = value.indexOf(0)
  return value.toString('utf8', 0, end < 0 ? value.length : end)
}
