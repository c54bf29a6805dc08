// What a command line program is made of, as data: the parser, the help, the man page and the completions are all made from one table of this shape.
// All texts are ASCII, so that they are the same in every locale.
import type { ErrorCode } from '../errors.ts'

export interface Argument {
  /** As usage lines show it: `NAME`. */
  readonly name: string
  readonly summary: string
  readonly optional?: true
  /** May be given more than once; only the last argument of a command. */
  readonly repeated?: true
  /** The words that it can be; `commands` are those of the program. Absent: anything. */
  readonly choices?: readonly string[] | 'commands'
}

export interface Option {
  /** Without the dashes: `json`. */
  readonly name: string
  /** One letter, for `-h`. */
  readonly short?: string
  /** What follows it, as usage lines show it: `PATH`. Absent: nothing does. */
  readonly value?: string
  readonly summary: string
}

export interface Example {
  readonly line: string
  readonly summary: string
}

/** Where a command writes to, and what it was called with. */
export interface Call {
  readonly program: Program
  /** In the order of the command's arguments, repeated ones at the end. */
  readonly words: readonly string[]
  readonly json: boolean
  /** Path of the control socket. */
  readonly control: string
  /** Writes a text to standard output; lines end with a newline. */
  readonly write: (text: string) => void
}

export interface Command {
  readonly name: string
  readonly summary: string
  /** Paragraphs. */
  readonly details: readonly string[]
  readonly arguments: readonly Argument[]
  readonly examples: readonly Example[]
  /** Writes text only, so `--json` is refused. */
  readonly textOnly?: true
  /** Throws PluginError with the sentence for the user. */
  readonly run: (call: Call) => void | Promise<void>
}

export interface ExitCode {
  readonly code: number
  readonly summary: string
  /** The errors that end with it. */
  readonly errors: readonly ErrorCode[]
}

export interface Entry {
  readonly name: string
  readonly summary: string
}

export interface Program {
  readonly name: string
  readonly version: string
  /** Of the man page, `2026-01-31`. */
  readonly date: string
  readonly summary: string
  readonly details: readonly string[]
  readonly commands: readonly Command[]
  /** They hold for every command and may stand anywhere. */
  readonly options: readonly Option[]
  /** Errors that none of them names end with 1. */
  readonly exits: readonly ExitCode[]
  readonly environment: readonly Entry[]
  readonly files: readonly Entry[]
  readonly seeAlso: readonly string[]
}

/** `status [NAME...]`, as usage lines show a command. */
export function usage(command: Command): string {
  return [command.name, ...command.arguments.map(placeholder)].join(' ')
}

/** `NAME`, `[NAME]`, `[NAME...]`; the words themselves where there are few: `bash|zsh|fish`. */
export function placeholder({ name, optional, repeated, choices }: Argument): string {
  const word = Array.isArray(choices) ? choices.join('|') : name
  const text = repeated ? `${word}...` : word
  return optional ? `[${text}]` : text
}

/** `-h, --help` or `--control PATH`. */
export function spelling({ name, short, value }: Option): string {
  const long = `--${name}${value === undefined ? '' : ` ${value}`}`
  return short === undefined ? long : `-${short}, ${long}`
}

/** The words that an argument can be; none: anything. */
export function choicesOf(program: Program, { choices = [] }: Argument): readonly string[] {
  return choices === 'commands' ? program.commands.map(({ name }) => name) : choices
}
