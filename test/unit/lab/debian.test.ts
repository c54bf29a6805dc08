import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acquireSettings, machineSuite, mirrorsOf, privateConfig } from '../../lab/debian.ts'
import { checkEngine, upstreamVersion } from '../../lab/setup.ts'

test('the suite of a Debian machine is its code name', () => {
  assert.equal(machineSuite('ID=debian\nVERSION_CODENAME=trixie\n'), 'trixie')
  assert.equal(
    machineSuite('PRETTY_NAME="Debian GNU/Linux forky/sid"\nVERSION_CODENAME="forky"\nID="debian"\n'),
    'forky',
  )
})

test('other machines are refused by name', () => {
  const ubuntu = 'PRETTY_NAME="Ubuntu 24.04 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n'
  assert.throws(() => machineSuite(ubuntu), /needs Debian 12 \(bookworm\) or later, and this is Ubuntu 24.04 LTS/)
  const old = 'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nID=debian\nVERSION_CODENAME=bullseye\n'
  assert.throws(() => machineSuite(old), /this is Debian GNU\/Linux 11/)
  assert.throws(() => machineSuite(''), /this is unknown/)
})

test('mirrors are read in the order of the sources, security archives and media left out', () => {
  const printed = [
    "'http://one.example/debian/dists/bookworm/InRelease' one.example_debian_dists_bookworm_InRelease 0 ",
    "'http://one.example/debian/dists/bookworm-updates/InRelease' one.example_debian_dists_bookworm-updates_InRelease 0 ",
    "'http://one.example/debian-security/dists/bookworm-security/InRelease' x 0 ",
    "'http://one.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0 ",
    "'cdrom:[Debian]/dists/bookworm/InRelease' x 0 ",
    "'mirror+file:/etc/apt/mirrors/debian.list/dists/bookworm/InRelease' x 0 ",
    "'https://vendor.example/apt/dists/stable/InRelease' x 0 ",
  ]
  assert.deepEqual(mirrorsOf(printed.join('\n')), [
    'http://one.example/debian',
    'mirror+file:/etc/apt/mirrors/debian.list',
    'https://vendor.example/apt',
  ])
  assert.deepEqual(mirrorsOf(''), [])
})

test("the machine's proxy is kept, its extra indexes, languages and hooks are not", () => {
  const dump = [
    'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";',
    'Acquire "";',
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::IndexTargets::deb::DEP-11::MetaKey "x";',
    'Acquire::Languages:: "en";',
    'Dir::State "var/lib/apt";',
  ].join('\n')
  assert.equal(acquireSettings(dump), 'Acquire::http::Proxy "http://proxy.example:3128";')
})

test('the private configuration names no folder of the system for what apt writes', () => {
  const archive = { mirrors: [], settings: 'Acquire::Check-Date "false";', keyring: '/k', architecture: 'amd64' }
  const config = privateConfig(archive, '/scratch')
  assert.match(config, /^Acquire::Check-Date "false";$/m)
  const folders = Array.from(config.matchAll(/^Dir::(?:State|Cache)\S* "(.*)";$/gm), match => match[1])
  assert.deepEqual(folders, ['/scratch', '/scratch/lists', '/scratch/status', '/scratch/cache'])
})

test('an upstream version is without epoch, repacking mark and revision', () => {
  const versions = new Map([
    ['docker.io', '28.5.2+dfsg4-5'],
    ['nftables', '1.1.7-3'],
    ['busybox-static', '1:1.35.0-4+deb12u1+b1'],
    ['next', '30.0.0~rc1-1'],
  ])
  const all = [...versions.keys(), 'absent'].map(name => upstreamVersion(versions, name))
  assert.deepEqual(all, ['28.5.2', '1.1.7', '1.35.0', '30.0.0', ''])
})

test('an engine older than 28, or of an unreadable version, is refused', () => {
  checkEngine('28.0.0')
  checkEngine('29.7.2')
  assert.throws(() => checkEngine('27.5.1'), /Docker Engine "27.5.1", and slash64 needs 28 or later/)
  assert.throws(() => checkEngine(''), /Docker Engine ""/)
})
