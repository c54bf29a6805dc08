// What other programs' nftables chains at the forward hook do with the packets of our links. An accept counts in its own base chain only: a packet
// that our table lets through is still dropped where another chain drops by policy. Into iptables' chain, which many programs share, go two rules;
// every other chain is its owner's, and only named.
import {
  accept,
  type ChainInfo,
  counter,
  is,
  meta,
  type Nftables,
  type Rule,
  type RuleInfo,
  type TableRef,
  Transaction,
} from 'nftables-js'
import { LINK_PREFIX } from '../address/plan.ts'

const IPTABLES = { family: 'ip6', name: 'filter' } as const
const FORWARD = 'FORWARD'

/** As iptables-nft writes `-o s64+ -j ACCEPT` and `-i s64+ -j ACCEPT`, so that it can read them. */
const accepts: readonly Rule[] = [meta('oifname'), meta('iifname')].map(link => ({
  statements: [is(link, `${LINK_PREFIX}*`), counter(), accept],
}))

/**
 * Where FORWARD of iptables-nft drops by policy, sees to it that packets from and to our links are accepted: by rules at its end, so that every other
 * one decides first, Docker's for its bridges and the operator's in DOCKER-USER. Returns whether something was written. Throws NetlinkError: ENOENT when
 * the chain went meanwhile, EPERM when it has an owner.
 */
export function acceptInIptables(nft: Nftables): boolean {
  const forward = nft.listChains(IPTABLES).find(({ name, hook }) => name === FORWARD && hook === 'forward')
  if (forward?.policy !== 'drop' || nft.listRules(IPTABLES, FORWARD).some(isEnd)) return false
  const missing = accepts.filter(rule => !nft.findRule(IPTABLES, FORWARD, rule))
  if (missing.length === 0) return false
  const transaction = new Transaction()
  for (const rule of missing) transaction.addRule(IPTABLES, FORWARD, rule)
  nft.commit(transaction)
  return true
}

/** A base chain of somebody else that lets no unknown packet through: by its policy, or by its rule number `end` (from 1). */
export interface Closed {
  readonly table: TableRef
  readonly chain: string
  readonly end?: number
}

/**
 * The base chains at the forward hook of IPv6 that drop by policy, or drop or reject by a rule whatever reaches it; without ours, and without what
 * acceptInIptables takes care of. Rules are read no further than that.
 */
export function closedChains(nft: Nftables): Closed[] {
  const tables = [...nft.listTables('inet'), ...nft.listTables('ip6')].filter(
    ({ family, name, flags }) => !flags.includes('dormant') && !(family === 'inet' && name === 'slash64'),
  )
  return tables.flatMap(({ family, name }) =>
    nft
      .listChains({ family, name })
      .filter(({ hook }) => hook === 'forward')
      .flatMap(chain => closed(nft, { family, name }, chain) ?? []),
  )
}

function closed(nft: Nftables, table: TableRef, { name, policy }: ChainInfo): Closed | undefined {
  const end = nft.listRules(table, name).findIndex(isEnd) + 1
  if (end > 0) return { table, chain: name, end }
  return policy === 'drop' && !(isIptables(table) && name === FORWARD) ? { table, chain: name } : undefined
}

/** Nothing behind such a rule counts. */
function isEnd({ always }: RuleInfo): boolean {
  return always === 'drop' || always === 'reject'
}

function isIptables({ family, name }: TableRef): boolean {
  return family === IPTABLES.family && name === IPTABLES.name
}

/** Whether a rule that still counts names our links: then the owner of the table has thought of them, and only the owner knows what with. */
export function namesOurLinks(nft: Nftables, { table, chain }: Closed): boolean {
  const rules = nft.listRules(table)
  const end = rules.findIndex(rule => rule.chain === chain && isEnd(rule))
  const counts = rules.filter((rule, index) => end < 0 || rule.chain !== chain || index < end)
  return counts.some(({ expressions }) => expressions.includes(LINK_PREFIX))
}

/** What the operator is told about such a chain: what it does, and what to type. */
export function adviceFor(closed: Closed): string {
  const { table, chain, end } = closed
  const where = `${table.family} ${table.name} ${chain}`
  const what = `the nftables chain ${where} drops forwarded packets that it does not know, those of containers too`
  if (table.name === 'firewalld') {
    return `${what}; give the links ${LINK_PREFIX}+ a zone with target ACCEPT, and a policy from ANY to it (firewall-cmd; the commands are in docs/ruleset.md)`
  }
  if (isIptables(table) && end !== undefined) {
    const before = (link: string): string => `ip6tables -I ${chain} ${end} ${link} ${LINK_PREFIX}+ -j ACCEPT`
    return `${what}; write: ${before('-i')}; ${before('-o')}`
  }
  const insert = (link: string): string => `nft insert rule ${where} ${link} '"${LINK_PREFIX}*"' accept`
  return `${what}; write: ${insert('iifname')}; ${insert('oifname')}; and put both into the file that the table comes from`
}
