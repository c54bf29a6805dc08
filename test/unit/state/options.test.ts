// The tables of options: what the parser, its errors and the reference page have in common.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  endpointOptions,
  ipamOptions,
  networkOptions,
  type OptionTable,
  parseEndpointOptions,
  parseIpamOptions,
  parseNetworkOptions,
} from '../../../src/state/options.ts'

type Given = Readonly<Record<string, string>>

const TABLES: Readonly<Record<string, readonly [OptionTable<unknown>, (given: Given) => unknown]>> = {
  network: [networkOptions, parseNetworkOptions],
  ipam: [ipamOptions, parseIpamOptions],
  endpoint: [endpointOptions, parseEndpointOptions],
}

for (const [place, [{ options, engine, refused }, parse]] of Object.entries(TABLES)) {
  suite(`${place} options`, () => {
    test('have names of their own, in small letters, as the CLI writes them', () => {
      const names = [...options, ...engine, ...refused].map(({ name }) => name)
      assert.equal(new Set(names).size, names.length)
      for (const name of names) assert.equal(name, name.toLowerCase())
    })

    test('take their examples, each and all together', () => {
      for (const { name, example } of options) assert.notDeepEqual(parse({ [name]: example }), parse({}))
      parse(Object.fromEntries(options.map(({ name, example }) => [name, example])))
    })

    test('pass by what the engine reads itself', () => {
      for (const { name } of engine) assert.deepEqual(parse({ [name]: 'x' }), parse({}))
    })

    test('refuse the others with sentences of their own', () => {
      for (const { name, example, refuse } of refused)
        assert.throws(() => parse({ [name]: example }), { message: refuse(example).message })
    })

    test('an unknown one hears of all that there are', () => {
      const known = new RegExp(`known: ${options.map(({ name }) => name).join(', ')}\\)$`)
      assert.throws(() => parse({ 'something-else': '1' }), { code: 'OPTION_UNKNOWN', message: known })
    })

    test('a slip of the hand hears of the one that was meant, not of one that begins like it', () => {
      for (const { name } of options) {
        const slip = name.replace(/.$/, '$&$&')
        const meant = new RegExp(`did you mean "${name}"`)
        assert.throws(() => parse({ [slip]: '1' }), { code: 'OPTION_UNKNOWN', message: meant })
      }
      assert.throws(() => parse({ 'com.docker.network.bridge.name': 'br0' }), { message: /\(known: / })
    })
  })
}
