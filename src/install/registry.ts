// A registry with one plugin in it, on a port of 127.0.0.1, for as long as the engine pulls it. `docker plugin create` takes no content that the engine has
// already, and upgrades nothing; what an engine pulls may be there, and an upgrade keeps settings and state.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Blob, PluginImage } from './plugin-image.ts'

/** Answers until it is disposed of. `reference` is what `docker plugin install` takes; engines trust 127.0.0.0/8 without TLS. */
export interface Registry extends AsyncDisposable {
  readonly reference: string
}

/** Serves a plugin: of the OCI Distribution Specification 1.1 the section "Pull". Rejects where no port can be opened. */
export async function serveRegistry(image: PluginImage): Promise<Registry> {
  const server = createServer((request, response) => answer(image, request, response))
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve))
  return {
    reference: `127.0.0.1:${(server.address() as AddressInfo).port}/slash64:next`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function answer(
  { manifest, blobs }: PluginImage,
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
): void {
  if (url === '/v2/') return void response.writeHead(200).end()
  const [, kind, name] = /^\/v2\/slash64\/(manifests|blobs)\/([\w:]+)$/.exec(url) ?? []
  const found = (kind === 'manifests' && name === 'next' ? manifest : undefined) ?? find([manifest, ...blobs], name)
  if (found === undefined) return void response.writeHead(404).end()
  response.writeHead(200, {
    'Content-Type': found.type,
    'Content-Length': found.bytes.length,
    'Docker-Content-Digest': found.digest,
  })
  response.end(method === 'HEAD' ? undefined : found.bytes)
}

function find(blobs: readonly Blob[], digest: string | undefined): Blob | undefined {
  return blobs.find(blob => blob.digest === digest)
}
