// Text for terminals: wrapped lines and aligned columns.

/** Columns that help and status keep to where their words let them. */
export const WIDTH = 80

/** Words of a text in lines of at most `width` columns; a longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** A text behind `indent` columns, wrapped. */
export function paragraph(text: string, indent = 0): string[] {
  return wrap(text, WIDTH - indent).map(line => `${' '.repeat(indent)}${line}`)
}

/** Terms and what they mean, in two columns. */
export function definitions(rows: readonly (readonly [term: string, meaning: string])[]): string[] {
  const width = Math.max(0, ...rows.map(([term]) => term.length)) + 4
  return rows.flatMap(([term, meaning]) =>
    wrap(meaning, WIDTH - width).map(
      (line, index) => `${index === 0 ? `  ${term}`.padEnd(width) : ' '.repeat(width)}${line}`,
    ),
  )
}

/** The widths of columns that hold these rows. */
export function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const [first = []] = rows
  return first.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
}

/** A row in columns of these widths, two blanks between them; the last one is wrapped behind `limit` columns of the line. */
export function columns(row: readonly string[], widths: readonly number[], indent: number, limit: number): string[] {
  const last = row.length - 1
  const head = row.slice(0, last).map((cell, column) => `${cell.padEnd(widths[column] ?? 0)}  `)
  const begin = ' '.repeat(indent) + head.join('')
  const lines = wrap(row[last] ?? '', limit - begin.length)
  return lines.map((line, index) => `${index === 0 ? begin : ' '.repeat(begin.length)}${line}`.trimEnd())
}

/** A text that others chose, without what moves or hides text on a terminal. */
export function visible(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, hidden => `\\u{${hidden.codePointAt(0)?.toString(16)}}`)
}
