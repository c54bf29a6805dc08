// The fields of the engine's requests as zod schemas: Go's nil maps and slices arrive as null, unset strings as ''.
import { z } from 'zod'
import type { PortMapping } from '../policy/published.ts'
import type { PoolData } from '../state/command.ts'
import type { EndpointId, NetworkId, PoolId } from '../state/model.ts'

const LONGEST_KEY = 256
const LONGEST_VALUE = 65_536
const MOST_OPTIONS = 1_000

/** 64 hex digits, or the 25 characters of base 36 of a swarm network (moby pkg/stringid, swarmkit identity). */
export const networkId = z
  .string()
  .regex(/^[a-z0-9]{25,64}$/, 'send the 64 hex digits of a network id')
  .transform(id => id as NetworkId)

/** 64 hex digits. */
export const endpointId = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'send the 64 hex digits of an endpoint id')
  .transform(id => id as EndpointId)

/** Printable ASCII, at most 128 characters; null and absent are ''. Whoever gets it parses it. */
export const plain = z
  .string()
  .regex(/^[\x20-\x7e]{0,128}$/, 'send at most 128 printable ASCII characters')
  .nullish()
  .transform(text => text ?? '')

/** What RequestPool answered; anything else is unknown, which decide() says. */
export const poolId = plain.transform(id => id as PoolId)

/** Absolute path of the sandbox's network namespace, `/var/run/docker/netns/c28d51a144c0`. */
export const sandboxKey = z
  .string()
  .max(4096)
  .refine(isPlainPath, 'send an absolute path without ".." and without control characters')

function isPlainPath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  return path.startsWith('/') && !/[\0-\x1f\x7f]/.test(path) && !path.split('/').includes('..')
}

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True']
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False']

/** A boolean, or one of the strings that Go's strconv.ParseBool takes; null and absent are undefined. */
export const flag = z
  .union([z.boolean(), z.enum([...TRUE, ...FALSE])], 'send true or false')
  .nullish()
  .transform(value => (typeof value === 'string' ? TRUE.includes(value) : (value ?? undefined)))

/** An object of strings as a record without prototype, so that `__proto__` is a key like any other. */
export const stringMap = z
  .custom<object>(value => typeof value === 'object' && value !== null && !Array.isArray(value), 'send an object')
  .nullish()
  .transform((object, context) => record(Object.entries(object ?? {}), context))

function record(entries: readonly [string, unknown][], context: z.RefinementCtx): Readonly<Record<string, string>> {
  const strings: Record<string, string> = Object.create(null)
  if (entries.length > MOST_OPTIONS) {
    context.addIssue({ code: 'custom', message: `send at most ${MOST_OPTIONS} options` })
    return strings
  }
  for (const [key, value] of entries) {
    const problem = optionProblem(key, value)
    if (problem !== undefined) context.addIssue({ code: 'custom', path: [key], message: problem })
    else strings[key] = value as string
  }
  return strings
}

function optionProblem(key: string, value: unknown): string | undefined {
  if (typeof value !== 'string') return 'send a string'
  if (key.length > LONGEST_KEY) return `send a name of at most ${LONGEST_KEY} characters`
  if (value.length > LONGEST_VALUE) return `send at most ${LONGEST_VALUE} characters`
  if (`${key}${value}`.includes('\0')) return 'send no NUL characters'
}

const port = z.int().min(0).max(65_535).nullish()

/** `com.docker.network.portmap`: moby PortBinding; `Proto` is an IP protocol number, `HostIP` text or ''. */
export const portMap = z
  .array(
    z
      .object({ Proto: z.int().min(0).max(255), Port: port, HostIP: plain, HostPort: port, HostPortEnd: port })
      .transform(
        (entry): PortMapping => ({
          protocol: entry.Proto,
          port: entry.Port ?? 0,
          hostIp: entry.HostIP,
          hostPort: entry.HostPort ?? 0,
          hostPortEnd: entry.HostPortEnd ?? 0,
        }),
      ),
  )
  .nullish()
  .transform(entries => entries ?? [])

// Structured values of the engine that a command has no use for, and what CreateEndpoint says a second time in
// Interface.MacAddress (base64 here).
const DROPPED = [
  'com.docker.network.endpoint.exposedports',
  'com.docker.network.endpoint.macaddress',
  'com.docker.network.endpoint.dnsservers',
]

/** CreateEndpoint's options: the port map, and the user's strings beside it as a record without prototype. */
export const endpointOptions = z
  .looseObject({ 'com.docker.network.portmap': portMap })
  .nullish()
  .transform((object, context) => {
    const { 'com.docker.network.portmap': ports = [], ...others } = object ?? {}
    const strings = Object.entries(others).filter(([key, value]) => typeof value === 'string' && !DROPPED.includes(key))
    return { ports, options: record(strings, context) }
  })

/** IPv4Data and IPv6Data: moby driverapi/ipamdata.go; `Gateway` and `AuxAddresses` are absent where there are none. */
export const poolData = z
  .array(
    z.object({ Pool: plain, Gateway: plain, AuxAddresses: stringMap }).transform(
      (entry): PoolData => ({
        pool: entry.Pool,
        gateway: entry.Gateway,
        auxiliary: Object.values(entry.AuxAddresses),
      }),
    ),
  )
  .max(256)
  .nullish()
  .transform(entries => entries ?? [])
