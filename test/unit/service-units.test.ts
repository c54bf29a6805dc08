// The texts of the host service: what is in them, and that what reads them takes them.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { knobs, parseConfig } from '../../src/config.ts'
import { NODE_FLAGS } from '../../src/install/flags.ts'
import {
  commandScript,
  paths,
  readSettings,
  serviceUnit,
  settings,
  settingsFile,
  settingsMissing,
  socketUnit,
} from '../../src/install/units.ts'

const GOLDEN = join(import.meta.dirname, '../golden/service')
const texts = {
  'slash64.socket': socketUnit(),
  'slash64.service': serviceUnit(),
  'slash64.env': settingsFile(),
  slash64: commandScript(),
}

/** The lines of a unit, `Section.Name=value`. */
function entries(unit: string): string[] {
  let section = ''
  return unit.split('\n').flatMap(line => {
    section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section
    return line.includes('=') ? [`${section}.${line}`] : []
  })
}

/** The value of a setting of the service's unit. */
function value(name: string): string {
  const found = entries(serviceUnit()).filter(line => line.startsWith(`${name}=`))
  assert.equal(found.length, 1, name)
  return found[0]?.slice(name.length + 1) ?? ''
}

for (const [name, text] of Object.entries(texts)) {
  test(`${name} is as it was (UPDATE_GOLDEN=1 writes what it is now)`, () => {
    const file = join(GOLDEN, name)
    if (process.env['UPDATE_GOLDEN'] === '1') {
      mkdirSync(GOLDEN, { recursive: true })
      writeFileSync(file, text)
    }
    assert.equal(text, readFileSync(file, 'utf8'))
  })
}

suite('units', () => {
  test('systemd gives up on a daemon that cannot start, and that before its own patience ends: else dockerd waits for ever', () => {
    const start = 1.5 // seconds until a start has failed, on a slow machine
    const starts = Number(value('Unit.StartLimitBurst'))
    const seconds = starts * (Number(value('Service.RestartSec')) + start)
    assert.ok(seconds < Number(value('Unit.StartLimitIntervalSec')), `${starts} starts take ${seconds} s`)
    assert.ok(seconds < 15, 'and before dockerd itself would have given up on nobody')
  })

  test('the program is executed as it is: a shell in between would be who the socket is passed to', () => {
    assert.equal(value('Service.ExecStart'), `${paths.node} ${NODE_FLAGS.join(' ')} ${paths.app}/src/main.js`)
  })

  test('the socket is where the daemon would make it', () => {
    assert.ok(entries(socketUnit()).includes(`Socket.ListenStream=${parseConfig({}).socket}`))
  })

  test('folders are those of the default settings', () => {
    assert.equal(`/var/lib/${value('Service.StateDirectory')}`, parseConfig({}).state)
    assert.equal(`/run/${value('Service.RuntimeDirectory')}/control.sock`, parseConfig({}).control)
  })

  test('docker is ordered behind both, and required by none', () => {
    for (const unit of [socketUnit(), serviceUnit()]) {
      const dockers = entries(unit).filter(line => line.includes('docker.service'))
      assert.deepEqual(dockers, ['Unit.Before=docker.service'])
    }
  })
})

suite('slash64.env', () => {
  test('sets nothing at first', () => {
    assert.deepEqual(readSettings(settingsFile()), {})
  })

  test('has every setting, but the plugin’s and the socket; uncommented it says the defaults', () => {
    const uncommented = settingsFile().replace(/^#(SLASH64_)/gm, '$1')
    const env = readSettings(uncommented)
    const elsewhere = ['SLASH64_HOST', 'SLASH64_SOCKET']
    const all = Object.values(knobs).map(knob => knob.env)
    assert.deepEqual(
      Object.keys(env),
      all.filter(name => !elsewhere.includes(name)),
    )
    assert.deepEqual(parseConfig(env), parseConfig({}))
    for (const { description } of settings) assert.ok(uncommented.includes(`# ${description}\n`), description)
  })

  test('is read as systemd reads it', () => {
    const text = ' \n# A=1\n;B=2\nC=3\n  D = 4 \nE="5 6"\nF=\'7\'\nG=8 # no comment\nnonsense\nH=\nI="9\n'
    const read = { C: '3', D: '4', E: '5 6', F: '7', G: '8 # no comment', H: '', I: '"9' }
    assert.deepEqual(readSettings(text), read)
  })

  test('what is written is read back', () => {
    const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,10}$/)
    const word = fc.stringMatching(/^[a-z0-9:/,._-]{0,20}$/)
    fc.assert(
      fc.property(fc.dictionary(name, word, { noNullPrototype: true }), env => {
        const lines = Object.entries(env).flatMap(([key, text]) => [`# ${key}=not this`, `${key}=${text}`])
        assert.deepEqual(readSettings(lines.join('\n')), env)
      }),
    )
  })

  test('settings that a file does not mention are found, commented or not', () => {
    assert.deepEqual(settingsMissing(settingsFile()), [])
    const old = settingsFile()
      .replace(/^.*SLASH64_FLEET.*$/m, '')
      .replace('#SLASH64_UPLINKS=', 'SLASH64_UPLINKS=eth0')
    assert.deepEqual(settingsMissing(old), ['SLASH64_FLEET'])
    assert.deepEqual(
      settingsMissing(''),
      settings.map(({ env }) => env),
    )
    assert.ok(settingsMissing('# see SLASH64_PREFIX, and SLASH64_STATED=1').includes('SLASH64_STATE'))
  })
})
