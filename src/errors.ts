// Every error that a user or Docker can see: a code, the kind that decides the HTTP status, and the sentence. Each sentence quotes what was
// wrong and says what to write instead.

type Kind = 'invalid' | 'conflict' | 'absent' | 'unsupported' | 'exhausted' | 'internal'

const table = {
  INTERNAL: ['internal', (what: string) => `slash64: internal error: ${what}`],
} as const satisfies Record<string, readonly [Kind, (...parts: string[]) => string]>

export type ErrorCode = keyof typeof table

/** An error whose sentence is meant for the user. `status` is the HTTP status of its kind. */
export class PluginError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'PluginError'
  readonly code: C
  readonly kind: Kind

  constructor(code: C, ...parts: Parameters<(typeof table)[C][1]>) {
    const [kind, sentence] = table[code] as readonly [Kind, (...parts: string[]) => string]
    super(sentence(...(parts as string[])))
    this.code = code
    this.kind = kind
  }

  /** 400 for what the caller can mend, 409 for conflicts, 500 for what only we can. */
  get status(): number {
    return { invalid: 400, unsupported: 400, absent: 404, conflict: 409, exhausted: 409, internal: 500 }[this.kind]
  }
}
