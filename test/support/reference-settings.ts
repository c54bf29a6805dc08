// The generated parts of docs/settings.md, from the table that the daemon itself reads its environment with.
import assert from 'node:assert/strict'
import { parseHostPrefix } from '../../src/address/prefix.ts'
import { type Knob, knobs } from '../../src/config.ts'
import { type Parts, sentenceOf, table } from './reference.ts'

/** A value of each setting that people would write, by the setting's name in Config. */
const EXAMPLES: Readonly<Record<string, string>> = {
  prefix: '2001:db8:100:a::/64',
  allowDocPrefix: '1',
  fleet: '2001:db8:100:a::/64,2001:db8:100:b::/64',
  uplinks: 'eth0,wg0',
  state: '/srv/slash64',
  socket: '/run/docker/plugins/slash64.sock',
  dockerSocket: 'off',
  birth: 'engine',
  logLevel: 'debug',
  flowsFrom: '4096',
  flowsTo: '100000',
  host: '/host',
  control: '/run/slash64/control.sock',
}

/** What no setting takes. */
const NONSENSE = '../no:such thing'

/** Prefixes that no host can have. */
const PREFIXES = [
  '2001:db8:100:a::/64',
  '2001:db8:100:a::1/64',
  'fd00:1::/40',
  'fd00:1::/96',
  'fe80::/64',
  '10.0.0.0/8',
]

/** Every part of the page. Throws an AssertionError for a setting without an example, and when an example is refused. */
export function settingParts(): Parts {
  const rows = Object.entries(knobs).map(([name, knob]) => row(knob, EXAMPLES[name]))
  return {
    settings: table(['setting', 'default', 'example', 'meaning'], rows),
    'refused settings': table(['written', 'answer'], [...refusals(), ...refusedPrefixes()]),
  }
}

function row(knob: Knob<unknown>, example: string | undefined): string[] {
  assert.ok(example !== undefined, `write an example of ${knob.env}`)
  knob.parse(example)
  return [`\`${knob.env}\``, knob.default === '' ? '' : `\`${knob.default}\``, `\`${example}\``, knob.description]
}

function refusals(): string[][] {
  const others = Object.values(knobs).filter(({ env }) => env !== knobs.prefix.env)
  return others.map(({ env, parse }) => [`\`${env}="${NONSENSE}"\``, sentenceOf(() => parse(NONSENSE))])
}

/** The prefix is read at the start, together with the state. */
function refusedPrefixes(): string[][] {
  const parse = (text: string) => sentenceOf(() => parseHostPrefix(text, { allowDocumentation: false }))
  return PREFIXES.map(text => [`\`${knobs.prefix.env}=${text}\``, parse(text)])
}
