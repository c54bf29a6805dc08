// What `nft list ruleset` prints of us, in two situations. Set UPDATE_GOLDEN=1 to write the files anew.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { Host } from '../support/host.ts'
import { type Netns, withNetns } from '../support/netns.ts'
import { nftCommands } from '../support/nft.ts'

const root = join(import.meta.dirname, '../..')
const PREFIX = '2001:db8:1:a::/64'
const FLEET = [PREFIX, '2001:db8:1:b::/64']

const SITUATIONS: Readonly<Record<string, (host: Host, sandboxes: readonly [Netns, Netns]) => void>> = {
  'empty-host': () => {},
  'web-and-db': (host, [web, db]) => {
    host.network('web')
    host.network('db', 'web:5432,web:20000-30000/udp')
    host.network('logs', 'web')
    host.network('vault', '', { internal: true })
    host.endpoint('web', 'web', 1, web, [{ protocol: 'tcp', port: 443 }])
    host.endpoint('db', 'db', 1, db)
  },
}

const UPDATE = process.env['UPDATE_GOLDEN'] === '1'

const golden = (name: string): string => join(root, `test/golden/ruleset/${name}.nft`)

/**
 * What versions of nft print differently, in one form: the process that owns a table, the flag that 1.0.6 does not know, the spelling of masks and of
 * a route lookup, the order of elements (a hash's, which the kernel seeds anew at every boot).
 */
function normal(listing: string): string {
  return listing
    .replace(/ # progname .*/g, '')
    .replace(/flags owner(,persist)?$/gm, 'flags owner,persist')
    .replaceAll('::ffff:255.255.0.0', '::ffff:ffff:0')
    .replace(/tcp flags != syn \/ fin,syn,rst,ack/, 'tcp flags & (fin | syn | rst | ack) != syn')
    .replace(/iif (check|oif) missing(\/8)?/, 'iif oif missing')
    .replace(/counter packets \d+ bytes \d+/g, 'counter')
    .replace(/elements = \{([^}]*)\}/g, (_, text: string) => `elements = { ${sorted(text)} }`)
    .trimEnd()
}

function sorted(elements: string): string {
  const rows = elements.split(/,\s*\n?/).map(one => one.trim())
  return rows.toSorted().join(',\n\t\t\t     ')
}

suite('golden rulesets', () => {
  for (const [name, arrange] of Object.entries(SITUATIONS)) {
    test(name, () =>
      withNetns(ns =>
        withNetns(web =>
          withNetns(db => {
            ns.ip('link add up0 type bridge')
            const options = { uplinks: ['lo', 'up0'], fleet: FLEET, flowsFrom: 8192, flowsTo: 32768 }
            using host = new Host(ns, PREFIX, options)
            arrange(host, [web, db])
            host.apply()
            const listings = nftCommands().map(({ name: version, argv: [file = 'nft', ...args] }) => {
              return { version, listing: `${normal(ns.exec(file, ...args, 'list', 'ruleset'))}\n` }
            })
            if (UPDATE) writeFileSync(golden(name), listings[0]?.listing ?? '')
            for (const { version, listing } of listings)
              assert.equal(listing, readFileSync(golden(name), 'utf8'), version)
          }),
        ),
      ),
    )
  }

  test('docs/ruleset.md quotes them', () => {
    const file = join(root, 'docs/ruleset.md')
    const goldens = Object.keys(SITUATIONS).map(name => readFileSync(golden(name), 'utf8'))
    const block = /(?<=^```nft\n).*?(?=^```$)/gms
    if (UPDATE) {
      const rest = [...goldens]
      writeFileSync(
        file,
        readFileSync(file, 'utf8').replace(block, () => rest.shift() ?? ''),
      )
    }
    assert.deepEqual(readFileSync(file, 'utf8').match(block), goldens)
  })
})
