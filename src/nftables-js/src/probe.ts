// What the kernel can do, found out by transactions that it refuses: nothing is ever left behind.
import { toBatch } from './batch.ts'
import type { NamedSet, Table, TableRef } from './model.ts'
import { isNetlinkError, type NetlinkSocket } from './netlink/index.ts'
import { Transaction } from './transaction.ts'

/** What this kernel can do beyond 5.15. */
export interface Features {
  /** NFT_MSG_DESTROYSETELEM, kernel 6.3; else `destroyElements` is emulated. */
  readonly destroyElement: boolean
  /** Tables that keep out others and outlive their owner (`persist`), kernel 6.9. */
  readonly ownerPersist: boolean
}

const table: Table = { family: 'inet', name: 'nftables-js-probe', flags: ['owner', 'persist'] }
const absent: TableRef = { family: 'inet', name: 'nftables-js-probe-absent' }
const set: NamedSet = { name: 'absent', type: 'mark' }

/** True when the kernel understood everything: it then fails only because the last message names an absent table. */
function understood(socket: NetlinkSocket, transaction: Transaction): boolean {
  const batch = toBatch([transaction, new Transaction().destroyElements(absent, set, [{ key: 0 }])])
  try {
    if (batch) socket.request(batch)
  } catch (error) {
    if (isNetlinkError(error, 'ENOENT')) return true
    if (!isNetlinkError(error, 'EINVAL', 'EOPNOTSUPP')) throw error
  }
  return false
}

/** Asks the kernel. Throws NetlinkError (EPERM). */
export function probe(socket: NetlinkSocket): Features {
  const ownerPersist = understood(socket, new Transaction().addTable(table))
  return { ownerPersist, destroyElement: ownerPersist || understood(socket, new Transaction()) }
}
