// What the values of options mean: text as the user wrote it -> what the state keeps, or a sentence about it.
import { PluginError } from '../errors.ts'
import type { Birth, LinkSysctl } from './model.ts'

/** RFC 8200, section 5: every link carries packets of 1280 bytes. 65535 is the largest packet without jumbograms. */
export const MTU_RANGE = [1280, 65535] as const

/** Who may bring a container's link into it; the first is what holds when nobody says. */
export const BIRTHS: readonly Birth[] = ['sandbox', 'engine']

/** Bytes, within MTU_RANGE, in decimal. Throws OPTION_MTU. */
export function parseMtu(value: string): number {
  const mtu = /^\d{4,5}$/.test(value) ? Number(value) : 0
  if (mtu < MTU_RANGE[0] || mtu > MTU_RANGE[1]) throw new PluginError('OPTION_MTU', value)
  return mtu
}

/** Throws OPTION_BIRTH. */
export function parseBirth(value: string): Birth {
  const birth = BIRTHS.find(known => known === value)
  if (birth === undefined) throw new PluginError('OPTION_BIRTH', value)
  return birth
}

/**
 * What a link's name begins with, before a number: 12 characters leave room for three digits (IFNAMSIZ is 16 with its
 * NUL), and further networks add a letter. Throws OPTION_LINK_PREFIX.
 */
export function parseLinkPrefix(value: string): string {
  if (/^[a-z][a-z0-9_-]{0,10}$/i.test(value) && !/\d$/.test(value) && !/^(lo|s64)/.test(value)) return value
  throw new PluginError('OPTION_LINK_PREFIX', value)
}

/**
 * `net.FAMILY.KIND.IFNAME.NAME=VALUE`, comma separated, as the engine takes it for its own links (moby
 * daemon/libnetwork/netlabel). The CLI lower-cases it all, so the link's placeholder may come in small letters. Throws
 * OPTION_SYSCTL.
 */
export function parseSysctls(value: string): LinkSysctl[] {
  return value.split(',').map(one => parseSysctl(one.trim()))
}

function parseSysctl(text: string): LinkSysctl {
  const [, family = '', kind = '', name = '', value = ''] =
    /^net\.(ipv4|ipv6|mpls)\.([a-z]+)\.ifname\.([a-z0-9_]+)=([\w .:-]*)$/i.exec(text) ?? []
  if (name === '')
    throw new PluginError('OPTION_SYSCTL', text, 'write net.ipv6.conf.IFNAME.NAME=VALUE, comma separated')
  if (family === 'ipv6' && name === 'disable_ipv6' && value.trim() !== '0') {
    throw new PluginError('OPTION_SYSCTL', text, 'a link without IPv6 has nothing here; leave it out')
  }
  return { path: ['net', family, kind, 'IFNAME', name], value }
}
