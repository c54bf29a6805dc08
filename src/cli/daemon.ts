// Questions to the daemon, and its answers held against their schemas.
import type { ZodType } from 'zod'
import { PluginError } from '../errors.ts'
import { type Answers, answers, type Question, refusal } from '../http/control-answers.ts'
import { askControl } from '../http/control-ask.ts'
import { version } from '../version.ts'
import type { Call } from './definitions.ts'

/**
 * What the daemon answers, with whatever a newer one adds. Throws what `askControl` throws, CONTROL_REFUSED with the daemon's own sentence, and CONTROL_NEWER
 * for an answer that does not fit.
 */
export async function ask<Q extends Question>({ control }: Pick<Call, 'control'>, question: Q): Promise<Answers[Q]> {
  const { status, body } = await askControl(control, question)
  const json = parseJson(control, body)
  if (status !== 200) {
    const said = refusal.safeParse(json)
    throw said.success
      ? new PluginError('CONTROL_REFUSED', said.data.error)
      : new PluginError('CONTROL_BROKEN', control, `HTTP status ${status}`)
  }
  const parsed = (answers[question] as unknown as ZodType<Answers[Q]>).safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const problem = `${issue?.path.map(String).join(' / ') || 'it'}: ${issue?.message}`
  throw new PluginError('CONTROL_NEWER', versionIn(json), version, problem)
}

function parseJson(control: string, body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    throw new PluginError('CONTROL_BROKEN', control, 'the answer is not JSON')
  }
}

function versionIn(json: unknown): string {
  const found = typeof json === 'object' && json !== null ? Reflect.get(json, 'version') : undefined
  return typeof found === 'string' ? found : 'unknown'
}

/** `version`: what this command is, even where the daemon does not say what it is. */
export async function showVersions(call: Call): Promise<void> {
  if (!call.json) call.write(`command  ${version}\n`)
  const daemon = await ask(call, '/version')
  if (call.json) call.write(`${JSON.stringify({ command: { version }, daemon }, null, 2)}\n`)
  else call.write(`daemon   ${daemon.version} (Node.js ${daemon.node})\n`)
}
