// Work that many may ask for, done for all of them at once.
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Answers with the outcome of a run of `work` that began after the call. Runs never overlap, and one begins `ms` milliseconds after the last ended at the
 * earliest, so whoever asks in between shares it: the work of a flood of calls is bounded, and nobody gets what was true before they asked.
 */
export function paced<T>(ms: number, work: () => Promise<T>): () => Promise<T> {
  let next: Promise<T> | undefined
  let free: Promise<unknown> = Promise.resolve()
  const run = async (): Promise<T> => {
    await free
    next = undefined
    const outcome = work()
    free = Promise.allSettled([outcome]).then(() => sleep(ms, undefined, { ref: false }))
    return outcome
  }
  return () => {
    next ??= run()
    return next
  }
}
