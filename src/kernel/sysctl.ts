import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A kernel setting that could not be read or written; `code` is the errno by name, `file` the file in the tree. */
export class SysctlError extends Error {
  override readonly name = 'SysctlError'
  readonly code: string
  readonly file: string

  constructor(action: string, file: string, cause: NodeJS.ErrnoException, root: string) {
    const code = cause.code ?? 'EIO'
    super(`cannot ${action} ${file}: ${code} (${reasons[code]?.(root) ?? cause.message})`, { cause })
    this.code = code
    this.file = file
  }
}

const reasons: Record<string, (root: string) => string> = {
  EROFS: root => `${root} is mounted read-only; mount the host's /proc/sys read-write and use that folder instead`,
  ENOENT: () => 'this kernel or namespace has no such setting; is the link there, and IPv6 in the kernel?',
  EACCES: () => 'not allowed; run as root with CAP_NET_ADMIN',
  EPERM: () => 'not allowed; run as root with CAP_NET_ADMIN',
  EINVAL: () => 'the kernel does not take this value',
}

const squeezed = (text: string): string => text.trim().replace(/\s+/g, ' ')

/**
 * The kernel's settings as a tree of files. A setting is named by its segments, not with dots, because names of links
 * may have dots themselves: `['net', 'ipv6', 'conf', 'eth0.5', 'accept_ra']`. Below `net` the files show the network
 * namespace of the calling thread, so inside inNamespace() they are those of that namespace, wherever the tree is mounted.
 */
export class SysctlTree {
  readonly root: string

  constructor(root = '/proc/sys') {
    this.root = root
  }

  /** The value, with single spaces between the numbers of a list. Throws SysctlError, ENOENT where there is no such setting. */
  read(segments: readonly string[]): string {
    const file = this.#file(segments)
    try {
      return squeezed(readFileSync(file, 'utf8'))
    } catch (error) {
      throw new SysctlError('read', file, error as NodeJS.ErrnoException, this.root)
    }
  }

  /** Makes sure that the setting has this value, writes only if it has another, and returns the one before. Throws SysctlError. */
  write(segments: readonly string[], value: string | number): string {
    const previous = this.read(segments)
    const wanted = squeezed(String(value))
    if (previous === wanted) return previous
    const file = this.#file(segments)
    try {
      writeFileSync(file, wanted, { flag: 'r+' })
    } catch (error) {
      throw new SysctlError(`write "${wanted}" to`, file, error as NodeJS.ErrnoException, this.root)
    }
    return previous
  }

  /**
   * The same for what a kernel may be built without (`seg6_enabled`, `ioam6_enabled`, `rpl_seg_enabled`): undefined where
   * the setting is missing. A missing folder, such as that of a link that is gone, stays an error.
   */
  writeIfPresent(segments: readonly string[], value: string | number): string | undefined {
    const file = this.#file(segments)
    return !existsSync(file) && existsSync(dirname(file)) ? undefined : this.write(segments, value)
  }

  #file(segments: readonly string[]): string {
    for (const segment of segments) {
      if (segment !== '' && segment !== '.' && segment !== '..' && !segment.includes('/')) continue
      throw new RangeError(`"${segments.join('", "')}" names no setting: write one name per segment, without "/"`)
    }
    return join(this.root, ...segments)
  }
}
