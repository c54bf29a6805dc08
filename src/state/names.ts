// Names of links inside containers. Not eth0 and so on: those are the engine's to give, and it counts only the links that it knows.
import type { Endpoint, Network } from './model.ts'

const DEFAULT_PREFIX = 'net'
const LETTERS = [...'xyzabcdefghijklmnopqrstuvw']

/** The link that is born in a sandbox: at most one, so always number 0. */
export function bornName(network: Network): string {
  return `${network.linkPrefix ?? DEFAULT_PREFIX}0`
}

/** What the names of links begin with of an endpoint that joined, whoever made it. */
export function prefixOfNames({ namePrefix }: Endpoint, network: Network | undefined): string {
  return namePrefix ?? network?.linkPrefix ?? DEFAULT_PREFIX
}

/**
 * What the name of a link begins with that the engine moves, where links of the same sandbox begin with `taken`; the engine adds a number, the lowest that
 * none has that it knows. After a live-restore it knows none of an IPv6-only network (moby daemon/libnetwork/osl/namespace_linux.go, RestoreInterfaces), so
 * every link has a beginning of its own, unless the user chose both to be moved and the name.
 */
export function movedPrefix({ linkPrefix, birth }: Network, taken: ReadonlySet<string>): string {
  if (birth === 'engine' && linkPrefix !== undefined) return linkPrefix
  const own = LETTERS.map(letter => `${linkPrefix ?? DEFAULT_PREFIX}${letter}`)
  return own.find(prefix => !taken.has(prefix)) ?? `${linkPrefix ?? DEFAULT_PREFIX}x`
}
