// How the keys of a set lie in memory: which types, at which offsets, and what an element of the set looks like.
import { type DataType, dataType, fieldBytes, writeField } from './datatypes.ts'
import { writeInterval } from './intervals.ts'
import type { NamedSet, Scalar, Value } from './model.ts'

const MAX_KEY = 64

/** The fields of a key or of a map's data. `length` in bytes: of a concatenation with each field padded to 4. */
export interface Fields {
  readonly types: readonly DataType[]
  readonly offsets: readonly number[]
  readonly length: number
  readonly concatenated: boolean
}

/** A set's layout. `low` and `high` are where `encodeKey` puts the last key; `high` counts only in interval sets. */
export interface Layout extends Fields {
  readonly name: string
  readonly interval: boolean
  readonly data: Fields | 'verdict' | undefined
  readonly low: Buffer
  readonly high: Buffer
}

/** Lays out fields. Throws RangeError when there are none or they need more than 64 bytes. */
export function fieldsOfTypes(types: readonly DataType[], concatenated = types.length > 1): Fields {
  let end = 0
  const offsets = types.map(({ length }) => {
    const at = end
    end += concatenated ? (length + 3) & ~3 : length
    return at
  })
  if (end > 0 && end <= MAX_KEY) return { types, offsets, length: end, concatenated }
  throw new RangeError(`a key of ${types.map(type => type.name).join(' . ')} has ${end} bytes: write 1 to ${MAX_KEY}`)
}

function fieldsOfNames(names: string | readonly string[]): Fields {
  return fieldsOfTypes((typeof names === 'string' ? [names] : names).map(dataType))
}

/**
 * A layout for `fields`. Throws TypeError for intervals of types in host order, which have none on the wire; beside other
 * fields an `ifname` can stand, as a single value.
 */
export function makeLayout(name: string, fields: Fields, interval: boolean, data?: Layout['data']): Layout {
  const ordered = (type: DataType) => type.order === 'big' || (type.form === 'name' && fields.concatenated)
  const unordered = interval ? fields.types.find(type => !ordered(type)) : undefined
  if (unordered)
    throw new TypeError(`set ${name}: intervals of ${unordered.name} are not supported; list single values`)
  const scratch = { low: Buffer.alloc(fields.length), high: Buffer.alloc(fields.length) }
  return { ...fields, ...scratch, name, interval, data }
}

const layouts = new WeakMap<NamedSet, Layout>()

/** The layout of a named set; computed once per value. */
export function layoutOf(set: NamedSet): Layout {
  const known = layouts.get(set)
  if (known) return known
  const data = set.map === undefined || set.map === 'verdict' ? set.map : fieldsOfNames(set.map)
  const layout = makeLayout(set.name, fieldsOfNames(set.type), set.flags?.includes('interval') ?? false, data)
  layouts.set(set, layout)
  return layout
}

function typesText(fields: Fields): string {
  return fields.types.map(type => type.name).join(' . ')
}

function writeKeyField(layout: Layout, value: Scalar, index: number): void {
  const type = layout.types[index]
  const at = layout.offsets[index]
  if (!type || at === undefined) throw new RangeError(`set ${layout.name} has no field ${index}`)
  if (layout.interval) writeInterval(type, value, layout.low, layout.high, at)
  else writeField(type, value, layout.low, at)
}

/** Writes a key into `layout.low` (and `layout.high`). Throws TypeError that quotes it and says what the set wants. */
export function encodeKey(layout: Layout, key: Value): void {
  if (typeof key === 'string' || typeof key === 'number') {
    if (layout.concatenated) {
      throw new TypeError(`set ${layout.name}: ${JSON.stringify(key)} is one field: write [${typesText(layout)}]`)
    }
    writeKeyField(layout, key, 0)
    return
  }
  if (key.length !== layout.types.length) {
    throw new TypeError(`set ${layout.name}: ${JSON.stringify(key)} has ${key.length} fields, not ${typesText(layout)}`)
  }
  for (let index = 0; index < key.length; index++) writeKeyField(layout, key[index] ?? '', index)
}

/** The bytes of a map's data. Throws TypeError like encodeKey. */
export function encodeData(name: string, fields: Fields, value: Value): Buffer {
  const [only] = fields.types
  if (only && !fields.concatenated && (typeof value === 'string' || typeof value === 'number')) {
    return fieldBytes(only, value)
  }
  if (typeof value === 'string' || typeof value === 'number' || value.length !== fields.types.length) {
    throw new TypeError(`map ${name}: data ${JSON.stringify(value)} is no ${typesText(fields)}`)
  }
  const out = Buffer.alloc(fields.length)
  fields.types.forEach((type, index) => {
    writeField(type, value[index] ?? '', out, fields.offsets[index] ?? 0)
  })
  return out
}

/** nft's number for a type or a concatenation: 6 bits for each field. */
export function typeId(fields: Fields): number {
  return fields.types.reduce((id, type) => id * 64 + type.id, 0)
}
