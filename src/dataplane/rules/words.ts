// The words that the rules are written in.
import { concat, ip6, is, mask, meta, type Rule, type Statement, th } from 'nftables-js'
import { groupMask } from '../../address/group.ts'

/** Every link of ours on the host's side (address plan). */
export const OURS = 's64*'
/** A rule that says what it is for. */
export const rule = (comment: string, ...statements: Statement[]): Rule => ({ statements, comment })
/** A rule that says it by itself. */
export const bare = (...statements: Statement[]): Rule => ({ statements })

/** What containers send, and what they are sent. */
export const fromOurs = is(meta('iifname'), OURS)
export const toOurs = is(meta('oifname'), OURS)
/** The group bits of an address, as the sets have them. */
export const sourceGroup = mask(ip6('saddr'), groupMask)
export const destinationGroup = mask(ip6('daddr'), groupMask)
/** The key of `allow_port` and `allow_range`. */
export const groupsAndPort = concat(sourceGroup, destinationGroup, meta('l4proto'), th('dport'))
/** Bit 80 of an address: set in groups that have no name (address plan). */
export const LOCAL_BIT = '::8000:0:0'
