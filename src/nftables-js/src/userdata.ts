// Userdata: notes that nft keeps with kernel objects, as u8 type | u8 length | bytes (libnftnl's udata.h). The kernel only
// stores them. Written here is only what every nft since 1.0 reads: comments, byte orders and the open end of an interval.
// Key expressions ("typeof") are left out on purpose: their layout changed in nft 1.1.2 and older versions crash on it.

const MAX_COMMENT = 127

/** Types of the records, by object. A comment is a zero-terminated string; all others are a u32 in host order. */
export const USERDATA = {
  comment: 0,
  setKeyByteOrder: 0,
  setDataByteOrder: 1,
  setComment: 7,
  elementFlags: 1,
} as const
export const INTERVAL_OPEN = 1

/** A record with a zero-terminated comment. Throws RangeError above 127 bytes. */
export function commentRecord(type: number, comment: string): Buffer {
  const length = Buffer.byteLength(comment)
  if (length > MAX_COMMENT) throw new RangeError(`comment "${comment}" has ${length} bytes: at most ${MAX_COMMENT}`)
  const record = Buffer.alloc(3 + length)
  record[0] = type
  record[1] = length + 1
  record.write(comment, 2)
  return record
}

/** A record with a number. */
export function numberRecord(type: number, value: number): Buffer {
  const record = Buffer.alloc(6)
  record[0] = type
  record[1] = 4
  record.writeUInt32LE(value, 2)
  return record
}

/** The records by type. A truncated one ends the list: userdata may come from anybody. */
export function parseUserdata(bytes: Buffer): Map<number, Buffer> {
  const records = new Map<number, Buffer>()
  for (let at = 0; at + 2 <= bytes.length; ) {
    const end = at + 2 + (bytes[at + 1] ?? 0)
    if (end > bytes.length) break
    records.set(bytes[at] ?? 0, bytes.subarray(at + 2, end))
    at = end
  }
  return records
}

/** The comment in userdata, or undefined. */
export function readComment(bytes: Buffer | undefined, type: number = USERDATA.comment): string | undefined {
  const record = bytes && parseUserdata(bytes).get(type)
  if (!record) return undefined
  const end = record.indexOf(0)
  return record.toString('utf8', 0, end < 0 ? record.length : end)
}
