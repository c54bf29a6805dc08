// Elements as attributes: NFTA_SET_ELEM_* inside NFTA_SET_ELEM_LIST_ELEMENTS. A set with intervals of one field is a tree of
// boundaries (first key, and behind the last a key with the flag END); one of concatenated intervals has KEY and KEY_END.
import { verdictName, writeData, writeVerdict } from './expressions.ts'
import { type Boundary, decrement, increment, readInterval } from './intervals.ts'
import { encodeData, encodeKey, type Fields, type Layout } from './layout.ts'
import type { Element, Scalar, Value, Verdict } from './model.ts'
import { attributeMap, parseAttributes, readString, type Writer } from './netlink/index.ts'
import { commentRecord, INTERVAL_OPEN, numberRecord, readComment, USERDATA } from './userdata.ts'
import { DATA, ELEMENT, ELEMENT_FLAG_END, ELEMENTS, LIST_ITEM, VERDICT } from './wire.ts'

/** Most bytes that one element of the set can take: its key twice, data, timeout, userdata and their headers. */
export function elementBound(layout: Layout): number {
  const data = layout.data === undefined ? 0 : layout.data === 'verdict' ? 288 : layout.data.length + 12
  return 3 * (layout.length + 24) + data + 160
}

function writeDetails(writer: Writer, layout: Layout, element: Element, open: boolean): void {
  const { data, timeout, comment } = element
  if ((layout.data === undefined) !== (data === undefined)) {
    throw new TypeError(data === undefined ? 'an element of a map needs data' : 'only elements of a map have data')
  }
  if (timeout !== undefined) writer.be64(ELEMENT.timeout, BigInt(timeout))
  if (data !== undefined && layout.data !== undefined) writeElementData(writer, layout.name, layout.data, data)
  if (comment === undefined && !open) return
  const records = comment === undefined ? [] : [commentRecord(USERDATA.comment, comment)]
  if (open) records.push(numberRecord(USERDATA.elementFlags, INTERVAL_OPEN))
  writer.bytesAttribute(ELEMENT.userdata, records.length === 1 && records[0] ? records[0] : Buffer.concat(records))
}

function isVerdict(data: Value | Verdict): data is Verdict {
  return typeof data === 'object' && 'kind' in data
}

function writeElementData(writer: Writer, name: string, fields: Fields | 'verdict', data: Value | Verdict): void {
  if (fields === 'verdict') {
    if (!isVerdict(data)) throw new TypeError(`${JSON.stringify(data)} is no verdict: write accept, drop, jump(…)`)
    writeVerdict(writer, ELEMENT.data, data)
  } else {
    if (isVerdict(data)) throw new TypeError(`verdict ${data.code} where the map holds values`)
    writeData(writer, ELEMENT.data, encodeData(name, fields, data))
  }
}

function writeOne(writer: Writer, layout: Layout, element: Element, adding: boolean): void {
  writer.nest(LIST_ITEM, item => {
    writeData(item, ELEMENT.key, layout.low)
    if (layout.interval) writeData(item, ELEMENT.keyEnd, layout.high)
    if (adding) writeDetails(item, layout, element, false)
  })
}

function writeTree(writer: Writer, layout: Layout, element: Element, adding: boolean): void {
  const open = !increment(layout.high)
  writer.nest(LIST_ITEM, item => {
    writeData(item, ELEMENT.key, layout.low)
    if (adding) writeDetails(item, layout, element, open)
  })
  if (open) return
  writer.nest(LIST_ITEM, item => {
    writeData(item, ELEMENT.key, layout.high)
    item.be32(ELEMENT.flags, ELEMENT_FLAG_END)
  })
}

/** Appends one element; `adding`: with data, timeout and comment. Throws TypeError that names the set and quotes the key. */
export function writeElement(writer: Writer, layout: Layout, element: Element, adding: boolean): void {
  try {
    encodeKey(layout, element.key)
    if (layout.interval && !layout.concatenated) writeTree(writer, layout, element, adding)
    else writeOne(writer, layout, element, adding)
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new TypeError(`element ${JSON.stringify(element.key)} of set ${layout.name}: ${text}`, { cause })
  }
}

/** Appends a key as it is: an item of an anonymous set, or what to look for. */
export function writeBoundary(writer: Writer, { key, end, open, of }: Boundary<Verdict>, keyEnd?: Buffer): void {
  writer.nest(LIST_ITEM, item => {
    if (end) item.be32(ELEMENT.flags, ELEMENT_FLAG_END)
    writeData(item, ELEMENT.key, key)
    if (keyEnd) writeData(item, ELEMENT.keyEnd, keyEnd)
    if (of) writeVerdict(item, ELEMENT.data, of)
    if (open) item.bytesAttribute(ELEMENT.userdata, numberRecord(USERDATA.elementFlags, INTERVAL_OPEN))
  })
}

/** An element as the kernel dumps it. `timeout` in milliseconds. */
export interface RawElement {
  readonly key: Buffer
  readonly keyEnd: Buffer | undefined
  readonly end: boolean
  readonly data: Buffer | undefined
  readonly timeout: number | undefined
  readonly comment: string | undefined
}

const value = (data: Buffer | undefined): Buffer | undefined => data && attributeMap(data).get(DATA.value)

/** The raw elements in the payload (from the family header on) of one NEWSETELEM message. */
export function parseElements(payload: Buffer): RawElement[] {
  const list = attributeMap(payload, 4).get(ELEMENTS.elements)
  if (!list) return []
  return parseAttributes(list).map(({ value: item }) => {
    const attributes = attributeMap(item)
    const timeout = attributes.get(ELEMENT.timeout)
    return {
      key: value(attributes.get(ELEMENT.key)) ?? Buffer.alloc(0),
      keyEnd: value(attributes.get(ELEMENT.keyEnd)),
      end: ((attributes.get(ELEMENT.flags)?.readUInt32BE(0) ?? 0) & ELEMENT_FLAG_END) !== 0,
      data: attributes.get(ELEMENT.data),
      timeout: timeout && Number(timeout.readBigUInt64BE(0)),
      comment: readComment(attributes.get(ELEMENT.userdata)),
    }
  })
}

function readData(fields: Fields | 'verdict', data: Buffer): Value | Verdict {
  if (fields === 'verdict') {
    const attributes = attributeMap(attributeMap(data).get(DATA.verdict) ?? Buffer.alloc(0))
    const code = verdictName(attributes.get(VERDICT.code)?.readInt32BE(0) ?? 0) ?? 'continue'
    const chain = attributes.get(VERDICT.chain)
    return { kind: 'verdict', code, ...(chain && { chain: readString(chain) }) }
  }
  const bytes = value(data) ?? Buffer.alloc(fields.length)
  return readFields(fields, bytes, bytes)
}

function readFields(fields: Fields, low: Buffer, high: Buffer): Value {
  const values = fields.types.map((type, index): Scalar => readInterval(type, low, high, fields.offsets[index] ?? 0))
  return values.length === 1 && values[0] !== undefined ? values[0] : values
}

function toElement(layout: Layout, raw: RawElement, high: Buffer): Element {
  return {
    key: readFields(layout, raw.key, high),
    ...(raw.data && layout.data && { data: readData(layout.data, raw.data) }),
    ...(raw.comment !== undefined && { comment: raw.comment }),
    ...(raw.timeout !== undefined && { timeout: raw.timeout }),
  }
}

/** Elements as a person would write them. The boundaries of an interval set are paired; they may come in any order. */
export function readElements(layout: Layout, raw: readonly RawElement[]): Element[] {
  if (!layout.interval) return raw.map(item => toElement(layout, item, item.key))
  if (layout.concatenated) return raw.map(item => toElement(layout, item, item.keyEnd ?? item.key))
  const sorted = [...raw].sort((a, b) => a.key.compare(b.key) || Number(b.end) - Number(a.end))
  const elements: Element[] = []
  sorted.forEach((item, index) => {
    if (item.end) return
    const next = sorted[index + 1]
    const high = next ? Buffer.from(next.key) : Buffer.alloc(layout.length, 0xff)
    if (next) decrement(high)
    elements.push(toElement(layout, item, high))
  })
  return elements
}
