// Rulesets through nft and back: what nft lists, loads and means, to hold against what this package wrote.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Nftables, type Ruleset, type TableRef, Transaction } from 'nftables-js'
import { type Netns, withNetns } from '../../support/netns.ts'
import type { NftCommand } from '../../support/nft.ts'

let files = 0

/** Loads a ruleset in nft's language in the namespace. */
export function loadText(ns: Netns, { argv }: NftCommand, text: string): void {
  const file = join(tmpdir(), `nftables-js-${process.pid}-${++files}.nft`)
  writeFileSync(file, text)
  try {
    const [command = 'nft', ...rest] = argv
    ns.exec(command, ...rest, '-f', file)
  } finally {
    rmSync(file)
  }
}

/** `nft ARGS list ruleset` in the namespace. */
export function list(ns: Netns, { argv }: NftCommand, ...args: string[]): string {
  const [command = 'nft', ...rest] = argv
  return ns.exec(command, ...rest, ...args, 'list', 'ruleset')
}

/** The rules of a chain in a listing, without indentation; counters at zero as `counter`. */
export function rulesOf(listing: string, chain: string): string[] {
  const body = new RegExp(`chain ${chain} \\{\\n([\\s\\S]*?)\\n\\t\\}`).exec(listing)?.[1] ?? ''
  return body
    .replaceAll(/,\n\s+/g, ', ')
    .split('\n')
    .map(text => text.trim().replace('counter packets 0 bytes 0', 'counter'))
    .filter(text => text !== '' && !text.startsWith('type '))
}

/** Writes rulesets with this package into a namespace of their own and passes it on. */
export function withRulesets<T>(
  rulesets: readonly Ruleset[],
  act: (ns: Netns, nft: Nftables) => T | Promise<T>,
): Promise<T> {
  return withNetns(async ns => {
    using nft = ns.enter(() => Nftables.open())
    const transaction = new Transaction()
    for (const ruleset of rulesets) transaction.load(ruleset)
    nft.commit(transaction)
    return await act(ns, nft)
  })
}

/** The listing loads into an empty namespace and lists there the same. */
export async function assertReloads(listing: string, command: NftCommand): Promise<void> {
  await withNetns(ns => {
    loadText(ns, command, listing)
    assert.equal(list(ns, command), listing)
  })
}

/** What a text means when nft loads it: the table's canonical lines. */
export function meaningOf(text: string, command: NftCommand, table: TableRef): Promise<string[]> {
  return withNetns(ns => {
    loadText(ns, command, text)
    using nft = ns.enter(() => Nftables.open())
    return nft.describe(table)
  })
}
