import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  checkDistinct,
  type GroupBits,
  groupText,
  isLocal,
  localGroup,
  nameBits,
  namedGroup,
} from '../../../src/address/group.ts'
import { PluginError } from '../../../src/errors.ts'
import { groupBits, hostile } from './arbitraries.ts'

// Hosts of every version must agree on these: a change of one of them is a change of the wire format.
for (const [name, text] of [
  ['web', '2f99:d04f'],
  ['db', '6b0c:2972'],
  ['a', '6ec5:7119'],
] as const) {
  test(`group ${name} is ${text} everywhere`, () => assert.equal(groupText(namedGroup(name).bits), text))
}

for (const name of ['web', '0web', 'web_1.prod-eu', 'a', 'constructor', 'a'.repeat(63)]) {
  test(`${name} is a name`, () => assert.equal(namedGroup(name).name, name))
}

const refused: [name: string, sentence: RegExp][] = [
  ['', /it is empty; write a letter/],
  ['a'.repeat(64), /it has 64 characters; write at most 63/],
  ['Web', /write lower case: "web"/],
  ['WORLD', /write lower case: "world"/],
  ['world', /it means everybody; write another name, such as "my-world"/],
  ['fleet', /every slash64 host/],
  ['host', /this host/],
  ['5432', /at least one letter, such as "web"/],
  ['80-90', /at least one letter/],
  ['-web', /write a letter or digit/],
  ['.', /write a letter or digit/],
  ['__proto__', /write a letter or digit/],
  ['web\n', /"web\\n" is no name/],
  ['web ', /write a letter or digit/],
  ['wéb', /write a letter or digit/],
  ['web\u202e', /"web\\u\{202e\}" is no name/],
]
for (const [name, message] of refused) {
  test(`${JSON.stringify(name)} is no name`, () => {
    assert.throws(() => namedGroup(name), { code: 'GROUP_NAME_INVALID', message })
  })
}

test('a name gives a named group or a PluginError', () => {
  const names = fc.stringMatching(/^[a-z][a-z0-9._-]{0,62}$/)
  fc.assert(
    fc.property(fc.oneof(names, hostile), name => {
      try {
        const { bits } = namedGroup(name)
        assert.ok(bits > 0 && bits < 0x80000000)
        assert.equal(isLocal(bits), false)
      } catch (error) {
        assert.ok(error instanceof PluginError, String(error))
        assert.ok(error.message.length < 400)
      }
    }),
  )
})

test('bits are the first 31 of the digest', () => {
  assert.equal(
    nameBits('web', () => Buffer.from('ffffffff00', 'hex')),
    0x7fffffff,
  )
  assert.equal(
    nameBits('web', () => Buffer.from('00000002', 'hex')),
    1,
  )
})

test('a digest that begins with 31 zeros is taken again, never group 0', () => {
  const asked: string[] = []
  const digests = ['00000001', '00000000', '5c1f8e02']
  const bits = nameBits('web', text => Buffer.from(digests[asked.push(text) - 1] ?? '', 'hex'))
  assert.equal(bits, 0x5c1f8e02 >>> 1)
  assert.deepEqual(asked, ['slash64 group v1\0web', 'slash64 group v1\0web\x001', 'slash64 group v1\0web\x002'])
})

test('a local group has the top bit, and no name', () => {
  assert.deepEqual(localGroup(0), { bits: 0x80000000 })
  fc.assert(fc.property(fc.integer({ min: 0, max: 0x7fffffff }), random => assert.ok(isLocal(localGroup(random).bits))))
  for (const random of [-1, 0x80000000, 0.5, Number.NaN]) {
    assert.throws(() => localGroup(random), { code: 'INTERNAL' })
  }
})

test('text shows all eight digits', () => {
  assert.equal(groupText(1 as GroupBits), '0000:0001')
  fc.assert(fc.property(groupBits, bits => assert.equal(Number.parseInt(groupText(bits).replace(':', ''), 16), bits)))
})

test('two names with the same bits are an error', () => {
  const [one, other] = [namedGroup('g1548'), namedGroup('g46712')]
  assert.equal(one.bits, other.bits)
  checkDistinct([one, namedGroup('web'), one])
  assert.throws(() => checkDistinct([one, namedGroup('web'), other]), {
    code: 'GROUP_COLLISION',
    message: /"g1548" and "g46712"/,
  })
})
