// Sockets for the control server and its client, and a Docker that answers as it is told.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { startControl } from '../../src/http/control.ts'
import type { DockerNames } from '../../src/state/status.ts'
import { FACTS, NAMES, town } from './cli.ts'

/** A folder for sockets of one test file. */
export class Sockets implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'slash64-control-'))
  #count = 0

  /** A path in a folder that is not there yet. */
  fresh(): string {
    return join(this.folder, String(++this.#count), 'control.sock')
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true })
  }
}

export interface Control extends AsyncDisposable {
  readonly path: string
  readonly log: Record<string, unknown>[]
}

export interface ControlOptions {
  readonly path: string
  /** null: Docker is never asked. */
  readonly names?: (() => Promise<DockerNames>) | null
  readonly dockerSocket?: string
}

/** The control socket of a daemon that holds `town()`. */
export async function controlOf({ path, names, dockerSocket = '' }: ControlOptions): Promise<Control> {
  const lines: Record<string, unknown>[] = []
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const asked = names === null ? {} : { names: names ?? (async () => NAMES) }
  const control = await startControl({ state: town().state, facts: FACTS, path, dockerSocket, log, ...asked })
  return { path, log: lines, [Symbol.asyncDispose]: () => control.close() }
}

/** A server on a unix socket that answers what the listener says; it ends with all its connections. */
export async function serverOn(path: string, listener: RequestListener): Promise<AsyncDisposable> {
  mkdirSync(join(path, '..'), { recursive: true })
  const server = createServer(listener).listen(path)
  await new Promise(resolve => server.once('listening', resolve))
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Sends bytes as they are and answers all that came back until the other side closed. */
export async function raw(path: string, bytes: string): Promise<string> {
  const socket = connect(path)
  socket.write(bytes)
  let received = ''
  for await (const chunk of socket) received += chunk
  return received
}
