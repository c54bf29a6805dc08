// What is refused, as a user meets it at the CLI: one sentence that says what to write instead, nothing left behind, and the next one works.
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import type { Output } from '../lab/process.ts'
import { cleanUp } from '../support/clean.ts'
import { inspect } from '../support/container.ts'
import { createNetwork, IDLE, idle, OURS, Stage } from '../support/stage.ts'

const stage = await Stage.up({ name: 'refusals' })
const { host } = stage
after(() => stage[Symbol.asyncDispose]())
afterEach(() => cleanUp(host))

const NAMED = ['-o', 'group=web']
const WRITE_FAMILIES = /--ipv4=false --ipv6/
const WITHOUT_IPAM = ['-d', 'slash64', '--ipv4=false', '--ipv6']

interface Refusal {
  readonly what: string
  readonly args: readonly string[]
  /** Essential words of the sentence. */
  readonly says: RegExp
}

const creations: readonly Refusal[] = [
  {
    what: 'IPv4 left on',
    args: ['-d', 'slash64', '--ipam-driver', 'slash64', '--ipv6', ...NAMED],
    says: WRITE_FAMILIES,
  },
  { what: 'IPv4 left on and no IPv6', args: ['-d', 'slash64', '--ipam-driver', 'slash64'], says: WRITE_FAMILIES },
  { what: 'no --ipam-driver', args: [...WITHOUT_IPAM, ...NAMED], says: /--ipam-driver slash64/ },
  { what: 'no --ipam-driver and no group', args: WITHOUT_IPAM, says: /--ipam-driver slash64/ },
  { what: 'a bridge with our IPAM', args: ['--ipam-driver', 'slash64', '--ipv4=false', '--ipv6'], says: /-d slash64/ },
  { what: 'a bridge with our IPAM and IPv4', args: ['--ipam-driver', 'slash64'], says: WRITE_FAMILIES },
  { what: 'an unknown option', args: [...OURS, '-o', 'colour=blue'], says: /no option "colour" \(known: group, allow/ },
  { what: 'a typo', args: [...OURS, '-o', 'grup=web'], says: /"grup" \(did you mean "group"\?\)/ },
  {
    what: 'a typo of an IPAM option',
    args: [...OURS, '--ipam-opt', 'gruop=web'],
    says: /no option "gruop" \(known: group\)/,
  },
  ...['icc=closed', 'egress=closed'].map(option => ({
    what: `-o ${option}`,
    args: [...OURS, ...NAMED, '-o', option],
    says: new RegExp(`"${option.replace(/=.*/, '')}" is not supported yet.*leave it out`),
  })),
  {
    what: '--internal and allow',
    args: [...OURS, ...NAMED, '--internal', '-o', 'allow=db'],
    says: /--internal closes .* allow="db" cannot open it; leave one of them out/,
  },
  { what: 'another birth', args: [...OURS, ...NAMED, '-o', 'birth=none'], says: /birth="none".*"sandbox" or "engine"/ },
  {
    what: '--gateway',
    args: [...OURS, '--subnet', '2001:db8:100:a:0:2f99:d04f:0/112', '--gateway', '2001:db8:100:a:0:2f99:d04f:1'],
    says: /--gateway "2001:db8:100:a:0:2f99:d04f:1".*leave it out/,
  },
  {
    what: '--ip-range',
    args: [...OURS, '--subnet', '2001:db8:100:a:0:2f99:d04f:0/112', '--ip-range', '2001:db8:100:a:0:2f99:d04f:0/120'],
    says: /--ip-range "2001:db8:100:a:0:2f99:d04f:0\/120".*leave it out/,
  },
  {
    what: '--aux-address',
    args: [...OURS, '--subnet', '2001:db8:100:a:0:2f99:d04f:0/112', '--aux-address', 'x=2001:db8:100:a:0:2f99:d04f:9'],
    says: /--aux-address "2001:db8:100:a:0:2f99:d04f:9\/128".*leave it out/,
  },
  {
    what: 'a foreign --subnet',
    args: [...OURS, '--subnet', '2001:db8:bad:1:0:2f99:d04f:0/112'],
    says: /outside this host's prefix/,
  },
  {
    what: 'a --subnet of /64',
    args: [...OURS, '--subnet', '2001:db8:100:a::/64'],
    says: /group 0 is the host|a pool is a \/112/,
  },
  { what: 'a --subnet of group 0', args: [...OURS, '--subnet', '2001:db8:100:a::/112'], says: /group 0 is the host/ },
  {
    what: 'two subnets',
    args: [...OURS, '--subnet', '2001:db8:100:a:0:1:1:0/112', '--subnet', '2001:db8:100:a:0:1:2:0/112'],
    says: /one pool|one --subnet/,
  },
  {
    what: 'a bad list',
    args: [...OURS, '-o', 'allow=web:http'],
    says: /allow="web:http", column 5: found "http"; write a port/,
  },
  { what: 'an empty list', args: [...OURS, '-o', 'allow='], says: /leave no entry empty/ },
  {
    what: 'a list with a later peer',
    args: [...OURS, '-o', 'allow=world:80'],
    says: /the peer "world" is not supported yet/,
  },
  { what: 'a bad group name', args: [...OURS, '-o', 'group=not a name'], says: /"not a name" is no name of a group/ },
  { what: 'an empty group name', args: [...OURS, '-o', 'group='], says: /it is empty/ },
  ...['fleet', 'world', 'host'].map(name => ({
    what: `group=${name}`,
    args: [...OURS, '-o', `group=${name}`],
    says: new RegExp(`"${name}" is no name of a group.*write another name, such as "my-${name}"`),
  })),
  { what: 'a bad MTU', args: [...OURS, '-o', 'com.docker.network.driver.mtu=900'], says: /mtu="900".*1280 to 65535/ },
]

/** One sentence, ours or the engine's own, said once. */
function assertSentence({ code, stderr }: Output, says: RegExp): void {
  assert.notEqual(code, 0)
  assert.match(stderr, says)
  assert.ok(stderr.split('slash64: ').length <= 2, `said once: ${stderr}`)
}

for (const { what, args, says } of creations) {
  test(`network create: ${what}`, async () => {
    const refused = await host.tryDocker('network', 'create', ...args, 'refused')
    const began = performance.now()
    await createNetwork(host, 'next', '-o', 'group=next')
    assert.ok(performance.now() - began < 2000, 'a failed creation does not block the next one')
    assertSentence(refused, says)
    assert.equal(await host.docker('network', 'ls', '-q', '--filter', 'name=refused'), '')
  })
}

const runs: readonly Refusal[] = [
  {
    what: '--ip6 outside the pool',
    args: ['--network', 'numbered', '--ip6', '2001:db8:100:a::77'],
    says: /2001:db8:100:a::77/,
  },
  {
    what: '--ip6 taken',
    args: ['--network', 'numbered', '--ip6', '2001:db8:100:a:0:2f99:d04f:1'],
    says: /in use|taken/,
  },
  {
    what: '-p at an address',
    args: ['--network', 'numbered', '-p', '192.0.2.1:80:80'],
    says: /"192\.0\.2\.1".*write -p 80:80/,
  },
  { what: 'a protocol without ports', args: ['--network', 'numbered', '-p', '80:80/icmp'], says: /./ },
  {
    what: 'IPv6 switched off in the container',
    args: ['--network', 'numbered', '--sysctl', 'net.ipv6.conf.all.disable_ipv6=1'],
    says: /IPv6 is switched off in it; start it without/,
  },
  {
    what: 'a list of the endpoint',
    args: ['--network', 'name=numbered,driver-opt=allow=web'],
    says: /"allow" is not supported yet/,
  },
  {
    what: 'an unknown endpoint option',
    args: ['--network', 'name=numbered,driver-opt=colour=blue'],
    says: /no option "colour"/,
  },
  {
    what: 'sysctls of the endpoint',
    args: [
      '--network',
      'name=numbered,driver-opt=com.docker.network.endpoint.sysctls=net.ipv6.conf.IFNAME.no_such_thing=9',
    ],
    says: /no_such_thing.*no such setting/,
  },
  {
    what: 'two networks of one group',
    args: ['--network', 'numbered', '--network', 'second'],
    says: /in group ".*" already.*one network of a group only/,
  },
]

for (const { what, args, says } of runs) {
  test(`docker run: ${what}`, async () => {
    await createNetwork(host, 'numbered', '--subnet', '2001:db8:100:a:0:2f99:d04f:0/112')
    await createNetwork(host, 'second', '-o', 'group=web')
    await idle(host, 'first', 'numbered', '--ip6', '2001:db8:100:a:0:2f99:d04f:1')
    const refused = await host.tryDocker('run', '-d', '--name', 'refused', ...args, ...IDLE)
    assertSentence(refused, says)
    const began = performance.now()
    await idle(host, 'next', 'numbered')
    assert.ok(performance.now() - began < 3000)
    assert.equal(await inspect(host, 'next', '{{.State.Running}}'), 'true')
  })
}

test('--ip6 without --subnet is refused on engines before 29.0.4, and kept to on later ones', async () => {
  await createNetwork(host, 'web', ...NAMED)
  const [major = 0, minor = 0, patch = 0] = (await host.docker('version', '--format', '{{.Server.Version}}'))
    .split(/[.+-]/)
    .map(Number)
  const { code, stderr } = await host.tryDocker(
    'run',
    '-d',
    '--network',
    'web',
    '--ip6',
    '2001:db8:100:a:0:2f99:d04f:7',
    ...IDLE,
  )
  if (major > 29 || (major === 29 && (minor > 0 || patch >= 4))) assert.equal(code, 0, stderr)
  else assert.match(stderr, /user configured subnet/i)
})

test('a network in use is not removed, and goes on', async () => {
  await createNetwork(host, 'web', ...NAMED)
  await idle(host, 'front', 'web')
  const { code, stderr } = await host.tryDocker('network', 'rm', 'web')
  assert.equal(code, 1)
  assert.match(stderr, /active endpoints/)
  await idle(host, 'next', 'web')
})
