// iptables-legacy: a table inside ip6_tables, read and replaced as a whole through a raw socket's options (linux/netfilter_ipv6/ip6_tables.h).
import { closeSync, openSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import koffi from 'koffi'
import { NetlinkError } from 'nftables-js/netlink'
import {
  countersSize,
  encodeCounters,
  encodeReplace,
  entriesRequest,
  infoRequest,
  type LegacyTable,
  parseEntries,
  parseInfo,
  type Replacement,
} from './ip6tables-entries.ts'

const NAME = 'filter'
const AF_INET6 = 10
const SOCK_RAW_CLOEXEC = 3 | 0o2000000
const IPPROTO_IPV6 = 41
const IPPROTO_RAW = 255
const IP6T_SO_SET_REPLACE = 64
const IP6T_SO_SET_ADD_COUNTERS = 65
const IP6T_SO_GET_INFO = 64
const IP6T_SO_GET_ENTRIES = 65
const LOCK_EX_NB = 2 | 4

const libc = koffi.load(null)
const socket = libc.func('int socket(int domain, int type, int protocol)')
const close = libc.func('int close(int fd)')
const getsockopt = libc.func('int getsockopt(int fd, int level, int name, void *value, _Inout_ uint32_t *length)')
const setsockopt = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)')
const flock = libc.func('int flock(int fd, int operation)')

/** What became of a change: the table is not there, is as it should be, was replaced, or somebody else is at it (try again). */
export type Outcome = 'absent' | 'unchanged' | 'replaced' | 'busy'

/**
 * Replaces the filter table of this thread's network namespace by what `change` makes of it; undefined leaves it. Counters stay. A table that nobody
 * has made is not looked for: asking would make it, and iptables-nft warns of legacy tables then. `lock` is the file on which iptables-legacy waits.
 * Throws NetlinkError with the errno, and what `change` throws.
 */
export function changeFilterTable(
  change: (table: LegacyTable) => Replacement | undefined,
  lock = '/run/xtables.lock',
): Outcome {
  if (!exists()) return 'absent'
  const fd: number = socket(AF_INET6, SOCK_RAW_CLOEXEC, IPPROTO_RAW)
  if (fd < 0) throw new NetlinkError('open a raw IPv6 socket', koffi.errno())
  try {
    if (change(readTable(fd)) === undefined) return 'unchanged'
    return locked(lock, () => replace(fd, change)) ?? 'busy'
  } catch (error) {
    // Between the two looks of readTable, or before ours reached the kernel, the table got another size.
    if (error instanceof NetlinkError && error.errno === constants.errno.EAGAIN) return 'busy'
    throw error
  } finally {
    close(fd)
  }
}

/** Each line is the name of a table that exists in the namespace; no such file without ip6_tables. */
function exists(): boolean {
  try {
    return readFileSync('/proc/net/ip6_tables_names', 'latin1').split('\n').includes(NAME)
  } catch {
    return false
  }
}

function readTable(fd: number): LegacyTable {
  const asked = infoRequest(NAME)
  get(fd, IP6T_SO_GET_INFO, asked, 'ask for the size of')
  const info = parseInfo(asked)
  const filled = entriesRequest(NAME, info.size)
  get(fd, IP6T_SO_GET_ENTRIES, filled, 'read')
  return { info, entries: parseEntries(filled) }
}

function replace(fd: number, change: (table: LegacyTable) => Replacement | undefined): Outcome {
  const table = readTable(fd)
  const replacement = change(table)
  if (replacement === undefined) return 'unchanged'
  const counters = Buffer.alloc(countersSize(table.info.count))
  set(fd, IP6T_SO_SET_REPLACE, encodeReplace(NAME, replacement.table, table.info.count, koffi.address(counters)))
  set(fd, IP6T_SO_SET_ADD_COUNTERS, encodeCounters(NAME, replacement, counters))
  return 'replaced'
}

function get(fd: number, option: number, value: Buffer, verb: string): void {
  if (getsockopt(fd, IPPROTO_IPV6, option, value, [value.length]) < 0) throw refusal(verb, koffi.errno())
}

function set(fd: number, option: number, value: Buffer): void {
  if (setsockopt(fd, IPPROTO_IPV6, option, value, value.length) < 0) throw refusal('replace', koffi.errno())
}

/** `errno` is asked for where the call failed: what happens in between may change it. */
function refusal(verb: string, errno: number): NetlinkError {
  return new NetlinkError(`${verb} the ip6tables-legacy table ${NAME}`, errno)
}

/** With the lock that iptables-legacy takes (its --wait); undefined when somebody has it. Where it cannot be opened nobody shares it with us. */
function locked<T>(file: string, act: () => T): T | undefined {
  const fd = openLock(file)
  try {
    return fd !== undefined && flock(fd, LOCK_EX_NB) < 0 ? undefined : act()
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function openLock(file: string): number | undefined {
  try {
    return openSync(file, 'a', 0o600)
  } catch {
    return undefined
  }
}
