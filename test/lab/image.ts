import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { succeed } from './process.ts'

/** Writes the root file system of the test image, busybox under all of its names, as the tar archive `file`; `root` is scratch. */
export async function buildImage(busybox: string, root: string, file: string): Promise<void> {
  for (const name of ['bin', 'etc', 'tmp', 'root', 'var', 'www']) mkdirSync(join(root, name), { recursive: true })
  const applets = (await succeed([busybox, '--list'])).trim().split('\n')
  for (const applet of applets.filter(name => name !== 'busybox')) symlinkSync('busybox', join(root, 'bin', applet))
  copyFileSync(busybox, join(root, 'bin/busybox'))
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  await succeed(['tar', '-C', root, '-cf', file, '.'])
  rmSync(root, { recursive: true })
}
