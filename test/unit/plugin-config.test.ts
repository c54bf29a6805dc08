// plugin-config.json against what it repeats: the settings, and the paths that the daemon has by default. UPDATE_GOLDEN=1 writes its `env` anew.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { knobs } from '../../src/config.ts'
import { NODE_FLAGS } from '../../src/install/flags.ts'
import { fixedSettings } from '../../src/plugin.ts'
import { repository } from '../lab/setup.ts'

interface PluginConfig {
  readonly entrypoint: readonly string[]
  readonly interface: { readonly types: readonly string[]; readonly socket: string }
  readonly linux: { readonly capabilities: readonly string[] }
  readonly propagatedMount: string
  readonly mounts: readonly { readonly destination: string; readonly options: readonly string[] }[]
  readonly env: unknown
}

const file = join(repository, 'plugin-config.json')
const config = JSON.parse(readFileSync(file, 'utf8')) as PluginConfig

/** Where these lie is for the mounts to say: a plugin that could be told otherwise would lose its state, or the engine. */
const laidDown: readonly string[] = [knobs.state.env, knobs.socket.env, ...Object.keys(fixedSettings)]

/** An empty value means the default of the slash64 that runs: the engine keeps the values of the first installation through upgrades. */
const env = Object.values(knobs)
  .filter(knob => !laidDown.includes(knob.env))
  .map(knob => ({ name: knob.env, description: knob.description, settable: ['value'], value: '' }))

test('every setting can be made with "docker plugin set", and is described as everywhere', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, `${JSON.stringify({ ...config, env }, null, 2)}\n`)
  assert.deepEqual((JSON.parse(readFileSync(file, 'utf8')) as PluginConfig).env, env, 'write it anew: UPDATE_GOLDEN=1')
})

test('Node runs it with the same flags as the service, in the image and in the plugin', () => {
  const command = ['/bin/node', ...NODE_FLAGS, '/app/src/plugin.js']
  assert.deepEqual(config.entrypoint, command)
  const inImage = /^ENTRYPOINT (.*)$/m.exec(readFileSync(join(repository, 'Dockerfile'), 'utf8'))?.[1]
  assert.deepEqual(JSON.parse(inImage ?? ''), command)
})

test('socket, state and the folder of the host are where the daemon looks for them', () => {
  assert.equal(config.interface.socket, basename(knobs.socket.default))
  assert.equal(config.propagatedMount, knobs.state.default)
  for (const path of ['/run', '/proc/sys/net']) {
    const destination = `${fixedSettings.SLASH64_HOST}${path}`
    assert.ok(
      config.mounts.some(mount => mount.destination === destination),
      destination,
    )
  }
  assert.deepEqual(Object.keys(fixedSettings), [knobs.host.env])
})

test('it is both kinds of driver, and asks for no more than it needs', () => {
  assert.deepEqual(config.interface.types, ['docker.networkdriver/1.0', 'docker.ipamdriver/1.0'])
  assert.deepEqual(config.linux.capabilities, ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'])
  assert.equal(config.mounts.length, 2)
})
