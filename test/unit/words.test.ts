import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { nearest } from '../../src/words.ts'

const options = ['group', 'allow', 'com.docker.network.driver.mtu']

describe('nearest', () => {
  it('finds the word that was meant', () => {
    for (const [typo, meant] of [
      ['grup', 'group'],
      ['GROUP', 'group'],
      ['alow', 'allow'],
      ['allows', 'allow'],
      ['com.docker.network.mtu', 'com.docker.network.driver.mtu'],
      ['egress', undefined],
      ['', undefined],
    ] as const) {
      assert.equal(nearest(typo, options), meant, typo)
    }
  })

  it('knows nothing where there is nothing to know', () => {
    assert.equal(nearest('group', []), undefined)
  })

  it('prefers the nearer of two, whatever their order', () => {
    assert.equal(nearest('udpp', ['tcp', 'udp']), 'udp')
    assert.equal(nearest('udpp', ['udp', 'tcp']), 'udp')
  })

  it('gives a known word back for itself, whatever else is known', () => {
    const word = fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...'abc.-') })
    fc.assert(
      fc.property(word, fc.array(word), (one, others) => {
        assert.equal(nearest(one, [...others, one]), one)
      }),
    )
  })

  it('finds every word of 3 characters or more through one lost, added or changed character', () => {
    const word = fc.string({ minLength: 3, maxLength: 40, unit: fc.constantFrom(...'abcdef') })
    fc.assert(
      fc.property(word, fc.nat(), fc.constantFrom('lost', 'added', 'changed'), (one, place, how) => {
        const at = place % one.length
        const typo = `${one.slice(0, at)}${how === 'lost' ? '' : 'x'}${one.slice(how === 'added' ? at : at + 1)}`
        assert.equal(nearest(typo, [one]), one)
      }),
    )
  })

  it('answers nothing, and soon, for words of 64 KiB', () => {
    assert.equal(nearest('g'.repeat(65536), options), undefined)
  })
})
