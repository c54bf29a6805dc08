// A command line from its words to its exit code.
import { PluginError } from '../errors.ts'
import type { Program } from './definitions.ts'
import { parseLine } from './parse.ts'

export interface Surroundings {
  /** The words behind the program's name. */
  readonly line: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

/** Does what a command line says and resolves to its exit code; what went wrong is written as one line. Errors that are not the user's are thrown. */
export async function runLine(program: Program, defaultControl: string, around: Surroundings): Promise<number> {
  try {
    await execute(program, defaultControl, around)
    return 0
  } catch (error) {
    if (!(error instanceof PluginError)) throw error
    around.err(`${error.message}\n`)
    return program.exits.find(({ errors }) => errors.includes(error.code))?.code ?? 1
  }
}

async function execute(program: Program, defaultControl: string, { line, env, out }: Surroundings): Promise<void> {
  const { command, words, options } = parseLine(program, line)
  const json = options.has('json')
  if (options.has('version')) return out(`${program.name} ${program.version}\n`)
  const control = options.get('control') ?? (env['SLASH64_CONTROL'] || defaultControl)
  const call = { program, words, json, control, write: out }
  if (options.has('help') || command === undefined) {
    const { help } = await import('./help.ts')
    return help({ ...call, words: command ? [command.name] : [] })
  }
  if (json && command.textOnly) {
    throw new PluginError('COMMAND_USAGE', `${command.name} has no JSON`, `${program.name} ${command.name}`)
  }
  await command.run(call)
}
