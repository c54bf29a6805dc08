// The docker command, as its user would run it: with whatever context, login and proxy it has.
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

/** Lines of its output that are shown when a command fails. */
const SHOWN = 30

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `docker ARGS` and resolves to what it printed, trimmed. Rejects with an Error that quotes the command and the end of what it said. */
export async function docker(...args: string[]): Promise<string> {
  const ended = await finish(start('docker', args))
  if (ended.code !== 0) throw failure(['docker', ...args], ended)
  return ended.stdout.trim()
}

/** The same where failure is an answer: undefined. */
export async function tryDocker(...args: string[]): Promise<string | undefined> {
  return docker(...args).catch(() => undefined)
}

/** Unpacks all files of a container into a folder. Rejects as docker() does. */
export async function exportContainer(container: string, folder: string): Promise<void> {
  const pack = ['export', container]
  const unpack = ['-x', '-C', folder]
  const from = start('docker', pack)
  const to = start('tar', unpack)
  from.stdout.pipe(to.stdin)
  const [packed, unpacked] = await Promise.all([finish(from, false), finish(to)])
  if (packed.code !== 0) throw failure(['docker', ...pack], packed)
  if (unpacked.code !== 0) throw failure(['tar', ...unpack], unpacked)
}

function start(program: string, args: readonly string[]) {
  const child = spawn(program, args)
  child.stdin.on('error', () => undefined) // a program may end without reading all of its input
  return child
}

/** Rejects where the program cannot be started. */
async function finish(child: ReturnType<typeof start>, keep = true): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on('close', resolve)
  child.on('error', error => reject(absent(child.spawnfile, error)))
  const [code, stdout, stderr] = await Promise.all([promise, keep ? text(child.stdout) : '', text(child.stderr)])
  return { code, stdout, stderr }
}

function absent(program: string, error: Error): Error {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return error
  return new Error(`there is no program "${program}" on this machine; install it (docker: Docker Engine 28 or later)`)
}

function failure(command: readonly string[], { stdout, stderr }: Ended): Error {
  const said = `${stdout}${stderr}`.trim().split('\n').slice(-SHOWN).join('\n')
  return new Error(`${command.join(' ')} failed:\n${said.replace(/^/gm, '  ')}`)
}
