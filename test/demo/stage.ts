// What the demo prints: chapters, commands with their output, and what was expected against what happened.

const color = process.stdout.isTTY && !process.env['NO_COLOR']
const paint = (code: number, text: string): string => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
const began = performance.now()
let failed = 0

/** Starts a part of the story. */
export function chapter(title: string): void {
  console.log(`\n${paint(1, title)}`)
}

/** Something that the reader should know. */
export function note(text: string): void {
  console.log(paint(90, `  ${text}`))
}

/** A command as it would be typed. */
export function command(argv: readonly string[]): void {
  const words = argv.map(word => (/^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
  console.log(`  ${paint(36, `$ ${words.join(' ')}`)}`)
}

/** What a command printed. Returns it. */
export function output(text: string): string {
  if (text.trim() !== '') console.log(text.trimEnd().replace(/^/gm, '    '))
  return text.trim()
}

/** Shows whether the story went as told; a difference makes the demo fail. */
export function expect(what: string, found: string, wanted: string): void {
  const right = found === wanted
  if (!right) failed++
  console.log(
    `  ${right ? paint(32, 'ok') : paint(31, 'WRONG')}  ${what}${right ? '' : ` (wanted ${wanted}, found ${found})`}`,
  )
}

/** The last line, and the exit code. */
export function summary(): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(
    `\n${failed === 0 ? paint(32, 'The demo went as told') : paint(31, `${failed} things went wrong`)} (${seconds} s)`,
  )
  process.exitCode = failed === 0 ? 0 : 1
}
