// What other programs' nftables chains at the forward hook do with the packets of our links. An accept counts in its own base chain only: a packet
// that our table lets through is still dropped where another chain drops by policy. Into iptables' chain, made for others to write to, go two rules;
// every other chain is its owner's, and only named.
import {
  accept,
  type ChainInfo,
  counter,
  is,
  jump,
  meta,
  type Nftables,
  type Rule,
  type TableRef,
  Transaction,
} from 'nftables-js'
import { LINK_PREFIX } from '../address/plan.ts'

const IPTABLES = { family: 'ip6', name: 'filter' } as const
const FORWARD = 'FORWARD'
const DOCKER_USER = 'DOCKER-USER'

/** As iptables-nft writes `-i s64+ -j ACCEPT` and `-o s64+ -j ACCEPT`, so that it can read them. */
const accepts: readonly Rule[] = [meta('iifname'), meta('oifname')].map(link => ({
  statements: [is(link, `${LINK_PREFIX}*`), counter(), accept],
}))

/**
 * Where FORWARD of iptables-nft drops by policy, sees to it that packets from and to our links are accepted: at the head of DOCKER-USER where FORWARD
 * jumps there (Docker never empties that chain), else of FORWARD. Rules that stand there already stay where they are, so an operator's own ones
 * may come first. Returns the chain that was changed. Throws NetlinkError: ENOENT when the chain went meanwhile, EPERM when it has an owner.
 */
export function acceptInIptables(nft: Nftables): string | undefined {
  const forward = nft.listChains(IPTABLES).find(({ name, hook }) => name === FORWARD && hook === 'forward')
  if (forward?.policy !== 'drop') return undefined
  const jumped = nft.findRule(IPTABLES, FORWARD, { statements: [counter(), jump(DOCKER_USER)] })
  const chain = jumped ? DOCKER_USER : FORWARD
  const missing = accepts.filter(rule => !nft.findRule(IPTABLES, chain, rule))
  if (missing.length === 0) return undefined
  const transaction = new Transaction()
  for (const rule of missing) transaction.insertRule(IPTABLES, chain, rule)
  nft.commit(transaction)
  return textOf({ table: IPTABLES, chain })
}

/** A base chain of somebody else that lets no unknown packet through. */
export interface Closed {
  readonly table: TableRef
  readonly chain: string
}

/**
 * The base chains at the forward hook of IPv6 that drop by policy or reject at their end, without ours and without what acceptInIptables takes care
 * of. Rules are read no further than that.
 */
export function closedChains(nft: Nftables): Closed[] {
  const tables = [...nft.listTables('inet'), ...nft.listTables('ip6')].filter(
    ({ family, name, flags }) => !flags.includes('dormant') && !(family === 'inet' && name === 'slash64'),
  )
  return tables.flatMap(table =>
    nft
      .listChains(table)
      .filter(chain => chain.hook === 'forward' && !isIptablesPolicy(table, chain) && isClosed(nft, table, chain))
      .map(({ name }) => ({ table: { family: table.family, name: table.name }, chain: name })),
  )
}

function isIptablesPolicy({ family, name }: TableRef, chain: ChainInfo): boolean {
  return family === IPTABLES.family && name === IPTABLES.name && chain.name === FORWARD && chain.policy === 'drop'
}

function isClosed(nft: Nftables, table: TableRef, { name, policy }: ChainInfo): boolean {
  if (policy === 'drop') return true
  const last = nft.listRules(table, name).at(-1)?.always
  return last === 'drop' || last === 'reject'
}

/** Whether any rule of the table names our links: then its owner has thought of them, and only the owner knows what with. */
export function namesOurLinks(nft: Nftables, table: TableRef): boolean {
  return nft.listRules(table).some(({ expressions }) => expressions.includes(LINK_PREFIX))
}

/** What the operator is told about such a chain: what it does, and what to type. */
export function adviceFor(closed: Closed): string {
  const { table, chain } = closed
  const where = textOf(closed)
  const what = `the nftables chain ${where} drops forwarded packets that it does not know, those of containers too`
  if (table.name === 'firewalld') {
    return `${what}; give the links ${LINK_PREFIX}+ a zone with target ACCEPT, and a policy from ANY to it (firewall-cmd; the commands are in docs/ruleset.md)`
  }
  if (table.family === IPTABLES.family && table.name === IPTABLES.name) {
    return `${what}; write: ip6tables -I ${chain} -i ${LINK_PREFIX}+ -j ACCEPT; ip6tables -I ${chain} -o ${LINK_PREFIX}+ -j ACCEPT`
  }
  const insert = (link: string): string => `nft insert rule ${where} ${link} '"${LINK_PREFIX}*"' accept`
  return `${what}; write: ${insert('iifname')}; ${insert('oifname')}; and put both into the file that the table comes from`
}

/** As nft writes it: `inet firewalld filter_FORWARD`. */
function textOf({ table, chain }: Closed): string {
  return `${table.family} ${table.name} ${chain}`
}
