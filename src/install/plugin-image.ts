// A managed plugin as registries hold it: a layer, its configuration, and a manifest that names both. The same files give the same digests.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { buffer, text } from 'node:stream/consumers'
import { createGzip } from 'node:zlib'

export interface Blob {
  /** Media type. */
  readonly type: string
  /** `sha256:` and 64 hex digits. */
  readonly digest: string
  readonly bytes: Buffer
}

/** `blobs`: what the manifest names, some 50 MB. */
export interface PluginImage {
  readonly manifest: Blob
  readonly blobs: readonly Blob[]
}

/**
 * Packs a root file system and plugin-config.json. The media types are those that the engine itself gives a plugin (moby
 * daemon/pkg/plugin/backend_linux.go, buildManifest). Rejects with what tar said where a file cannot be read.
 */
export async function packPlugin(rootfs: string, config: object): Promise<PluginImage> {
  const layer = blob('application/vnd.docker.image.rootfs.diff.tar.gzip', await pack(rootfs))
  const settings = { ...config, rootfs: { type: 'layers', diff_ids: [layer.digest] } }
  const described = blob('application/vnd.docker.plugin.v1+json', Buffer.from(JSON.stringify(settings)))
  const type = 'application/vnd.docker.distribution.manifest.v2+json'
  const manifest = { schemaVersion: 2, mediaType: type, config: descriptor(described), layers: [descriptor(layer)] }
  return { manifest: blob(type, Buffer.from(JSON.stringify(manifest))), blobs: [described, layer] }
}

/** All of it is root's, whoever packs it; times and modes are those of the files. */
async function pack(folder: string): Promise<Buffer> {
  const argv = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--format=ustar', '-C', folder, '-c', '.']
  const tar = spawn('tar', argv)
  const ended = new Promise<number | null>((resolve, reject) => tar.on('close', resolve).on('error', reject))
  const [code, complaint, bytes] = await Promise.all([ended, text(tar.stderr), buffer(tar.stdout.pipe(createGzip()))])
  if (code !== 0) throw new Error(`tar (GNU tar is needed) could not pack ${folder}: ${complaint.trim()}`)
  return bytes
}

function blob(type: string, bytes: Buffer): Blob {
  return { type, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes }
}

function descriptor({ type, digest, bytes }: Blob): { mediaType: string; digest: string; size: number } {
  return { mediaType: type, digest, size: bytes.length }
}
