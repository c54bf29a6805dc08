// What the benchmark holds slash64 against does the same work: the C programs leave in the kernel what slash64 leaves.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Nftables, Transaction } from 'nftables-js'
import { gatewayAddress } from '../../src/address/plan.ts'
import { linkSettings } from '../../src/dataplane/host.ts'
import { allowPort, links } from '../../src/dataplane/sets.ts'
import { Floor } from '../bench/floor.ts'
import { until } from '../lab/process.ts'
import { Host, type Place } from '../support/host.ts'
import { type Netns, withNetns } from '../support/netns.ts'

const FLOOR = { family: 'inet', name: 'floor' } as const
const NUMBER = 7

/** What stands for the same thing in both worlds, by the word that it gets. */
type Words = Readonly<Record<string, string>>

/** The links, addresses, routes and neighbours of a namespace that have to do with a link, in words that both worlds share. */
function state(ns: Netns, link: string, words: Words): string[] {
  const looks = ['address show', '-6 route show table all', '-6 neigh show'].map(look => ns.ip(`${look} dev ${link}`))
  const details = ns.ip(`-d link show dev ${link}`).split('\n')
  return [...looks.flatMap(text => text.split('\n')), ...details]
    .map(line => Object.entries(words).reduce((text, [word, meant]) => text.replaceAll(meant, word), line))
    .map(line =>
      line
        .replace(/^\d+: /, '')
        .replace(/@if\d+/, '')
        .replace(/link-netns(id)? \S+/, '')
        .trim(),
    )
    .filter(line => line !== '')
    .toSorted()
}

function settings(ns: Netns, link: string): string[] {
  return linkSettings.map(
    ({ name }) => `${name} ${ns.exec('sh', '-c', `cat /proc/sys/net/ipv6/conf/${link}/${name} 2>&1 || :`).trim()}`,
  )
}

describe('floor/endpoint.c', () => {
  it('leaves what slash64 leaves for an endpoint', async () => {
    await withNetns(ns => withNetns(ours => withNetns(theirs => compareEndpoints(ns, ours, theirs))))
  })
})

async function compareEndpoints(ns: Netns, ours: Netns, theirs: Netns): Promise<void> {
  using host = new Host(ns, '2001:db8:0:a::/64', {})
  const network = host.network('web')
  const place: Place = host.endpoint('one', 'web', NUMBER, ours)
  host.apply()
  host.kernel.nft.commit(new Transaction().addTable(FLOOR).addSet(FLOOR, links))
  await using floor = await Floor.start({ netns: ns.path }, 'endpoint', FLOOR.name, links.name)
  await floor.ask(`${theirs.path} ${NUMBER}`)

  const link = host.linkOf('one')
  const group = place.address.replace(/:7$/, ':0/112')
  const wordsOfOurs = { GATEWAY: gatewayAddress(network.id), GROUP: group, CONTAINER: place.address, 'MAC-C': place.mac, 'MAC-H': place.via, PEER: place.link, LINK: link } // biome-ignore format: a row a world
  const wordsOfFloor = { GATEWAY: 'fe80::1', GROUP: '2001:db8:f::/112', CONTAINER: '2001:db8:f::7', 'MAC-C': '02:64:02:00:00:07', 'MAC-H': '02:64:01:00:00:07', PEER: 'born0', LINK: 'floor7' } // biome-ignore format: a row a world
  assert.deepEqual(state(theirs, 'born0', wordsOfFloor), state(ours, place.link, wordsOfOurs))
  assert.deepEqual(settings(ns, 'floor7'), settings(ns, link))
  const withoutAlias = (lines: string[]): string[] => lines.filter(line => !line.startsWith('alias '))
  assert.deepEqual(withoutAlias(state(ns, 'floor7', wordsOfFloor)), withoutAlias(state(ns, link, wordsOfOurs)))
  assert.deepEqual(
    host.kernel.nft.listElements(FLOOR, links).map(({ key }) => key),
    [['floor7', '2001:db8:f::7']],
  )
}

describe('floor/element.c', () => {
  it('makes a transaction of each change and of each load, and takes away what it added', async () => {
    await withNetns(async ns => {
      using nft = ns.enter(() => Nftables.open())
      nft.commit(new Transaction().addTable(FLOOR).addSet(FLOOR, allowPort))
      using listener = ns.enter(() => Nftables.open())
      const generations = new Set<number>()
      listener.monitor({ change: ({ generation }) => generations.add(generation), overflow: () => {} })
      await using floor = await Floor.start({ netns: ns.path }, 'element', FLOOR.name, allowPort.name)
      assert.equal((await floor.ask('change 3')).length, 3)
      assert.equal((await floor.ask('load 2000')).length, 1)
      await until(
        () => generations.size === 2 * 3 + 2,
        1000,
        () => `${generations.size} transactions`,
      )
      assert.deepEqual(nft.listElements(FLOOR, allowPort), [])
    })
  })
})
