import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseLine } from '../../src/cli/parse.ts'
import { program } from '../../src/cli/table.ts'
import { PluginError } from '../../src/errors.ts'

function parsed(...line: string[]): [string | undefined, readonly string[], Record<string, string>] {
  const { command, words, options } = parseLine(program, line)
  return [command?.name, words, Object.fromEntries(options)]
}

function refused(...line: string[]): string {
  try {
    parseLine(program, line)
  } catch (error) {
    assert.ok(error instanceof PluginError)
    assert.match(error.code, /^COMMAND_/)
    return error.message
  }
  assert.fail(`${line.join(' ')} was taken`)
}

describe('a command line', () => {
  it('is a command and its words, with options anywhere', () => {
    assert.deepEqual(parsed(), [undefined, [], {}])
    assert.deepEqual(parsed('status'), ['status', [], {}])
    assert.deepEqual(parsed('--json', 'status', 'a', '--control', '/x', 'b'), [
      'status',
      ['a', 'b'],
      { json: '', control: '/x' },
    ])
    assert.deepEqual(parsed('status', '--control=/x=y'), ['status', [], { control: '/x=y' }])
    assert.deepEqual(parsed('status', '--control=/x', '--control', '/y'), ['status', [], { control: '/y' }])
    assert.deepEqual(parsed('status', '-h'), ['status', [], { help: '' }])
    assert.deepEqual(parsed('status', '--', '--json', '-'), ['status', ['--json', '-'], {}])
    assert.deepEqual(parsed('completion', 'zsh'), ['completion', ['zsh'], {}])
  })

  it('that asks for help need not be whole', () => {
    assert.deepEqual(parsed('completion', '--help'), ['completion', [], { help: '' }])
  })

  it('that is wrong says what is wrong and what to write', () => {
    const wrong: [string[], RegExp][] = [
      [['stauts'], /no command "stauts"; write "status"$/],
      [['frobnicate'], /no command "frobnicate"; "slash64 help" lists the commands$/],
      [['status', '--jsno'], /no option "--jsno"; write "--json"$/],
      [['status', '-x'], /no option "-x"; there are --json, --control, --help, --version$/],
      [['--verbose=1'], /no option "--verbose"; there are|no option "--verbose"; write "--version"/],
      [['--json=1', 'status'], /--json takes no value; write "--json"$/],
      [['--control'], /--control needs a value; write "--control PATH"$/],
      [['--control=', 'status'], /--control needs a value/],
      [['version', 'now'], /"now" is one word too many; write "slash64 version"$/],
      [['completion'], /completion needs a SHELL; write "slash64 completion bash\|zsh\|fish"$/],
      [['completion', 'tcsh'], /no shell "tcsh"; (there are bash, zsh, fish|write ".*sh")$/],
      [['help', 'verson'], /no command "verson"; write "version"$/],
      [['help', 'status', 'x'], /"x" is one word too many; write "slash64 help \[COMMAND\]"$/],
    ]
    for (const [line, sentence] of wrong) assert.match(refused(...line), sentence, line.join(' '))
  })

  it('never breaks the parser, whatever is on it', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('status', 'help', '--json', '--control', '--', '-', '--=', '-h', '='),
    )
    fc.assert(
      fc.property(fc.array(word), line => {
        try {
          parseLine(program, line)
        } catch (error) {
          assert.ok(error instanceof PluginError, String(error))
          assert.doesNotMatch(error.message, /[\p{Cc}\p{Cf}]/u)
        }
      }),
    )
  })
})
