// What a removal takes out of the kernel: all that is ours, and nothing else.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { PluginError } from '../../src/errors.ts'
import { cleanKernel } from '../../src/install/clean.ts'
import type { Host } from '../support/host.ts'
import { dump, withHost } from '../support/two-groups.ts'

/** What the namespace of a host holds, by the programs that show it. */
function shown(host: Host): string[] {
  const ip = ['-o link', '-6 -o address', '-6 route show table all', '-6 neighbour show nud all'].map(words =>
    host.ns.ip(words),
  )
  return [...ip, host.nft('list', 'ruleset')].flatMap(text => text.split('\n').filter(line => line.trim() !== ''))
}

const ours = /s64|slash64|proto 64|2001:db8:1:a/

suite('the kernel after a removal', () => {
  test('holds nothing of ours, and all that is others’', () =>
    withHost(async host => {
      const { ns } = host
      ns.ip('link add s64brown type bridge') // a name like ours, but no alias of ours
      ns.ip('-6 route add unreachable 2001:db8:2::/64')
      host.nft('add table inet theirs')
      host.kernel.close()
      assert.ok(shown(host).filter(line => ours.test(line)).length > 20)
      const removed = await ns.enter(() => cleanKernel())
      for (const what of ['table inet slash64', 'table arp slash64', 'unreachable 2001:db8:1:a::/64']) {
        assert.ok(removed.includes(what), `${what} of ${removed.join(', ')}`)
      }
      const left = shown(host)
      assert.deepEqual(
        left.filter(line => ours.test(line) && !line.includes('s64brown')),
        [],
      )
      const theirs = left.filter(line => /s64brown|2001:db8:2::|theirs/.test(line))
      assert.equal(theirs.length, 3, left.join('\n'))
      assert.deepEqual(await ns.enter(() => cleanKernel()), [], 'a second time there is nothing')
    }))

  test('stays as it is while a daemon runs', () =>
    withHost(async (host, sandboxes) => {
      const before = dump(host, sandboxes)
      const refused = (error: unknown) => error instanceof PluginError && error.code === 'TABLES_REFUSED'
      await assert.rejects(
        host.ns.enter(() => cleanKernel()),
        refused,
      )
      assert.equal(dump(host, sandboxes), before)
    }))
})
