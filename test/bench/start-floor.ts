// start-floor.ts SOCKET: a network and IPAM driver that answers what the engine has to hear and does nothing at all: what a remote driver costs before it
// does anything. It runs as JavaScript in a process of its own, as slash64 does (application.ts).
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

const POOL = 'fd00:f:0:0'

let addresses = 0

/** Answers by method; {} to all others. */
const ANSWERS: Readonly<Record<string, () => object>> = {
  'Plugin.Activate': () => ({ Implements: ['NetworkDriver', 'IpamDriver'] }),
  'NetworkDriver.GetCapabilities': () => ({ Scope: 'local', ConnectivityScope: 'local', GwAllocChecker: true }),
  'NetworkDriver.GwAllocCheck': () => ({ SkipIPv4: true, SkipIPv6: true }),
  'NetworkDriver.CreateEndpoint': () => ({ Interface: {} }),
  // Else the engine adds docker_gwbridge.
  'NetworkDriver.Join': () => ({ InterfaceName: {}, DisableGatewayService: true }),
  'IpamDriver.GetDefaultAddressSpaces': () => ({
    LocalDefaultAddressSpace: 'floor',
    GlobalDefaultAddressSpace: 'floor',
  }),
  'IpamDriver.RequestPool': () => ({ PoolID: 'floor', Pool: `${POOL}::/64` }),
  'IpamDriver.RequestAddress': () => ({ Address: `${POOL}::${(++addresses).toString(16)}/128` }),
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.resume().on('end', () => {
    const text = JSON.stringify(ANSWERS[request.url?.slice(1) ?? '']?.() ?? {})
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': text.length }).end(text)
  })
}

// The engine keeps idle connections: it has to be the side that closes.
createServer({ keepAliveTimeout: 0 }, answer).listen(process.argv[2])
