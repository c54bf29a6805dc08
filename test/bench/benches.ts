// Every bench, in the order of running and of the table. The last three come last because the kernel takes seconds to be rid of their namespaces.
import { bench as acl } from './acl.ts'
import { bench as daemon } from './daemon.ts'
import { bench as endpoint } from './endpoint.ts'
import { bench as flow } from './flow.ts'
import { bench as hosts } from './flow-hosts.ts'
import { bench as idle } from './idle.ts'
import type { Bench } from './row.ts'
import { bench as start } from './start.ts'
import { bench as first } from './start-first.ts'
import { bench as many } from './start-many.ts'

export const benches: readonly Bench[] = [start, first, flow, hosts, acl, idle, endpoint, daemon, many]
