// state + command -> changes + reply. Pure: it reads no clock, draws no number, touches nothing; what it throws changes nothing.
import type { Command, CommandOf, CommandType, Context, Decision } from './command.ts'
import { createEndpoint, deleteEndpoint, join, leave, releaseAddress, requestAddress, settle } from './endpoints.ts'
import { checkGatewayAllocation, createNetwork, deleteNetwork, releasePool, requestPool } from './networks.ts'
import type { State } from './state.ts'

const deciders: { [T in CommandType]: (state: State, command: CommandOf<T>, context: Context) => Decision<T> } = {
  checkGatewayAllocation,
  createNetwork,
  deleteNetwork,
  createEndpoint,
  deleteEndpoint,
  join,
  leave,
  settle,
  requestPool,
  releasePool,
  requestAddress,
  releaseAddress,
}

/** Decides one command. Throws PluginError with the sentence for the user. */
export function decide<T extends CommandType>(state: State, command: CommandOf<T>, context: Context): Decision<T> {
  const decider = deciders[command.type as T] as (state: State, command: Command, context: Context) => Decision<T>
  return decider(state, command as Command, context)
}
