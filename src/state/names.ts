// Names of links inside containers. Not eth0 and so on: those are the engine's to give, and it counts only the links that it knows.
import type { Network } from './model.ts'

const DEFAULT_PREFIX = 'net'

/** The link that is born in a sandbox: at most one, so always number 0. */
export function bornName(network: Network): string {
  return `${network.linkPrefix ?? DEFAULT_PREFIX}0`
}

/**
 * What the names of links begin with that the engine moves; it adds the lowest number that none of its own has. Another beginning than that of a born
 * one, unless the user chose both to be moved and the name.
 */
export function movedPrefix({ linkPrefix, birth }: Network): string {
  return birth === 'engine' && linkPrefix !== undefined ? linkPrefix : `${linkPrefix ?? DEFAULT_PREFIX}x`
}
