import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { diff } from '../../../src/dataplane/diff.ts'
import { hostItems, linkSettings } from '../../../src/dataplane/host.ts'
import { type Item, keyOf } from '../../../src/dataplane/item.ts'
import type { RulesetOptions } from '../../../src/dataplane/options.ts'
import { PREFIX } from '../../support/commands.ts'

const options: RulesetOptions = {
  prefixes: [PREFIX.text],
  fleet: [PREFIX.text],
  uplinks: ['eth0', 'lo', 'eth1.5'],
  flowsFrom: 100,
  flowsTo: 400,
}

const tablesOf = (items: readonly Item[]) => items.filter(item => item.kind === 'table')

describe('hostItems', () => {
  it('are the tables, then the settings, then the prefix', () => {
    assert.deepEqual(hostItems(PREFIX, options, ['eth0', 'eth1.5']).map(keyOf), [
      'table inet slash64',
      'table arp slash64',
      'sysctl net/ipv6/conf/eth0/accept_ra',
      'sysctl net/ipv6/conf/eth1.5/accept_ra',
      'sysctl net/ipv6/conf/all/forwarding',
      'sysctl net/netfilter/nf_conntrack_frag6_timeout',
      'address 2001:db8:1:a::1',
      'unreachable 2001:db8:1:a::/64',
    ])
  })

  it('let links go on listening to their router before the host forwards, also as the work of a difference', () => {
    const operations = diff([], hostItems(PREFIX, options, ['eth0', 'eth1']))
    const settings = operations.flatMap(({ item }) => (item.kind === 'sysctl' ? [item] : []))
    assert.deepEqual(
      settings.map(({ path, setting }) => `${path.at(-1)}=${setting}`),
      ['accept_ra=2', 'accept_ra=2', 'forwarding=1', 'nf_conntrack_frag6_timeout=5'],
    )
  })

  it('know a table by what is in it: the same options the same digest, others another', () => {
    const [filter, arp] = tablesOf(hostItems(PREFIX, options))
    const digests = (over: Partial<RulesetOptions>) =>
      tablesOf(hostItems(PREFIX, { ...options, ...over })).map(table => table.digest)
    assert.deepEqual(digests({}), [filter?.digest, arp?.digest])
    const others: Partial<RulesetOptions>[] = [
      { prefixes: ['fd00::/64'] },
      { fleet: ['fd00::/64'] },
      { uplinks: ['eth0'] },
      { flowsFrom: 101 },
      { flowsTo: 401 },
    ]
    for (const over of others) {
      assert.notEqual(digests(over)[0], filter?.digest, JSON.stringify(over))
      assert.equal(digests(over)[1], arp?.digest)
    }
  })
})

describe('linkSettings', () => {
  it('name each setting once, by name and by number', () => {
    const names = linkSettings.map(({ name }) => name)
    for (const name of ['disable_ipv6', 'accept_ra', 'autoconf', 'accept_redirects', 'proxy_ndp', 'seg6_enabled']) {
      assert.ok(names.includes(name), name)
    }
    assert.equal(new Set(names).size, names.length)
    assert.equal(new Set(linkSettings.map(({ number }) => number)).size, names.length)
  })
})
