import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseHostPrefix } from '../../src/address/prefix.ts'
import { choose, statusText } from '../../src/cli/status.ts'
import { type Status, statusOf } from '../../src/state/status.ts'
import { assertGolden, FACTS, NAMES, town } from '../support/cli.ts'
import { endpointId, networkId } from '../support/commands.ts'

const whole = statusOf(town().state, FACTS, NAMES)
const other = parseHostPrefix('2001:db8:2:b::/64', { allowDocumentation: true })

/** The containers (or ids) of a status. */
const shown = ({ groups }: Status): string[] =>
  groups.flatMap(({ networks }) =>
    networks.flatMap(({ endpoints }) => endpoints.map(({ id, container }) => container ?? id.slice(0, 12))),
  )

describe('the text of status', () => {
  it('is as agreed on', () => {
    assertGolden('status.txt', statusText(whole))
    assertGolden(
      'status-old-prefix.txt',
      statusText(statusOf(town().state, { ...FACTS, prefix: other }, 'not answering')),
    )
    assertGolden('status-empty.txt', statusText({ ...whole, groups: [] }))
  })

  it('is at most 100 columns wide with names as Compose makes them', () => {
    const container = 'webshop-database-1'
    const groups = whole.groups.map(group => ({
      ...group,
      networks: group.networks.map(network => ({
        ...network,
        endpoints: network.endpoints.map(endpoint => ({
          ...endpoint,
          container,
          address: '2001:db8:1234:5678:0:5c1f:8e02:ffff',
          published: Array.from({ length: 64 }, (_, index) => `${1024 + index * 7}/tcp`),
        })),
      })),
    }))
    const lines = statusText({ ...whole, groups }).split('\n')
    for (const line of lines) assert.ok(line.length <= 100 && line === line.trimEnd(), line)
    assert.equal(
      lines.join(' ').match(/\b\d+\/tcp/g)?.length,
      64 * 4 + whole.groups.flatMap(({ allow }) => allow).length - 1,
    )
  })

  it('writes nothing that a terminal would obey', () => {
    const names = { ...NAMES, networks: new Map([[networkId(1), 'web\u001b[2J\u202e']]) }
    const text = statusText(statusOf(town().state, FACTS, names))
    assert.match(text, /network web\\u\{1b\}\[2J\\u\{202e\}/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  })
})

describe('status NAME', () => {
  const cases: [string, string[]][] = [
    ['web', ['web-1', 'web-2']],
    ['again', []],
    ['db', ['00000000000d']],
    ['web-2', ['web-2']],
    [endpointId(13).slice(0, 12), ['00000000000d']],
    [networkId(3).slice(0, 12), ['safe']],
    [whole.groups[0]?.number ?? '', ['00000000000d']],
  ]
  for (const [name, containers] of cases) {
    it(`${name} shows ${containers.join(' and ') || 'an empty network'}`, () => {
      const chosen = choose(whole, [name])
      assert.deepEqual(shown(chosen), containers)
      assert.equal(chosen.groups.length, 1)
    })
  }

  it('shows what any of several names means, in the order of the whole', () => {
    assert.deepEqual(shown(choose(whole, ['web-1', 'safe'])), ['safe', 'web-1'])
  })

  it('that is not there says so, with the nearest one', () => {
    assert.throws(() => choose(whole, ['web', 'valt']), {
      code: 'NAME_UNKNOWN',
      message: /called "valt"; write "vault"$/,
    })
    assert.throws(() => choose(whole, ['nowhere-at-all']), { message: /see "slash64 status"$/ })
    const silent = statusOf(town().state, FACTS, 'not answering')
    assert.throws(() => choose(silent, ['nowhere-at-all']), { message: /Docker does not tell names now, so write ids/ })
  })

  it('never shows what the whole has not', () => {
    const names = fc.subarray(['web', 'db', 'vault', 'again', 'scratch', 'web-1', 'web-2', 'safe'], { minLength: 1 })
    fc.assert(
      fc.property(names, chosen => {
        const found = shown(choose(whole, chosen))
        assert.deepEqual(
          found,
          shown(whole).filter(one => found.includes(one)),
        )
        assert.equal(new Set(found).size, found.length)
      }),
    )
  })
})
