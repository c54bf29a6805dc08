// The `nft` binaries that the tests compare with: the oldest supported one and the newest that Debian has.
import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const repository = join(import.meta.dirname, '../..')
const wrappers = ['.cache/lab/tools/bin/nft', '.cache/lab/tools-new/bin/nft'].map(path => join(repository, path))

/** A command that runs some version of nft; `name` is its first line of `--version`. */
export interface NftCommand {
  readonly name: string
  readonly argv: readonly string[]
}

/**
 * The commands in the environment variable NFT_TOOLS (paths with colons between), else those of the lab. Throws when one
 * cannot be run: a comparison that is skipped shows nothing.
 */
export function nftCommands(): NftCommand[] {
  const paths = process.env['NFT_TOOLS']?.split(delimiter).filter(path => path !== '') ?? wrappers
  return paths.map(path => {
    try {
      accessSync(path, constants.X_OK)
    } catch {
      throw new Error(`no nft at ${path}: set NFT_TOOLS, or make the lab's with 'sh src/run.sh test/lab/setup.ts'`)
    }
    return { name: execFileSync(path, ['--version'], { encoding: 'utf8' }).trim(), argv: [path] }
  })
}
