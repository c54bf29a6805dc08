// The man page, with the macros of man(7), which groff and mandoc both know.

import {
  type Argument,
  type Command,
  type Entry,
  type Example,
  type Program,
  placeholder,
  spelling,
  usage,
} from './definitions.ts'
import { wrap } from './layout.ts'

/** The page of the program in section 8, as roff. */
export function manPage(program: Program): string {
  const { name, version, date, summary, details, commands, options, environment, files, exits, seeAlso } = program
  const lines = [
    `.TH ${name.toUpperCase()} 8 ${date} "${name} ${version}"`,
    ...['.SH NAME', `${plain(name)} \\- ${plain(summary)}`],
    ...['.SH SYNOPSIS', `.B ${plain(name)}`, plain('[OPTION...] COMMAND [ARGUMENT...]')],
    ...['.SH DESCRIPTION', ...paragraphs(details)],
    ...['.SH COMMANDS', ...commands.flatMap(commandPart)],
    ...['.SH OPTIONS', ...options.flatMap(option => entry(spelling(option), option.summary))],
    ...['.SH ENVIRONMENT', ...entries(environment)],
    ...['.SH FILES', ...entries(files)],
    ...['.SH EXIT STATUS', ...exits.flatMap(exit => entry(String(exit.code), exit.summary))],
    ...['.SH EXAMPLES', ...commands.flatMap(({ examples }) => examples.flatMap(example))],
    ...['.SH SEE ALSO', ...references(seeAlso)],
  ]
  return `${lines.join('\n')}\n`
}

function commandPart(command: Command): string[] {
  return [
    `.SS ${plain(usage(command))}`,
    ...paragraphs([sentence(command.summary), ...command.details]),
    ...command.arguments.flatMap((argument: Argument) => entry(placeholder(argument), argument.summary)),
  ]
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, index) => [...(index === 0 ? [] : ['.PP']), ...sentences(text)])
}

/** A sentence a line: then roff knows where it ends. */
function sentences(text: string): string[] {
  return text.split(/(?<=[.:]) (?=[A-Z])/).flatMap(flowing)
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function entries(rows: readonly Entry[]): string[] {
  return rows.flatMap(({ name, summary }) => entry(name, summary))
}

function entry(term: string, meaning: string): string[] {
  return ['.TP', `.B ${plain(term)}`, ...flowing(sentence(meaning))]
}

function example({ line, summary }: Example): string[] {
  return ['.TP', plain(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}:`), '.nf', plain(line), '.fi']
}

function references(pages: readonly string[]): string[] {
  return pages.map((page, index) => {
    const [, name = page, section = ''] = /^(.*)\((.*)\)$/.exec(page) ?? []
    return `.BR ${plain(name)} (${section})${index < pages.length - 1 ? ' ,' : ''}`
  })
}

/** Text that roff fills, in lines that people can read too. */
function flowing(text: string): string[] {
  return wrap(text, 70).map(plain)
}

/** Text that roff takes as it is: no escapes, no requests, no quotes of macro arguments, and hyphens that can be copied. */
function plain(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq').replaceAll("'", '\\(aq')
  return escaped.replaceAll('^', '\\(ha').replaceAll('~', '\\(ti').replace(/^\./, '\\&.')
}
