// The help texts.
import { type Call, type Command, type Program, placeholder, spelling, usage } from './definitions.ts'
import { definitions, paragraph } from './layout.ts'
import { commandOf } from './parse.ts'

/** `help [COMMAND]`. */
export function help({ program, words: [name], json, write }: Call): void {
  const command = name === undefined ? undefined : commandOf(program, name)
  if (json) write(`${JSON.stringify(command ?? program, null, 2)}\n`)
  else write(command ? commandHelp(program, command) : programHelp(program))
}

/** What the program does and which commands and options it has. */
export function programHelp(program: Program): string {
  const { name, summary, details, commands, environment, exits } = program
  return text(
    [`${name}: ${summary}`],
    [`Usage: ${name} [OPTION...] COMMAND [ARGUMENT...]`],
    ...details.map(detail => paragraph(detail)),
    ['Commands:', ...definitions(commands.map(command => [usage(command), command.summary]))],
    options(program),
    ['Environment:', ...definitions(environment.map(entry => [entry.name, entry.summary]))],
    ['Exit codes:', ...definitions(exits.map(exit => [String(exit.code), exit.summary]))],
    [`"${name} help COMMAND" tells more, "${name} man" is the man page.`],
  )
}

/** What one command does, its arguments, and examples. */
export function commandHelp(program: Program, command: Command): string {
  const { name } = program
  const rows = command.arguments.map(argument => [placeholder(argument), argument.summary] as const)
  return text(
    [`${name} ${command.name}: ${command.summary}`],
    [`Usage: ${name} ${usage(command)}`],
    ...command.details.map(detail => paragraph(detail)),
    rows.length > 0 ? ['Arguments:', ...definitions(rows)] : [],
    options(program),
    ['Examples:', ...command.examples.flatMap(({ line, summary }) => [`  # ${summary}`, `  ${line}`])],
  )
}

function options(program: Program): string[] {
  return ['Options:', ...definitions(program.options.map(option => [spelling(option), option.summary]))]
}

function text(...parts: readonly (readonly string[])[]): string {
  return `${parts
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')}\n`
}
