// From the words of a command line to what is to be done, by the table alone.
import { PluginError } from '../errors.ts'
import { nearest } from '../words.ts'
import { type Command, choicesOf, type Option, type Program, spelling, usage } from './definitions.ts'

export interface Parsed {
  /** Absent where the line names none. */
  readonly command: Command | undefined
  readonly words: readonly string[]
  /** By the name of the option; '' for those that take no value. */
  readonly options: ReadonlyMap<string, string>
}

/**
 * Parses a command line without the program's name. Options may stand anywhere before `--`, as `--name VALUE` or `--name=VALUE`; an option that repeats counts
 * as it was given last. Throws COMMAND_UNKNOWN, with the nearest word that there is, or COMMAND_USAGE.
 */
export function parseLine(program: Program, line: readonly string[]): Parsed {
  const { words, options } = separate(program, line)
  const [name, ...rest] = words
  const command = name === undefined ? undefined : commandOf(program, name)
  // Whoever asks for help may not know yet what belongs on the line.
  if (command && !options.has('help') && !options.has('version')) checkWords(program, command, rest)
  return { command, words: rest, options }
}

/** The command of a name. Throws COMMAND_UNKNOWN. */
export function commandOf(program: Program, name: string): Command {
  const found = program.commands.find(command => command.name === name)
  if (found) return found
  const names = program.commands.map(command => command.name)
  throw unknown('command', name, names, `"${program.name} help" lists the commands`)
}

function separate(program: Program, line: readonly string[]) {
  const words: string[] = []
  const options = new Map<string, string>()
  const left = [...line]
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word === '--') return { words: [...words, ...left], options }
    if (!word.startsWith('-') || word === '-') words.push(word)
    else takeOption(program, word, left, options)
  }
  return { words, options }
}

/** Takes an option, and where its value is the next word, that from `left`. */
function takeOption(program: Program, word: string, left: string[], options: Map<string, string>): void {
  const [, dashed = '', given] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? []
  const option = optionOf(program, dashed)
  const { name, value } = option
  if (value === undefined && given !== undefined) {
    throw new PluginError('COMMAND_USAGE', `--${name} takes no value`, `--${name}`)
  }
  const text = value === undefined ? '' : (given ?? left.shift())
  if (text === undefined || (value !== undefined && text === '')) {
    throw new PluginError('COMMAND_USAGE', `--${name} needs a value`, spelling(option))
  }
  options.set(name, text)
}

function optionOf(program: Program, dashed: string): Option {
  const found = program.options.find(({ name, short }) => dashed === `--${name}` || dashed === `-${short}`)
  if (found) return found
  const names = program.options.map(({ name }) => `--${name}`)
  throw unknown('option', dashed, names, `there are ${names.join(', ')}`)
}

function checkWords(program: Program, command: Command, words: readonly string[]): void {
  const line = `${program.name} ${usage(command)}`
  const repeats = command.arguments.at(-1)?.repeated === true
  const excess = repeats ? undefined : words[command.arguments.length]
  if (excess !== undefined) {
    throw new PluginError('COMMAND_USAGE', `${JSON.stringify(excess)} is one word too many`, line)
  }
  for (const [index, argument] of command.arguments.entries()) {
    const word = words[index]
    const choices = choicesOf(program, argument)
    if (word === undefined && !argument.optional) {
      throw new PluginError('COMMAND_USAGE', `${command.name} needs a ${argument.name}`, line)
    }
    if (word !== undefined && choices.length > 0 && !choices.includes(word)) {
      throw unknown(argument.name.toLowerCase(), word, choices, `there are ${choices.join(', ')}`)
    }
  }
}

function unknown(what: string, word: string, known: readonly string[], otherwise: string): PluginError {
  const near = nearest(word, known)
  return new PluginError('COMMAND_UNKNOWN', what, word, near === undefined ? otherwise : `write "${near}"`)
}
