// The store as a map, stricter than the real one: a change must start from what is stored. Only a pool that a crash left without a network may be made
// anew: whoever loads the state takes no notice of it.
import assert from 'node:assert/strict'
import type { Change, Endpoint, Network, Pool } from '../../src/state/model.ts'

type Stored = Network | Endpoint | Pool

export class FakeStore {
  readonly #kinds = {
    network: new Map<string, Network>(),
    endpoint: new Map<string, Endpoint>(),
    pool: new Map<string, Pool>(),
  }
  /** How many of the next writes fail. */
  failures = 0

  /** All or nothing, as the real one. */
  write(changes: readonly Change[]): void {
    if (this.failures > 0) {
      this.failures--
      throw new Error('no space left on device')
    }
    for (const change of changes) {
      if (change.kind === 'lease' || change.kind === 'creation') continue
      const kind = this.#kinds[change.kind] as Map<string, Stored>
      const there = this.#isForgotten(change) ? undefined : kind.get(change.id)
      assert.deepEqual(there, change.before, `${change.kind} ${change.id} is stored as it was`)
      if (change.after === undefined) kind.delete(change.id)
      else kind.set(change.id, change.after)
    }
  }

  #isForgotten({ kind, id, before }: Change): boolean {
    return kind === 'pool' && !before && ![...this.#kinds.network.values()].some(network => network.pool === id)
  }

  load(): { networks: Network[]; endpoints: Endpoint[]; pools: Pool[] } {
    const { network, endpoint, pool } = this.#kinds
    return structuredClone({
      networks: [...network.values()].toSorted(byId),
      endpoints: [...endpoint.values()].toSorted(byId),
      pools: [...pool.values()].toSorted(byId),
    })
  }
}

// Files are read in the order of their names.
function byId(a: Stored, b: Stored): number {
  return a.id < b.id ? -1 : 1
}
