// Completion scripts: words out of the table, in the language of each shell.
import { type Argument, type Command, choicesOf, type Option, type Program } from './definitions.ts'

/** The script for `shell`, which is one of bash, zsh and fish. */
export function completion(program: Program, shell: string): string {
  const scripts: Record<string, (program: Program) => string[]> = { bash, zsh, fish }
  return `${(scripts[shell] ?? bash)(program).join('\n')}\n`
}

function flags(options: readonly Option[]): string[] {
  return options.flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])])
}

function withValue(options: readonly Option[]): string[] {
  return options.filter(({ value }) => value !== undefined).map(({ name }) => `--${name}`)
}

/** The words that come after a command: those of its first argument with choices. */
function wordsOf(program: Program, command: Command): readonly string[] {
  return command.arguments.flatMap(argument => choicesOf(program, argument))
}

// Bash takes "=" for a word of its own: --control=PATH comes as three.
function bash(program: Program): string[] {
  const { name, commands, options } = program
  const cases = commands
    .map(command => ({ command, words: wordsOf(program, command) }))
    .filter(({ words }) => words.length > 0)
    .map(({ command, words }) => `    ${command.name}) words='${words.join(' ')}' ;;`)
  const valued = withValue(options).join('|')
  return [
    `# bash completion of ${name}`,
    `_${name}() {`,
    `  local current=\${COMP_WORDS[COMP_CWORD]} command= count=0 skip= value= words= word i`,
    '  COMPREPLY=()',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    `    word=\${COMP_WORDS[i]}`,
    `    if [ "$word" = = ]; then skip=1; continue; fi`,
    '    if [ -n "$skip" ]; then skip=; continue; fi',
    '    case $word in',
    `      ${valued}) skip=1 ;;`,
    '      -*) ;;',
    '      *) if [ -z "$command" ]; then command=$word; else count=$((count + 1)); fi ;;',
    '    esac',
    '  done',
    `  if [ -n "$skip" ] || [ "$current" = = ]; then`,
    `    [ "$current" != = ] || current=`,
    '    compopt -o filenames 2>/dev/null',
    '    mapfile -t COMPREPLY < <(compgen -f -- "$current")',
    '    return',
    '  fi',
    '  case $command in',
    `    '') words='${commands.map(command => command.name).join(' ')}' ;;`,
    ...cases,
    '  esac',
    '  [ "$count" -eq 0 ] || words=',
    `  case $current in -*) words='${flags(options).join(' ')}' ;; esac`,
    '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")',
    '}',
    `complete -F _${name} ${name}`,
  ]
}

function zsh(program: Program): string[] {
  const { name, commands, options } = program
  const specs = options.map(({ name: long, short, value, summary }) => {
    const tail = `[${inBrackets(summary)}]${value === undefined ? '' : `:${value}:_files`}`
    return short === undefined ? quoted(`--${long}${tail}`) : `{-${short},--${long}}${quoted(tail)}`
  })
  const described = commands.map(command => quoted(`${command.name}:${command.summary.replaceAll(':', '\\:')}`))
  const argument = (one: Argument): string => {
    const words = choicesOf(program, one)
    const action = words.length > 0 ? `(${words.join(' ')})` : ' '
    return quoted(`${one.repeated ? '*' : ''}:${one.name}:${action}`)
  }
  const cases = commands
    .filter(command => command.arguments.length > 0)
    .map(command => `        ${command.name}) _arguments $options ${command.arguments.map(argument).join(' ')} ;;`)
  return [
    `#compdef ${name}`,
    `_${name}() {`,
    '  local curcontext=$curcontext state line',
    '  typeset -A opt_args',
    '  local -a commands options',
    `  commands=(${described.join(' ')})`,
    `  options=(${specs.join(' ')})`,
    `  _arguments -C $options '1:COMMAND:->command' '*::ARGUMENT:->argument'`,
    '  case $state in',
    `    command) _describe COMMAND commands ;;`,
    '    argument)',
    '      case $words[1] in',
    ...cases,
    '        *) _arguments $options ;;',
    '      esac ;;',
    '  esac',
    '}',
    `if [ "$funcstack[1]" = _${name} ]; then _${name} "$@"; else compdef _${name} ${name}; fi`,
  ]
}

function inBrackets(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&')
}

function fish(program: Program): string[] {
  const { name, commands, options } = program
  const begin = `complete -c ${name}`
  const names = commands.map(command => command.name).join(' ')
  return [
    `# fish completion of ${name}`,
    `${begin} -f`,
    ...commands.map(
      command =>
        `${begin} -n 'not __fish_seen_subcommand_from ${names}' -a ${command.name} -d ${quoted(command.summary)}`,
    ),
    ...commands.flatMap(command =>
      command.arguments.flatMap(argument => {
        const words = choicesOf(program, argument)
        const condition = `-n '__fish_seen_subcommand_from ${command.name}'`
        return words.length === 0
          ? []
          : [`${begin} ${condition} -a ${quoted(words.join(' '))} -d ${quoted(argument.summary)}`]
      }),
    ),
    ...options.map(({ name: long, short, value, summary }) =>
      [begin, short && `-s ${short}`, `-l ${long}`, value && '-r -F', `-d ${quoted(summary)}`]
        .filter(Boolean)
        .join(' '),
    ),
  ]
}

/** One word of a shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
