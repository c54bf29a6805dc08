// npm run demo: the main job of slash64 before the reader's eyes, on a real Docker Engine in namespaces of its own. Nothing stays.
import { Host } from '../lab/host.ts'
import { ensureLab } from '../lab/setup.ts'
import { Topology } from '../lab/topology.ts'
import { addressOf, connectFrom, connectFromMachine, makeWhoImage, whoUrl } from '../support/container.ts'
import { chapter, command, expect, note, output, summary } from './stage.ts'

const PREFIX = '2001:db8:100:a::/64'
const OPTIONS = ['-d', 'slash64', '--ipam-driver', 'slash64', '--ipv4=false', '--ipv6']

chapter('Setting the stage')
const stamp = await ensureLab(line => note(line))
note(
  `Docker Engine ${stamp.engine} and slash64 start on a machine of their own (network, process and mount namespaces)`,
)
await using host = await Host.start({ name: 'demo', forward: true })
await using topology = await Topology.up({ hosts: [{ host, prefix: PREFIX, uplinkAddress: '2001:db8:100::a' }] })
await host.startDockerd()
await makeWhoImage(host)
await host.startSlash64({ SLASH64_PREFIX: PREFIX, SLASH64_ALLOW_DOC_PREFIX: '1' })
note('the image "who" is a web server that answers with the address of its client')
note(`this host owns ${PREFIX}; its router has one route for it`)

/** Runs docker on the host as a user would type it, and shows both. */
async function docker(...args: string[]): Promise<string> {
  command(['docker', ...args])
  return output(await host.docker(...args))
}

chapter('Two networks, a group each: db lets web in, on one port')
await docker('network', 'create', ...OPTIONS, '-o', 'group=web', 'web')
await docker('network', 'create', ...OPTIONS, '-o', 'group=db', '-o', 'allow=web:5432/tcp', 'db')

chapter('Three containers')
await docker('run', '-d', '--name', 'front', '--network', 'web', '-p', '443:443', 'who', '443')
await docker('run', '-d', '--name', 'back', '--network', 'web', 'who', '80')
await docker('run', '-d', '--name', 'store', '--network', 'db', 'who', '5432')
const front = await addressOf(host, 'front', 'web')
const back = await addressOf(host, 'back', 'web')
const store = await addressOf(host, 'store', 'db')
note(`front ${front}\n  back  ${back}\n  store ${store}\n  the group is in the address: web and db are bits 80 to 111`)
command(['docker', 'exec', 'front', 'ip', '-6', 'route'])
output(await host.docker('exec', 'front', 'ip', '-6', 'route'))
command(['ip', '-6', 'route', 'show', 'proto', '64'])
output(await host.check(['ip', '-6', 'route', 'show', 'proto', '64']))

chapter('What may talk to what')
const seen = await docker('exec', 'front', 'wget', '-qO-', whoUrl(store, 5432))
expect('web reaches db on 5432, and the server sees the client’s own address', seen, front)
const denied = await connectFrom(host, 'front', store, 22)
expect(`web reaches nothing else of db: refused after ${denied.ms} ms`, denied.outcome, 'ECONNREFUSED')
const backwards = await connectFrom(host, 'store', back, 80)
expect(`db does not reach web: refused after ${backwards.ms} ms`, backwards.outcome, 'ECONNREFUSED')
expect('inside a group everything is open', (await connectFrom(host, 'front', back, 80)).outcome, 'connected')

chapter('From the internet')
command(['wget', '-qO-', whoUrl(front, 443)])
const visitor = output(await topology.internet.check(['busybox', 'wget', '-qO-', whoUrl(front, 443)]))
expect('a published port is open to the world; nothing is translated', visitor, Topology.internetAddress)
const closed = await connectFromMachine(topology.internet, back, 80)
expect('an unpublished one is not even answered', closed.outcome, 'timeout')

chapter('The ruleset that did it: static, one element a container')
command(['nft', 'list', 'table', 'inet', 'slash64'])
output(await host.check(['nft', 'list', 'table', 'inet', 'slash64']))

chapter('Everything is taken away again')
await docker('rm', '-f', 'front', 'back', 'store')
await docker('network', 'rm', 'web', 'db')
const links = await host.check(['ip', '-o', 'link', 'show', 'group', 'default'])
expect('no link of a container is left', String(links.includes('s64')), 'false')
await host.stopSlash64()
await host.stopDockerd()
summary()
