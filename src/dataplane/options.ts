// What the ruleset is made with.

/** What of the configuration stands in the rules. */
export interface RulesetOptions {
  /** Own prefixes: sources that may only come over our own links. */
  readonly prefixes: readonly string[]
  /** Prefixes of the hosts that run slash64, own ones included: sources that carry a group. */
  readonly fleet: readonly string[]
  /** Links over which the fleet's other hosts are reached. */
  readonly uplinks: readonly string[]
  /** Flows that one container may hold open towards others. */
  readonly flowsFrom: number
  /** Flows that the world may hold open to one container. */
  readonly flowsTo: number
  /** False on kernels before 6.9: a table without an owner outlives the daemon, but others can flush it. */
  readonly owned?: boolean
}
