// The sets of our table: what moves while the rules stand still. A group stands in a key as its address bits alone (`::5c1f:8e02:0`).
import type { NamedSet } from 'nftables-js'

/** Link and source address of each container: what may come in over its link. */
export const links = { name: 'links', type: ['ifname', 'ipv6_addr'] } as const satisfies NamedSet

/** Source group . destination group: every port. */
export const allowGroup = { name: 'allow_group', type: ['ipv6_addr', 'ipv6_addr'] } as const satisfies NamedSet

/** Source group . destination group . protocol . port. */
export const allowPort = {
  name: 'allow_port',
  type: ['ipv6_addr', 'ipv6_addr', 'inet_proto', 'inet_service'],
} as const satisfies NamedSet

/** The same with a range of more than 256 ports. */
export const allowRange = {
  name: 'allow_range',
  type: ['ipv6_addr', 'ipv6_addr', 'inet_proto', 'inet_service'],
  flags: ['interval'],
} as const satisfies NamedSet

/** Group . the same group, of `--internal` networks: they reach themselves, and that is all. */
export const internal = { name: 'internal', type: ['ipv6_addr', 'ipv6_addr'] } as const satisfies NamedSet

/** Address . protocol . port that `-p` opened to everybody. */
export const published = {
  name: 'published',
  type: ['ipv6_addr', 'inet_proto', 'inet_service'],
} as const satisfies NamedSet

/** The sets that hold items of ours, by name. */
export const elementSets = {
  links,
  allow_group: allowGroup,
  allow_port: allowPort,
  allow_range: allowRange,
  internal,
  published,
} as const satisfies Record<string, NamedSet>

export type SetName = keyof typeof elementSets

/** One element of one set; `key` in nft's words, a field for each part of the set's type. */
export interface ElementRow {
  readonly set: SetName
  readonly key: readonly (string | number)[]
  readonly comment?: string
}
