// What the control socket answers, as schemas: the daemon's answers have these shapes, and the command holds them against it. Loose: a daemon of a later
// version may say more.
import { z } from 'zod'
import type { Status } from '../state/status.ts'

/** GET /version */
export interface Version {
  readonly version: string
  /** The Node.js that runs the daemon, `v24.1.0`. */
  readonly node: string
}

const text = z.string()
const name = { id: text, name: text.exactOptional() }

const endpoint = z.looseObject({
  id: text,
  container: text.exactOptional(),
  address: text,
  mac: text,
  link: text.exactOptional(),
  phase: z.enum(['created', 'joined', 'left']),
  birth: z.enum(['in place', 'moved']).exactOptional(),
  published: z.array(text),
})

const network = z.looseObject({ ...name, pool: text, endpoints: z.array(endpoint) })

const group = z.looseObject({
  name: text.exactOptional(),
  number: text,
  local: z.boolean(),
  pool: text,
  allow: z.array(text),
  internal: z.boolean(),
  networks: z.array(network),
})

const status: z.ZodType<Status> = z.looseObject({
  version: text,
  prefix: text,
  prefixes: z.array(z.looseObject({ prefix: text, current: z.boolean(), networks: z.array(z.looseObject(name)) })),
  fleet: z.array(text),
  uplinks: z.array(text),
  docker: z.looseObject({
    state: z.enum(['answering', 'not answering', 'not asked']),
    version: text.exactOptional(),
  }),
  groups: z.array(group),
})

const version: z.ZodType<Version> = z.looseObject({ version: text, node: text })

/** The schema of every answer, by the path that is asked with GET. */
export const answers = { '/version': version, '/status': status } as const

export type Question = keyof typeof answers
export type Answers = { readonly [Q in Question]: z.infer<(typeof answers)[Q]> }

/** What is answered with every status other than 200: a sentence for the user. */
export const refusal: z.ZodType<{ readonly error: string }> = z.looseObject({ error: text })
