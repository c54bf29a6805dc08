import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { knobs, parseConfig } from '../../src/config.ts'
import { PluginError } from '../../src/errors.ts'

const DEFAULTS = {
  prefix: undefined,
  allowDocPrefix: false,
  fleet: [],
  uplinks: [],
  state: '/var/lib/slash64',
  socket: '/run/docker/plugins/slash64.sock',
  control: '/run/slash64/control.sock',
  dockerSocket: '/run/docker.sock',
  birth: 'sandbox',
  logLevel: 'info',
  flowsFrom: 0,
  flowsTo: 0,
  host: '',
}

test('nothing set: the defaults', () => {
  assert.deepEqual(parseConfig({}), DEFAULTS)
  assert.deepEqual(parseConfig({ PATH: '/bin', SLASH: 'x', SLASH64: 'y', slash64_prefix: 'z' }), DEFAULTS)
})

test('an empty setting is one that nobody gave', () => {
  const empty = Object.fromEntries(Object.values(knobs).map(knob => [knob.env, '']))
  assert.deepEqual(parseConfig(empty), DEFAULTS)
  assert.deepEqual(parseConfig({ SLASH64_STATE: '  ', SLASH64_FLEET: undefined }), DEFAULTS)
})

test('everything set', () => {
  const config = parseConfig({
    SLASH64_PREFIX: ' fd00:1:2:3::/64 ',
    SLASH64_ALLOW_DOC_PREFIX: '1',
    SLASH64_FLEET: 'FD00:1:2:0::/62, fd00:2::/48',
    SLASH64_UPLINKS: 'eth0,bond0.100',
    SLASH64_STATE: '/srv/slash64',
    SLASH64_SOCKET: '/run/docker/plugins/other.sock',
    SLASH64_DOCKER_SOCKET: 'off',
    SLASH64_BIRTH: 'engine',
    SLASH64_LOG_LEVEL: 'debug',
    SLASH64_FLOWS_FROM: '4096',
    SLASH64_FLOWS_TO: '0',
    SLASH64_CONTROL: '/run/other.sock',
    SLASH64_HOST: '/host/',
  })
  assert.deepEqual(config, {
    prefix: 'fd00:1:2:3::/64',
    allowDocPrefix: true,
    fleet: ['fd00:1:2::/62', 'fd00:2::/48'],
    uplinks: ['eth0', 'bond0.100'],
    state: '/srv/slash64',
    socket: '/run/docker/plugins/other.sock',
    dockerSocket: '',
    birth: 'engine',
    logLevel: 'debug',
    flowsFrom: 4096,
    flowsTo: 0,
    control: '/run/other.sock',
    host: '/host',
  })
})

test('it is frozen, lists too', () => {
  const config = parseConfig({ SLASH64_FLEET: 'fd00::/48' })
  assert.throws(() => Object.assign(config, { state: '/' }), TypeError)
  assert.throws(() => Array.prototype.push.call(config.fleet, 'x'), TypeError)
})

const refused: [env: string, value: string, rule: RegExp][] = [
  ['SLASH64_ALLOW_DOC_PREFIX', 'yes', /write 0, 1/],
  ['SLASH64_FLEET', 'fd00::1/64', /be used: "fd00::1\/64" .*write "fd00::\/64"/],
  ['SLASH64_FLEET', '10.0.0.0/8', /"10\.0\.0\.0(\/8)?"/],
  ['SLASH64_FLEET', 'fd00::/64,', /an entry is empty/],
  ['SLASH64_FLEET', 'fd00::/64;fd01::/64', /write/],
  ['SLASH64_UPLINKS', 'a-name-of-sixteen', /"a-name-of-sixteen" is no name of a link/],
  ['SLASH64_UPLINKS', 'eth0 eth1', /is no name of a link; write names as "ip link" shows them/],
  ['SLASH64_UPLINKS', 'eth/0', /is no name/],
  ['SLASH64_UPLINKS', '..', /is no name/],
  ['SLASH64_STATE', 'state', /write an absolute path/],
  ['SLASH64_STATE', '/var/../etc', /write an absolute path/],
  ['SLASH64_SOCKET', 'tcp://[::1]:80', /write an absolute path/],
  ['SLASH64_SOCKET', `/${'a'.repeat(107)}`, /at most 107 bytes/],
  ['SLASH64_LOG_LEVEL', 'verbose', /write trace, debug, info, warn, error, fatal, silent/],
  ['SLASH64_FLOWS_FROM', '-1', /write a whole number from 0/],
  ['SLASH64_FLOWS_FROM', '1e3', /write a whole number/],
  ['SLASH64_FLOWS_TO', '1000000000', /write a whole number/],
]

for (const [env, value, rule] of refused) {
  test(`${env}=${value.slice(0, 30)} is refused`, () => {
    const quoted = `slash64: ${env}=${JSON.stringify(value)} cannot be used: `
    assert.throws(
      () => parseConfig({ [env]: value }),
      (error: PluginError) =>
        error.code === 'CONFIG_INVALID' && error.message.startsWith(quoted) && rule.test(error.message),
    )
  })
}

test('an unknown setting is refused, with the nearest one', () => {
  const nearest = {
    code: 'CONFIG_UNKNOWN',
    message: 'slash64: there is no setting "SLASH64_PREFIXES"; write SLASH64_PREFIX',
  }
  assert.throws(() => parseConfig({ SLASH64_PREFIXES: 'x' }), nearest)
  assert.throws(() => parseConfig({ SLASH64_FLET: '' }), { message: /write SLASH64_FLEET$/ })
  assert.throws(() => parseConfig({ SLASH64_: '' }), { message: /there is no setting "SLASH64_"/ })
  const far = { message: /"SLASH64_SOMETHING_ELSE_ENTIRELY"; there are SLASH64_PREFIX, .*SLASH64_HOST$/ }
  assert.throws(() => parseConfig({ SLASH64_SOMETHING_ELSE_ENTIRELY: 'x' }), far)
})

test('the table says of every setting what the documentation needs', () => {
  const envs = Object.values(knobs).map(knob => knob.env)
  assert.equal(new Set(envs).size, envs.length)
  for (const [name, knob] of Object.entries(knobs)) {
    assert.match(knob.env, /^SLASH64_[A-Z_]+$/)
    assert.ok(knob.description.length > 20)
    assert.deepEqual(
      knob.parse(knob.default),
      DEFAULTS[name as keyof typeof DEFAULTS],
      'the default is what its text says',
    )
  }
})

test('whatever the text, it is taken or refused with a sentence', () => {
  const env = fc.constantFrom(...Object.values(knobs).map(knob => knob.env))
  fc.assert(
    fc.property(env, fc.string(), (name, text) => {
      try {
        parseConfig({ [name]: text })
      } catch (error) {
        assert.ok(error instanceof PluginError && error.code === 'CONFIG_INVALID', String(error))
      }
    }),
  )
})
