// The engine's part of a link that it moves: what it does with Join's answer (moby daemon/libnetwork/osl/interface_linux.go, AddInterface).
import { gatewayAddress, movedName } from '../../src/address/plan.ts'
import type { Endpoint } from '../../src/state/model.ts'
import type { Host, Place } from './host.ts'
import type { Netns } from './netns.ts'

/** Moves the container's end of the endpoint with the place's address into its sandbox as `name`, numbers it, brings it up, sets its connected route. */
export function engineMoves(host: Host, { ns, address }: Place, name: string): Place {
  const endpoint = endpointOf(host, address)
  const source = movedName(endpoint.id)
  host.ns.ip(`link set ${source} netns ${ns.name}`)
  ns.ip(`link set ${source} down`)
  ns.ip(`link set ${source} name ${name}`)
  ns.ip(`address add ${address}/128 dev ${name} nodad`)
  ns.ip(`link set ${name} up`)
  ns.ip(`route add ${gatewayAddress(endpoint.network)}/128 dev ${name}`)
  return { ns, link: name, mac: endpoint.mac, via: '', address }
}

/** The engine's choice of the network with the way out. */
export function engineChoosesGateway({ ns, link }: Place, gateway: string): void {
  ns.ip(`-6 route replace default via ${gateway} dev ${link}`)
}

/** The endpoint with an address. Throws when there is none. */
export function endpointOf(host: Host, address: string): Endpoint {
  const endpoint = [...host.state.endpoints.values()].find(one => one.address === address)
  if (!endpoint) throw new Error(`no endpoint has ${address}`)
  return endpoint
}

/** A new endpoint whose link the engine moves as `link`, up to EndpointOperInfo. */
export function moved(host: Host, name: string, of: string, number: number, sandbox: Netns, link = 'netx0'): Place {
  const place = host.endpoint(name, of, number, sandbox)
  host.change(name, { moved: true })
  host.apply()
  return engineMoves(host, place, link)
}

/** EndpointOperInfo. */
export function settled(host: Host, name: string): void {
  host.change(name, { settled: true })
  host.apply()
}
