// The generated parts of docs/options.md, from the tables that the parser uses and from what it answers.
import { formatAllow, parseAllow } from '../../src/policy/allow.ts'
import { formatPort, parsePublished } from '../../src/policy/published.ts'
import type { Command } from '../../src/state/command.ts'
import {
  endpointOptions,
  ipamOptions,
  networkOptions,
  type Option,
  type OptionTable,
  parseEndpointOptions,
  parseNetworkOptions,
} from '../../src/state/options.ts'
import { check, createNetwork, optionsOf, poolOf, published, requestAddress, requestPool, World } from './commands.ts'
import { type Parts, sentenceOf, table } from './reference.ts'

/** Every part of the page. Throws when an example is refused. */
export function optionParts(): Parts {
  return {
    'network options': sections(networkOptions, example => `-o ${example}`),
    'lists of allow': allowTable(),
    'ipam options': sections(ipamOptions, example => `--ipam-opt ${example}`),
    'endpoint options': sections(endpointOptions, example => `--network name=NETWORK,driver-opt=${example}`),
    'published ports': publishedTable(),
    'refused options': refusedTable(),
    'options of the engine': table(
      ['option', 'what the engine does with it'],
      networkOptions.engine.map(({ name, description }) => [`\`${name}\``, description]),
    ),
  }
}

function sections({ options }: OptionTable<unknown>, write: (example: string) => string): string {
  return options.map(option => section(option, write(`${option.name}=${option.example}`))).join('\n\n')
}

function section(option: Option<unknown>, written: string): string {
  option.parse(option.example)
  const lines = [
    `#### \`${option.name}\``,
    option.description,
    `- Value: ${option.values}\n- Default: ${option.default}\n- Example: \`${written}\``,
  ]
  return lines.join('\n\n')
}

const LISTS = [
  'web',
  'web:5432',
  'web:53/udp, api:53/udp',
  'web:8000-8009,web:8005-8010',
  'web:80,web',
  'web:http',
  'web:80/icmp',
  '5432',
  'Web',
  'world:443',
  '[2001:db8::/32]:443',
]

function allowTable(): string {
  const rows = LISTS.map(list => {
    try {
      return [`\`allow=${list}\``, `means \`${formatAllow(parseAllow(list))}\``]
    } catch (error) {
      return [`\`allow=${list}\``, `refused: ${(error as Error).message.replace(/^slash64: /, '')}`]
    }
  })
  return table(['written', 'what it is'], rows)
}

const PUBLISHED = {
  '-p 443:443': published(443),
  '-p 443': published(443, { hostPort: 0, hostPortEnd: 0 }),
  '-p 53:53/udp': published(53, { protocol: 17 }),
  '-p 8080:80': published(80, { hostPort: 8080, hostPortEnd: 8080 }),
  '-p "[::]:443:443"': published(443, { hostIp: '::' }),
  '-p 127.0.0.1:5432:5432': published(5432, { hostIp: '127.0.0.1' }),
  '-p 192.0.2.1:80:80': published(80, { hostIp: '192.0.2.1' }),
} as const

function publishedTable(): string {
  const rows = Object.entries(PUBLISHED).map(([written, mapping]) => {
    try {
      const { published, notes } = parsePublished([mapping])
      const opens = published.map(port => `\`${formatPort(port)}\``).join(', ') || 'nothing'
      return [`\`${written}\``, opens, notes.join('; ')]
    } catch (error) {
      return [`\`${written}\``, 'the start fails', (error as Error).message.replace(/^slash64: /, '')]
    }
  })
  return table(['written', 'opens', 'and says'], rows)
}

/** What is written, and what is answered to it. */
function refusedTable(): string {
  const rows = [
    ...refusedIn(networkOptions, '-o ', parseNetworkOptions),
    ...refusedIn(endpointOptions, 'driver-opt=', parseEndpointOptions),
    ...BRIDGE_OPTIONS.map(([name, value]) => [
      `-o ${name}=${value}`,
      sentenceOf(() => parseNetworkOptions({ [name]: value })),
    ]),
    ...Object.entries(FLAGS).map(([written, commands]) => [written, sentenceOf(() => new World().runAll(...commands))]),
  ]
  return table(
    ['written', 'answer'],
    rows.map(([written = '', answer = '']) => [`\`${written}\``, answer]),
  )
}

type Parser = (given: Readonly<Record<string, string>>) => unknown

function refusedIn({ refused }: OptionTable<unknown>, before: string, parse: Parser): string[][] {
  return refused.map(({ name, example }) => [
    `${before}${name}=${example}`,
    sentenceOf(() => parse({ [name]: example })),
  ])
}

/** Of Docker's own drivers, the ones that people bring along. */
const BRIDGE_OPTIONS = [
  ['com.docker.network.bridge.name', 'br0'],
  ['parent', 'eth0'],
] as const

const WEB = poolOf('web')
const POOL = { pool: WEB, gateway: '', auxiliary: [] }
const open = check({ group: 'web' })
const granted = [open, requestPool()]

/** Flags of the CLI as the requests that the engine makes of them. */
const FLAGS: Readonly<Record<string, readonly Command[]>> = {
  'docker network create -d slash64 without --ipv4=false --ipv6': [check({}, { ipv4: true, ipv6: false })],
  'docker network create -d slash64 without --ipam-driver slash64': [
    open,
    createNetwork(1, 'fd00:1::/64', { options: optionsOf({ group: 'web' }) }),
  ],
  'docker network create --ipam-driver slash64 without -d slash64': [requestPool()],
  '--internal -o allow=web': [check({ allow: 'web' }, { internal: true })],
  '-o group=web --ipam-opt group=db': [open, requestPool({ options: { group: 'db' } })],
  '-o group=web --subnet 2001:db8:1:a:0:1:2:0/112': [open, requestPool({ pool: '2001:db8:1:a:0:1:2:0/112' })],
  '--subnet fd00:1::/64': [check(), requestPool({ pool: 'fd00:1::/64' })],
  '--ip-range 2001:db8:1:a:0:2f99:d04f:0/120': [
    open,
    requestPool({ pool: WEB, subPool: '2001:db8:1:a:0:2f99:d04f:0/120' }),
  ],
  '--gateway fe80::1': [...granted, createNetwork(1, WEB, { ipv6: [{ ...POOL, gateway: 'fe80::1' }] })],
  '--aux-address router=2001:db8:1:a:0:2f99:d04f:9': [
    ...granted,
    createNetwork(1, WEB, { ipv6: [{ ...POOL, auxiliary: ['2001:db8:1:a:0:2f99:d04f:9/128'] }] }),
  ],
  '--ip6 2001:db8:1:a::77': [...granted, createNetwork(1, WEB), requestAddress(WEB, '2001:db8:1:a::77')],
}
