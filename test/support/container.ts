// Containers as the tests see them: where they are, and what they can reach.
import { join } from 'node:path'
import type { Host } from '../lab/host.ts'
import type { Machine } from '../lab/machine.ts'
import { repository } from '../lab/setup.ts'
import type { Attempt } from './connect.ts'

const CONNECT = [process.execPath, '--disable-warning=ExperimentalWarning', join(repository, 'test/support/connect.ts')]

/** One fact about a container or network, by a Go template. */
export function inspect(host: Host, name: string, template: string): Promise<string> {
  return host.docker('inspect', '--format', template, name)
}

/** The container's address on a network. */
export function addressOf(host: Host, container: string, network: string): Promise<string> {
  return inspect(host, container, `{{(index .NetworkSettings.Networks "${network}").GlobalIPv6Address}}`)
}

/** Runs a command of the machine in the container's network namespace. */
export async function inContainer(host: Host, container: string, argv: readonly string[]): Promise<string> {
  const pid = await inspect(host, container, '{{.State.Pid}}')
  return host.check(['nsenter', '-t', pid, '-n', '--', ...argv])
}

/** Opens a TCP connection from a container. */
export async function connectFrom(host: Host, container: string, address: string, port: number): Promise<Attempt> {
  return JSON.parse(await inContainer(host, container, [...CONNECT, address, String(port)]))
}

/** Opens a TCP connection from a machine. */
export async function connectFromMachine(machine: Machine, address: string, port: number): Promise<Attempt> {
  return JSON.parse(await machine.check([...CONNECT, address, String(port)]))
}

/** Makes the image `who`: a web server on the port that it is given, which answers with the address of its client. */
export async function makeWhoImage(host: Host): Promise<void> {
  const answer = 'printf "Content-Type: text/plain\\r\\n\\r\\n"; echo "$REMOTE_ADDR" | tr -d "[]"'
  const steps = [
    'mkdir -p /www/cgi-bin',
    `printf '%s\\n' '#!/bin/sh' '${answer}' > /www/cgi-bin/who`,
    'chmod +x /www/cgi-bin/who',
  ]
  await host.docker('run', '--name', 'who', '--network', 'none', 'busybox', 'sh', '-c', steps.join(' && '))
  await host.docker('commit', '--change', 'ENTRYPOINT ["httpd", "-f", "-h", "/www", "-p"]', 'who', 'who')
  await host.docker('rm', 'who')
}

/** The URL at which such a server answers. */
export function whoUrl(address: string, port: number): string {
  return `http://[${address}]:${port}/cgi-bin/who`
}
