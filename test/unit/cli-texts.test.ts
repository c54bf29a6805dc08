// Help, man page and completions are made from the table: as they were last agreed on, and as their readers take them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { completion } from '../../src/cli/completion.ts'
import type { Program } from '../../src/cli/definitions.ts'
import { commandHelp, programHelp } from '../../src/cli/help.ts'
import { manPage } from '../../src/cli/man.ts'
import { DEFAULT_CONTROL, program } from '../../src/cli/table.ts'
import { knobs } from '../../src/config.ts'
import { assertGolden, slash64 } from '../support/cli.ts'
import { roffProblems } from '../support/roff.ts'

const folder = mkdtempSync(join(tmpdir(), 'slash64-cli-'))
after(() => rmSync(folder, { recursive: true }))

/** The table with texts that could do harm: every script and page must hold them as they are. */
const nasty: Program = {
  ...program,
  summary: "it's a \\ 'test' of \"quotes\"; $(reboot) `reboot` [brackets]: ~ ^",
  options: [{ name: 'json', summary: ".it's \\fB a: [b] $(reboot) `reboot`" }, ...program.options.slice(1)],
  commands: program.commands.map(command => ({ ...command, summary: `.'${command.summary}: \\n $(reboot) "x"` })),
}

describe('the table', () => {
  it('is plain ASCII, has no gaps, and no name twice', () => {
    const text = JSON.stringify(program)
    assert.match(text, /^[\x20-\x7e]*$/)
    for (const names of [program.commands, program.options].map(rows => rows.map(({ name }) => name))) {
      assert.equal(new Set(names).size, names.length)
      for (const name of names) assert.match(name, /^[a-z]+$/)
    }
    for (const { summary, details, examples } of program.commands) {
      assert.ok(summary && details.length > 0 && examples.length > 0)
      assert.doesNotMatch(summary, /\.$|^[A-Z]/)
    }
  })

  it('knows the setting of the daemon and its default', () => {
    assert.equal(DEFAULT_CONTROL, knobs.control.default)
    assert.deepEqual(
      program.environment.map(({ name }) => name),
      [knobs.control.env],
    )
  })

  it('has examples that the parser takes', async () => {
    const { parseLine } = await import('../../src/cli/parse.ts')
    for (const { line } of program.commands.flatMap(({ examples }) => examples)) {
      const [name, ...words] = (line.split(/ [|>]/)[0] ?? '').split(' ')
      assert.equal(name, 'slash64')
      parseLine(program, words)
    }
  })
})

describe('help', () => {
  it('is as agreed on, and keeps to 80 columns', () => {
    const all = [programHelp(program), ...program.commands.map(command => commandHelp(program, command))].join('\n')
    assertGolden('help.txt', all)
    for (const line of all.split('\n').filter(one => !one.startsWith('  slash64 '))) assert.ok(line.length <= 80, line)
  })

  it('is what help, --help, -h and no word at all give', async () => {
    const whole = programHelp(program)
    for (const line of [[], ['help'], ['--help'], ['-h']]) {
      assert.deepEqual(await slash64(line), { code: 0, out: whole, err: '' }, line.join(' '))
    }
    const of = program.commands.find(({ name }) => name === 'status')
    assert.ok(of)
    for (const line of [
      ['help', 'status'],
      ['status', '--help'],
      ['-h', 'status', 'x'],
    ]) {
      assert.equal((await slash64(line)).out, commandHelp(program, of), line.join(' '))
    }
  })

  it('is data with --json', async () => {
    const { commands } = JSON.parse((await slash64(['help', '--json'])).out)
    assert.deepEqual(
      commands.map(({ name }: { name: string }) => name),
      program.commands.map(({ name }) => name),
    )
    assert.equal(JSON.parse((await slash64(['help', 'man', '--json'])).out).name, 'man')
  })
})

describe('the man page', () => {
  it('is as agreed on', async () => {
    assertGolden('slash64.8', manPage({ ...program, version: '0.1.0' }))
    assert.equal((await slash64(['man'])).out, manPage(program))
  })

  it('is roff that nobody warns of, with whatever text', () => {
    for (const page of [manPage(program), manPage(nasty)]) assert.deepEqual(roffProblems(page), [])
    const broken = manPage(program).replace('.SH OPTIONS\n', '.SH OPTIONS\n.PP\n.XX\n\nit\\q "\n.it\n')
    assert.equal(roffProblems(broken).length, 6, roffProblems(broken).join('\n'))
  })

  it('tells of every command, option, exit code, variable and file', () => {
    const page = manPage(program).replaceAll('\\-', '-')
    const { commands, options, environment, files } = program
    for (const { name } of commands) assert.ok(page.includes(`.SS ${name}`), name)
    for (const { name } of options) assert.ok(page.includes(`--${name}`), name)
    for (const { name } of [...environment, ...files]) assert.ok(page.includes(`.B ${name}\n`), name)
  })
})

/** What bash offers after a line, by the script itself: COMP_WORDS as readline cuts them. */
function offered(words: readonly string[], script = completion(program, 'bash')): string[] {
  const file = join(folder, 'completion.bash')
  const list = words.map(word => `'${word}'`).join(' ')
  const ask = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _slash64; printf '%s\\n' "\${COMPREPLY[@]}"`
  writeFileSync(file, `${script}\n${ask}\n`)
  const out = execFileSync('bash', ['--norc', '-u', file], { encoding: 'utf8', cwd: folder })
  return out.split('\n').filter(Boolean)
}

describe('completion', () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    it(`for ${shell} is as agreed on`, async () => {
      assertGolden(`completion.${shell}`, completion(program, shell))
      assert.equal((await slash64(['completion', shell])).out, completion(program, shell))
    })

    it(`for ${shell} holds any text without running it`, () => {
      const script = completion(nasty, shell)
      // What stands outside of quotes has no substitution in it that the script does not want itself.
      const bare = script.replace(/'(?:[^']|'\\'')*'/g, '')
      assert.doesNotMatch(bare, /reboot/)
      if (shell === 'bash') execFileSync('bash', ['-n'], { input: script })
    })
  }

  it('in bash: commands, options, the words of a command, files for --control', () => {
    writeFileSync(join(folder, 'control.sock'), '')
    const commands = program.commands.map(({ name }) => name)
    const cases: [string[], string[]][] = [
      [['slash64', ''], commands],
      [['slash64', 'st'], ['status']],
      [['slash64', '--json', 'ver'], ['version']],
      [['slash64', 'help', ''], commands],
      [
        ['slash64', 'completion', ''],
        ['bash', 'zsh', 'fish'],
      ],
      [['slash64', 'completion', 'bash', ''], []],
      [['slash64', 'status', ''], []],
      [
        ['slash64', 'status', '--'],
        ['--json', '--control', '--help', '--version'],
      ],
      [['slash64', '--control', 'control.s'], ['control.sock']],
      [['slash64', '--control', '=', 'control.s'], ['control.sock']],
      [
        ['slash64', '--control', '='],
        ['completion.bash', 'control.sock'],
      ],
      [['slash64', '--control', 'x', 'st'], ['status']],
      [['slash64', '--control', '=', 'x', 'completion', 'z'], ['zsh']],
      [['slash64', 'nonsense', ''], []],
    ]
    for (const [words, wanted] of cases) assert.deepEqual(offered(words).sort(), [...wanted].sort(), words.join(' '))
  })
})
