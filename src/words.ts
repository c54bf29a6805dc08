/** The word of `known` that is nearest to `word`, for "did you mean"; undefined when none is near (more than a third of it differs). */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const rated = known.map(one => ({ one, distance: distance(word.toLowerCase(), one.toLowerCase()) }))
  const best = rated.sort((a, b) => a.distance - b.distance)[0]
  return best && best.distance <= Math.max(1, Math.floor(best.one.length / 3)) ? best.one : undefined
}

/** Levenshtein distance; words over 64 characters are no typo of ours. */
function distance(a: string, b: string): number {
  if (a.length > 64) return a.length
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, x] of [...a].entries()) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (x === b[j] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
