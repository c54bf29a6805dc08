// The pages of the documentation as what a reader would type: Markdown -> steps. How a page is written stands in docs/contributing.md.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../lab/setup.ts'

/** What a page finds when it begins: slash64 on one host or on two, a host without slash64, or one with the managed plugin. */
export const setUps = ['host', 'two hosts', 'clone', 'plugin'] as const
export type SetUp = (typeof setUps)[number]

/** A command of a console block, with what it prints and how it ends. `line` counts from 1. */
export interface Command {
  readonly line: number
  readonly text: string
  readonly output: readonly string[]
  readonly code: number
}

interface At {
  readonly line: number
  /** The machine; undefined: the first one of the set-up. */
  readonly machine: string | undefined
}

/**
 * `script`: a whole sh block, nothing of which may fail. `console`: commands one by one. `file`: written to the current folder. `lab`: what a
 * reader's machine does by itself, such as losing its daemon.
 */
export type Step = At &
  (
    | { readonly kind: 'script'; readonly text: string }
    | { readonly kind: 'console'; readonly commands: readonly Command[] }
    | { readonly kind: 'file'; readonly name: string; readonly text: string }
    | { readonly kind: 'lab'; readonly words: readonly string[] }
  )

/** A block that a lab cannot run. */
export interface NotRun {
  readonly page: string
  readonly line: number
  /** Its first line, without a comment. */
  readonly first: string
  readonly reason: string
}

export interface Page {
  /** From the root of the repository. */
  readonly path: string
  /** undefined: nothing of it is run. */
  readonly setUp: SetUp | undefined
  readonly steps: readonly Step[]
  readonly notRun: readonly NotRun[]
}

interface Fence {
  readonly line: number
  readonly language: string
  readonly attributes: ReadonlyMap<string, string>
  readonly lines: readonly string[]
}

/** Lines that only a reader's hands can have typed. */
const TYPED = /^(?:[$#] )?(?:sudo )?(?:docker|npm|slash64|nft|ip|curl|systemctl) /
const ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  sh: ['host', 'not-run'],
  console: ['host', 'not-run'],
  yaml: ['host', 'file'],
}

/** The pages that there are, by path: README.md, docs/*.md, examples/*\/README.md. */
export function pagePaths(): string[] {
  return globSync(['README.md', 'docs/*.md', 'examples/*/README.md'], { cwd: repository }).sort()
}

/** Reads a page. Throws what parsePage throws. */
export function readPage(path: string): Page {
  return parsePage(path, readFileSync(join(repository, path), 'utf8'))
}

/**
 * The steps of a page in reading order. Throws an Error that begins with `path:line` for a fence without an end, an attribute or a comment
 * that means nothing, commands in a block that is not run, and commands on a page that does not say what it runs on.
 */
export function parsePage(path: string, text: string): Page {
  const wrong = (line: number, what: string): Error => new Error(`${path}:${line}: ${what}`)
  const { fences, comments } = split(text, wrong)
  const steps: Step[] = []
  const notRun: NotRun[] = []
  for (const fence of fences) {
    const step = stepOf(fence, wrong)
    const reason = fence.attributes.get('not-run')
    if (reason !== undefined)
      notRun.push({ page: path, line: fence.line, first: (fence.lines[0] ?? '').replace(/ +# .*$/, ''), reason })
    else if (step) steps.push(step)
  }
  let setUp: SetUp | undefined
  for (const { line, key, machine, value } of comments) {
    if (key === 'lab') steps.push({ kind: 'lab', line, machine, words: value.split(/\s+/) })
    else setUp = parseSetUp(value, setUp, problem => wrong(line, problem))
  }
  steps.sort((one, other) => one.line - other.line)
  if (steps[0] && !setUp)
    throw wrong(steps[0].line, 'the page does not say what it runs on: begin it with <!-- run: host -->')
  return { path, setUp, steps, notRun }
}

type Wrong = (line: number, what: string) => Error

function parseSetUp(value: string, earlier: SetUp | undefined, wrong: (what: string) => Error): SetUp {
  const found = setUps.find(one => one === value)
  if (!found) throw wrong(`run: ${JSON.stringify(value)} is unknown; write ${setUps.join(', ')}`)
  if (earlier) throw wrong('a second run: comment; a page runs on one set-up')
  return found
}

function split(text: string, wrong: Wrong) {
  const fences: Fence[] = []
  const comments: { line: number; key: string; machine: string | undefined; value: string }[] = []
  let open: { line: number; indent: string; mark: string; info: string; lines: string[] } | undefined
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1
    const [, indent = '', mark = '', info = ''] = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(content) ?? []
    if (open) {
      if (mark.startsWith(open.mark) && info.trim() === '') {
        fences.push(fenceOf(open, wrong))
        open = undefined
      } else open.lines.push(content.startsWith(open.indent) ? content.slice(open.indent.length) : content)
    } else if (mark) open = { line, indent, mark, info: info.trim(), lines: [] }
    else {
      const [, key = '', machine, value = ''] = /^\s*<!--\s*(run|lab)(?: (\S+))?:\s*(.*?)\s*-->\s*$/.exec(content) ?? []
      if (key) comments.push({ line, key, machine, value })
      else if (/<!--\s*(run|lab)\b/.test(content))
        throw wrong(line, 'write <!-- run: SET-UP -->, <!-- lab: WORDS --> or <!-- lab MACHINE: COMMAND --> on a line')
    }
  }
  if (open) throw wrong(open.line, `this block has no end: close it with ${open.mark}`)
  return { fences, comments }
}

function fenceOf({ line, info, lines }: { line: number; info: string; lines: string[] }, wrong: Wrong): Fence {
  const [, language = '', rest = ''] = /^(\S*)\s*(.*)$/.exec(info) ?? []
  const attributes = new Map<string, string>()
  const left = rest.replace(/([a-z-]+)=(?:"([^"]*)"|([^\s"]+))/g, (_, name: string, quoted?: string, bare?: string) => {
    attributes.set(name, quoted ?? bare ?? '')
    return ''
  })
  const unknown = [...attributes.keys()].find(name => !ATTRIBUTES[language]?.includes(name))
  if (left.trim() !== '' || unknown !== undefined)
    throw wrong(line, `\`\`\`${info}: ${JSON.stringify(unknown ?? left.trim())} means nothing here`)
  return { line, language, attributes, lines }
}

function stepOf({ line, language, attributes, lines }: Fence, wrong: Wrong): Step | undefined {
  const at = { line, machine: attributes.get('host') }
  const text = lines.join('\n')
  const name = attributes.get('file')
  if (language === 'sh') return { ...at, kind: 'script', text }
  if (language === 'console') return { ...at, kind: 'console', commands: commandsOf(lines, line, wrong) }
  if (name !== undefined) return { ...at, kind: 'file', name, text: `${text}\n` }
  const typed = lines.findIndex(one => TYPED.test(one))
  if (typed >= 0)
    throw wrong(line + typed + 1, 'a command in a block that is not run: write ```sh or ```console, or not-run="why"')
  return undefined
}

function commandsOf(lines: readonly string[], start: number, wrong: Wrong): Command[] {
  const commands: { line: number; text: string; output: string[]; code: number }[] = []
  let goesOn = false
  for (const [index, content] of lines.entries()) {
    const last = commands.at(-1)
    const [, code] = /^\[exit code (\d+)\]$/.exec(content.trim()) ?? []
    if (goesOn && last) last.text += `\n${content.replace(/^> /, '')}`
    else if (content.startsWith('$ '))
      commands.push({ line: start + index + 1, text: content.slice(2), output: [], code: 0 })
    else if (!last) throw wrong(start + index + 1, 'a console block begins with a command: "$ " and what is typed')
    else if (content.startsWith('> ') && last.output.length === 0) last.text += `\n${content.slice(2)}`
    else if (code !== undefined) last.code = Number(code)
    else last.output.push(content)
    goesOn = commands.at(-1)?.output.length === 0 && content.endsWith('\\')
  }
  return commands
}

/**
 * Whether a command printed what a page says, line by line without the spaces around: `…` stands for anything within a line, a line of `…` for
 * any lines, none too.
 */
export function matches(expected: readonly string[], found: string): boolean {
  const patterns = trimmed(expected).map(line => (line === '…' ? '(?:[^\\n]*\\n)*?' : `${pattern(line)}\\n`))
  const printed = trimmed(found.split('\n')).map(line => `${line}\n`)
  return new RegExp(`^${patterns.join('')}$`).test(printed.join(''))
}

function pattern(line: string): string {
  return line
    .split('…')
    .map(part => part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
    .join('[^\\n]*')
}

/** Without the spaces around lines, and the empty lines around all. */
function trimmed(lines: readonly string[]): string[] {
  return lines
    .map(line => line.trim())
    .join('\n')
    .replace(/^\n+|\n+$/g, '')
    .split('\n')
}
