// A reader of man pages that complains: what groff -ww and mandoc -T lint would warn of in the part of man(7) that our page uses.

/** Requests and macros, with the fewest and the most arguments. */
const REQUESTS: Readonly<Record<string, readonly [number, number]>> = {
  TH: [4, 4],
  SH: [1, 9],
  SS: [1, 9],
  PP: [0, 0],
  TP: [0, 0],
  B: [1, 9],
  BR: [2, 9],
  nf: [0, 0],
  fi: [0, 0],
}
/** Escapes: hyphen, backslash, nothing, and quotes and marks by their names. */
const ESCAPES = /\\(?:-|e|&|\((?:dq|aq|ha|ti))/g

/** What is wrong with a page, a line each; nothing: it is right. */
export function roffProblems(page: string): string[] {
  const lines = page.split('\n')
  const problems = lines
    .slice(0, -1)
    .flatMap((line, index) => lineProblems(line, lines[index - 1]).map(problem => `${index + 1}: ${problem}: ${line}`))
  if (lines.at(-1) !== '') problems.push('no newline at the end')
  if (!lines[0]?.startsWith('.TH ')) problems.push('1: a page begins with .TH')
  const fills = lines.filter(line => line === '.nf').length - lines.filter(line => line === '.fi').length
  if (fills !== 0) problems.push('.nf and .fi do not match')
  return problems
}

function lineProblems(line: string, before: string | undefined): string[] {
  const problems: string[] = []
  if (line === '') problems.push('an empty line')
  if (/\s$/.test(line)) problems.push('blanks at the end')
  if (!/^[\x20-\x7e]*$/.test(line)) problems.push('not ASCII')
  if (line.replace(ESCAPES, '').includes('\\')) problems.push('an unknown escape')
  if (line.startsWith("'")) problems.push('a request by mistake')
  if (line.startsWith('.')) problems.push(...requestProblems(line, before))
  else if (/["'^~]/.test(line)) problems.push('a character that prints as another one')
  return problems
}

function requestProblems(line: string, before: string | undefined): string[] {
  const [, name = '', rest = ''] = /^\.(\S*) ?(.*)$/.exec(line) ?? []
  const arity = REQUESTS[name]
  if (!arity) return ['an unknown request']
  const count = rest.match(/"[^"]*"|\S+/g)?.length ?? 0
  const [least, most] = arity
  if (count < least || count > most) return [`${count} arguments`]
  if (name === 'PP' && /^\.S[HS] /.test(before ?? '')) return ['a paragraph that is one already']
  if (before === '.TP' && (name === 'TP' || name === 'PP')) return ['a tagged paragraph without a tag']
  return []
}
