import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { namedGroup } from '../../../src/address/group.ts'
import { PluginError } from '../../../src/errors.ts'
import { type AllowEntry, formatAllow, formatEntry, PROTOCOLS, parseAllow } from '../../../src/policy/allow.ts'
import { hostile } from '../address/arbitraries.ts'
import { allowEntries } from './arbitraries.ts'

test('an entry, by example', () => {
  assert.deepEqual(parseAllow('web:5432/tcp'), [
    { peer: namedGroup('web'), ports: { protocol: 'tcp', first: 5432, last: 5432 } },
  ])
  assert.deepEqual(parseAllow('web:8000-8010/udp'), [
    { peer: namedGroup('web'), ports: { protocol: 'udp', first: 8000, last: 8010 } },
  ])
  assert.deepEqual(parseAllow('web'), [{ peer: namedGroup('web') }])
})

const forms: [written: string, canonical: string][] = [
  ['web:5432', 'web:5432/tcp'],
  ['web:1-65535/sctp', 'web:1-65535/sctp'],
  ['web:80-80', 'web:80/tcp'],
  ['web:80 , api\n', 'api,web:80/tcp'],
  ['\tweb:80,\n  web:443', 'web:80/tcp,web:443/tcp'],
  ['web:80,web:80', 'web:80/tcp'],
  ['web:80,web:81', 'web:80-81/tcp'],
  ['web:80,web:82', 'web:80/tcp,web:82/tcp'],
  ['web:80-90,web:85', 'web:80-90/tcp'],
  ['web:85-95,web:80-90', 'web:80-95/tcp'],
  ['web:80/udp,web:80/tcp', 'web:80/tcp,web:80/udp'],
  ['web:80,web', 'web'],
  ['web:1,web', 'web'],
  ['web,api:80', 'api:80/tcp,web'],
  ['web-2:1,web:1', 'web:1/tcp,web-2:1/tcp'],
  ['constructor:1', 'constructor:1/tcp'],
]
for (const [written, canonical] of forms) {
  test(`${JSON.stringify(written)} means ${canonical}`, () => assert.equal(formatAllow(parseAllow(written)), canonical))
}

describe('errors point at what is wrong', () => {
  const refused: [option: string, column: number, found: string, write: RegExp][] = [
    ['', 1, '', /a peer, such as "web:80"; leave no entry empty/],
    ['web:80,', 8, '', /leave no entry empty/],
    ['web:80,,api', 8, '', /leave no entry empty/],
    [' , web', 2, '', /leave no entry empty/],
    [':80', 1, '', /the name of a group/],
    ['web:', 5, '', /a port of 1 to 65535 .*such as "web:80" or "web:8000-8010"/],
    ['web:0', 5, '0', /a port of 1 to 65535/],
    ['web:65536', 5, '65536', /a port of 1 to 65535/],
    ['web:080', 5, '080', /a port of 1 to 65535/],
    ['web:http', 5, 'http', /a port of 1 to 65535/],
    ['web:tcp/80', 5, 'tcp', /a port of 1 to 65535/],
    ['web:80-', 5, '80-', /a port of 1 to 65535/],
    ['web:1-2-3', 5, '1-2-3', /one port or one range, such as "web:1-2"/],
    ['web:90-80', 5, '90-80', /the lower port first: "80-90"/],
    ['api, web:80 /tcp', 10, '80 ', /a port of 1 to 65535/],
    ['web:80/', 8, '', /"tcp", "udp" or "sctp"/],
    ['web:80/TCP', 8, 'TCP', /write "tcp"$/],
    ['web:80/stcp', 8, 'stcp', /write "s?c?tcp"$/],
    ['web:80/icmp', 8, 'icmp', /"tcp", "udp" or "sctp"/],
    ['web:80/tcp/udp', 8, 'tcp/udp', /"tcp", "udp" or "sctp"/],
    ['web:80,443', 8, '443', /a peer before the ports, such as "web:443"/],
    ['80-90/udp', 1, '80-90/udp', /such as "web:80-90\/udp"/],
    ['web/udp', 1, 'web/udp', /such as "web:80\/udp"/],
    ['*', 1, '*', /the name of a group/],
    ['web api', 1, 'web api', /the name of a group/],
    ['api,web\0:80', 5, 'web\\u0000', /the name of a group/],
  ]
  for (const [option, column, found, write] of refused) {
    test(JSON.stringify(option), () => {
      assert.throws(
        () => parseAllow(option),
        error => {
          assert.ok(error instanceof PluginError)
          assert.equal(error.code, 'ALLOW_INVALID')
          assert.ok(error.message.includes(`, column ${column}: found "${found}"; write `), error.message)
          assert.match(error.message, write)
          return true
        },
      )
    })
  }

  test('names that are none', () => {
    assert.throws(() => parseAllow('api,Web:80'), { code: 'GROUP_NAME_INVALID', message: /write lower case: "web"/ })
    assert.throws(() => parseAllow('__proto__'), { code: 'GROUP_NAME_INVALID' })
    assert.throws(() => parseAllow('g1548:1,g46712:1'), { code: 'GROUP_COLLISION' })
  })

  test('the option is quoted whole where it is short', () => {
    assert.throws(() => parseAllow('web:80/tpc'), {
      message: 'slash64: allow="web:80/tpc", column 8: found "tpc"; write "tcp", "udp" or "sctp"',
    })
  })
})

describe('peers of later versions are refused by name', () => {
  const refused: [option: string, column: number, peer: string, instead: RegExp][] = [
    ['world:443', 1, 'world', /publish the port of the container/],
    ['web, World', 6, 'World', /publish the port/],
    ['fleet', 1, 'fleet', /write the groups that may come in by name/],
    ['host:22', 1, 'host', /the host reaches its containers anyway/],
    ['web:80,[2001:db8::/32]:443/tcp', 8, '[2001:db8::/32]:443/tcp', /write the name of a group/],
    ['[nonsense', 1, '[nonsense', /write the name of a group/],
  ]
  for (const [option, column, peer, instead] of refused) {
    test(option, () => {
      assert.throws(
        () => parseAllow(option),
        error => {
          assert.ok(error instanceof PluginError)
          assert.equal(error.code, 'ALLOW_LATER')
          const said = `column ${column}: the peer "${peer}" is not supported yet by this version; write `
          assert.ok(error.message.includes(said), error.message)
          assert.match(error.message, instead)
          return true
        },
      )
    })
  }
})

describe('laws', () => {
  const meaning = (entries: readonly AllowEntry[]) => (peer: string, protocol: string, port: number) =>
    entries.some(({ peer: { name }, ports }) => {
      if (name !== peer) return false
      return !ports || (ports.protocol === protocol && ports.first <= port && port <= ports.last)
    })

  test('the text of a normal form is read back as that normal form', () => {
    fc.assert(
      fc.property(allowEntries, entries => {
        const normal = parseAllow(formatAllow(entries))
        assert.deepEqual(parseAllow(formatAllow(normal)), normal)
        assert.equal(formatAllow(normal), formatAllow(entries))
      }),
    )
  })

  test('the order of entries means nothing, repeating them neither', () => {
    fc.assert(
      fc.property(allowEntries, fc.infiniteStream(fc.nat()), (entries, chance) => {
        const shuffled = [...entries, ...entries]
          .map(entry => ({ entry, rank: chance.next().value ?? 0 }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ entry }) => entry)
        assert.equal(formatAllow(shuffled), formatAllow(entries))
      }),
    )
  })

  test('normal form lets in exactly what the entries let in, and never twice', () => {
    fc.assert(
      fc.property(allowEntries, entries => {
        const normal = parseAllow(entries.map(formatEntry).join(' ,'))
        const edges = entries.flatMap(({ ports }) => (ports ? [ports.first, ports.last] : []))
        const ports = [1, 65535, ...edges.flatMap(port => [port - 1, port, port + 1])].filter(p => p > 0 && p < 65536)
        for (const peer of new Set(entries.map(entry => entry.peer.name))) {
          for (const protocol of PROTOCOLS) {
            for (const port of ports) {
              assert.equal(meaning(normal)(peer, protocol, port), meaning(entries)(peer, protocol, port))
              assert.ok(normal.filter(entry => meaning([entry])(peer, protocol, port)).length <= 1)
            }
          }
        }
      }),
    )
  })

  test('throws nothing but PluginError, with a short sentence', () => {
    const pieces = fc.constantFrom(
      'web',
      'fleet',
      ':',
      '80',
      '-',
      '/',
      'tcp',
      ',',
      ' ',
      '[',
      '__proto__',
      'x'.repeat(70),
      '0',
    )
    const almost = fc.array(pieces, { maxLength: 12 }).map(all => all.join(''))
    fc.assert(
      fc.property(fc.oneof(hostile, almost), option => {
        try {
          assert.ok(parseAllow(option).length > 0)
        } catch (error) {
          assert.ok(error instanceof PluginError, String(error))
          assert.ok(error.message.length < 600, `${error.message.length} characters`)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('a long list takes no long time', () => {
    const option = Array.from({ length: 6000 }, (_, index) => `g${index % 60}:${65000 - index * 2}`).join(',')
    const start = performance.now()
    assert.equal(parseAllow(option).length, 6000)
    assert.ok(performance.now() - start < 1000)
  })
})
