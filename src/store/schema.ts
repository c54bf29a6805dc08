// The shapes of the state files. Strict: a field that is not known was written by another version, and losing it would
// be silent.
import { z } from 'zod'
import type { GroupBits } from '../address/group.ts'
import type { AllowEntry } from '../policy/allow.ts'
import { PROTOCOLS } from '../policy/allow.ts'
import type { PublishedPort } from '../policy/published.ts'
import type { Endpoint, EndpointId, Network, NetworkId, Pool, PoolId } from '../state/model.ts'

/** What the host is, beside its networks. One file. */
export interface HostRecord {
  /** Derives the prefix of a host without SLASH64_PREFIX; the machine id, as it was at first. */
  readonly prefixSeed?: string
  /** The Docker Engine whose networks these are. */
  readonly engine?: string
  /** Which ruleset the kernel should hold and which it was given, as hashes, in which boot. */
  readonly ruleset?: { readonly boot: string; readonly wanted: string; readonly loaded: string }
}

const text = z.string().max(4096)
const port = z.int().min(1).max(65_535)
const number = z.int().min(0).max(65_534)

const networkId = z.custom<NetworkId>(id => typeof id === 'string' && /^[a-z0-9]{25,64}$/.test(id), 'no network id')
const endpointId = z.custom<EndpointId>(id => typeof id === 'string' && /^[0-9a-f]{64}$/.test(id), 'no endpoint id')
const poolId = z.custom<PoolId>(id => typeof id === 'string' && /^[0-9a-f:]{2,39}\/\d{1,3}$/.test(id), 'no pool id')
const group = z.custom<GroupBits>(
  bits => Number.isInteger(bits) && Number(bits) > 0 && Number(bits) <= 0xffffffff,
  'not the bits of a group',
)

const portRange = z.strictObject({ protocol: z.enum(PROTOCOLS), first: port, last: port })

const allowEntry: z.ZodType<AllowEntry> = z.strictObject({
  peer: z.strictObject({ name: text, bits: group }),
  ports: portRange.exactOptional(),
})

const publishedPort: z.ZodType<PublishedPort> = z.strictObject({ protocol: z.enum(PROTOCOLS), port })

/** networks/ID.json */
export const networkFile: z.ZodType<Network> = z.strictObject({
  id: networkId,
  pool: poolId,
  prefix: text,
  group,
  groupName: text.exactOptional(),
  allow: z.array(allowEntry),
  mtu: z.int().exactOptional(),
  internal: z.literal(true).exactOptional(),
  birth: z.enum(['sandbox', 'engine']).exactOptional(),
  linkPrefix: text.exactOptional(),
})

/** endpoints/ID.json */
export const endpointFile: z.ZodType<Endpoint> = z.strictObject({
  id: endpointId,
  network: networkId,
  pool: poolId,
  number: number.min(1),
  address: text,
  mac: text,
  published: z.array(publishedPort),
  sysctls: z.array(z.strictObject({ path: z.array(text), value: text })).exactOptional(),
  sandbox: text.exactOptional(),
  moved: z.literal(true).exactOptional(),
  namePrefix: text.exactOptional(),
  settled: z.literal(true).exactOptional(),
  phase: z.enum(['created', 'joined', 'left']),
  boot: text,
})

/** pools/ID.json, see `fileName` */
export const poolFile: z.ZodType<Pool> = z.strictObject({ id: poolId, prefix: text, group, reserved: number })

/** host.json */
export const hostFile: z.ZodType<HostRecord> = z.strictObject({
  prefixSeed: text.exactOptional(),
  engine: text.exactOptional(),
  ruleset: z.strictObject({ boot: text, wanted: text, loaded: text }).exactOptional(),
})
