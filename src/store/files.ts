// Changes of small files that happen as a whole or not at all.
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PluginError } from '../errors.ts'

/** One file from what it holds to what it shall hold; undefined is no file. */
export interface FileStep {
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
  /** Whether it must outlive a power cut from the moment that it is written: the file and its folder are synced. */
  readonly durable: boolean
}

const TEMPORARY = '.tmp'

/**
 * Takes all steps, each file by rename. Where one fails, those before it are put back and STATE_UNWRITABLE names the
 * file. First all new texts are written beside the files, which is where a full disk shows: then nothing has changed
 * yet.
 */
export function applySteps(steps: readonly FileStep[]): void {
  const begun: FileStep[] = []
  try {
    for (const [index, step] of steps.entries()) attempt(step, () => stage(step, index))
    for (const [index, step] of steps.entries()) {
      begun.push(step)
      attempt(step, () => settle(step, index))
    }
  } catch (error) {
    for (const step of begun.reverse()) putBack(step)
    for (const [index, step] of steps.entries()) discard(temporary(step, index))
    throw error
  }
}

/** Removes what a crash between writing and renaming left in a folder. */
export function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.endsWith(TEMPORARY)) removeFile(join(folder, name))
  }
}

/** Removes a file that may be gone already. Throws what unlink(2) says otherwise. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function attempt(step: FileStep, work: () => void): void {
  try {
    work()
  } catch (error) {
    throw new PluginError('STATE_UNWRITABLE', step.path, (error as Error).message)
  }
}

// The number keeps two steps of one file apart.
function temporary(step: FileStep, index: number): string {
  return `${step.path}.${index}${TEMPORARY}`
}

function stage(step: FileStep, index: number): void {
  if (step.after === undefined) return
  writeFileSync(temporary(step, index), step.after, { mode: 0o600, flush: step.durable })
}

function settle(step: FileStep, index: number): void {
  if (step.after === undefined) removeFile(step.path)
  else renameSync(temporary(step, index), step.path)
  if (step.durable) syncFolder(dirname(step.path))
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

// The error that led to these two is the one to report; a disk that refuses them fails the next write as well.

function putBack({ path, before, after, durable }: FileStep): void {
  const step: FileStep = { path, before: after, after: before, durable }
  try {
    stage(step, 0)
    settle(step, 0)
  } catch {}
}

function discard(path: string): void {
  try {
    removeFile(path)
  } catch {}
}
