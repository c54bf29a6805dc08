import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { namedGroup } from '../../../src/address/group.ts'
import { groupPool, parsePool } from '../../../src/address/plan.ts'
import { parseHostPrefix } from '../../../src/address/prefix.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import { formatAllow } from '../../../src/policy/allow.ts'
import type { Command } from '../../../src/state/command.ts'
import {
  COLLIDING,
  check,
  createNetwork,
  deleteNetwork,
  networkId,
  optionsOf,
  PREFIX,
  poolOf,
  requestAddress,
  requestPool,
  World,
} from '../../support/commands.ts'

const WEB = poolOf('web')
const DB = poolOf('db')

const IFACE = 'com.docker.network.container_iface_prefix'

describe('GwAllocCheck', () => {
  it('opens a creation with the options', () => {
    const world = new World()
    world.run(check({ group: 'web', allow: 'db:5432', 'com.docker.network.driver.mtu': '1400' }))
    assert.equal(world.state.creation?.groupName, 'web')
    assert.equal(formatAllow(world.state.creation?.allow ?? []), 'db:5432/tcp')
    assert.equal(world.state.creation?.mtu, 1400)
    assert.equal(world.state.creation?.pool, undefined)
  })

  it('takes no notice of the options that the engine reads itself', () => {
    const world = new World()
    world.run(
      check({
        'com.docker.network.advertise_addr_nmsgs': '0',
        'com.docker.network.advertise_addr_ms': '1000',
        'com.docker.network.enable_ipv4': 'false',
        'com.docker.network.enable_ipv6': 'true',
      }),
    )
    assert.deepEqual(world.state.creation, {})
  })

  const refusals: readonly [string, Command, ErrorCode, ...string[]][] = [
    ['an engine before 28', { type: 'checkGatewayAllocation', options: old() }, 'ENGINE_OLD', 'install', '28'],
    ['IPv4', check({}, { ipv4: true }), 'IPV4_ON', '--ipv4=false --ipv6', 'enable_ipv4: false'],
    ['no IPv6', check({}, { ipv6: false }), 'IPV4_ON', '--ipv4=false --ipv6'],
    [
      '--internal with allow',
      check({ allow: 'web' }, { internal: true }),
      ...(['OPTION_INTERNAL_ALLOW', 'allow="web"', 'leave one of them out'] as const),
    ],
    ['a typing error', check({ grup: 'web' }), 'OPTION_UNKNOWN', '"grup"', 'did you mean "group"?'],
    ['an unknown option', check({ bandwidth: '1' }), 'OPTION_UNKNOWN', '"bandwidth"', 'known: group, allow'],
    ['a name of Object.prototype', check({ constructor: '1' }), 'OPTION_UNKNOWN', '"constructor"', 'known: group'],
    ['an empty option name', check({ '': '1' }), 'OPTION_UNKNOWN', '""', 'known: group'],
    ['icc', check({ icc: 'closed' }), 'OPTION_LATER', '"icc"', 'leave it out'],
    ['egress', check({ egress: 'closed' }), 'OPTION_LATER', '"egress"', 'leave it out'],
    ['another birth', check({ birth: 'none' }), 'OPTION_BIRTH', '"none"', 'write "sandbox" or "engine"'],
    ['a link called lo', check({ [IFACE]: 'lo' }), 'OPTION_LINK_PREFIX', '"lo"', 'write at most 11'],
    ['a link called like ours', check({ [IFACE]: 's64x' }), 'OPTION_LINK_PREFIX', '"s64x"', 'write at most 11'],
    ['a long link name', check({ [IFACE]: 'a'.repeat(12) }), 'OPTION_LINK_PREFIX', 'aaa', 'write at most 11'],
    ['a small MTU', mtu('1279'), 'OPTION_MTU', '"1279"', 'write 1280 to 65535'],
    ['a large MTU', mtu('65536'), 'OPTION_MTU', '"65536"', 'write 1280 to 65535'],
    ['an MTU in another notation', mtu('0x5dc'), 'OPTION_MTU', '"0x5dc"', 'write 1280 to 65535'],
    ['an empty MTU', mtu(''), 'OPTION_MTU', '""', 'write 1280 to 65535'],
    ['an upper-case group', check({ group: 'Web' }), 'GROUP_NAME_INVALID', '"Web"', 'write lower case: "web"'],
    ['a reserved group', check({ group: 'world' }), 'GROUP_NAME_INVALID', '"world"', 'write another name'],
    ['an empty group', check({ group: '' }), 'GROUP_NAME_INVALID', '""', 'write a letter or digit'],
    ['a bad list', check({ allow: 'web:99999' }), 'ALLOW_INVALID', '"web:99999"', 'column 5', 'write a port'],
    ['an empty list', check({ allow: '' }), 'ALLOW_INVALID', '""', 'write a peer'],
    ['the fleet', check({ allow: 'fleet' }), 'ALLOW_LATER', '"fleet"', 'write the groups'],
    [
      'a group with the bits of a group that it lets in',
      check({ group: COLLIDING[0], allow: COLLIDING[1] }),
      'GROUP_COLLISION',
      ...COLLIDING,
      'write another name',
    ],
  ]
  for (const [what, command, code, ...words] of refusals) {
    it(`refuses ${what}`, () => {
      const world = new World()
      world.fails(command, code, ...words)
      assert.equal(world.state.creation, undefined)
    })
  }

  it('refuses a name with the bits of another that is known, as a group or in a list', () => {
    const [one, other] = COLLIDING
    const world = new World()
    world.network(1, one)
    world.fails(check({ group: other }), 'GROUP_COLLISION', `"${other}"`, `"${one}"`, 'write another name')
    world.fails(check({ allow: other }), 'GROUP_COLLISION', `"${other}"`, `"${one}"`)
    const listed = new World()
    listed.network(1, 'web', { allow: one })
    listed.fails(check({ group: other }), 'GROUP_COLLISION', `"${other}"`, `"${one}"`)
    listed.run(deleteNetwork(1))
    listed.run(check({ group: other }))
  })

  it('refuses another list for a group than it has, and takes the same in other words, or none', () => {
    const world = new World()
    world.network(1, 'db', { allow: 'web:80,api' })
    world.fails(check({ group: 'db', allow: 'web:81' }), 'GROUP_OPTIONS', '"db"', '"api,web:80/tcp"', '"web:81/tcp"')
    world.run(check({ group: 'db', allow: 'api, web:80/tcp , web:80' }))
    world.run(check({ group: 'db' }))
  })

  function old() {
    return { driver: {}, ipv6: true, internal: false }
  }
  function mtu(value: string) {
    return check({ 'com.docker.network.driver.mtu': value })
  }
})

describe('RequestPool', () => {
  it('grants the pool of the group that GwAllocCheck named', () => {
    const world = new World()
    world.run(check({ group: 'web' }))
    assert.deepEqual(world.run(requestPool()), { id: WEB, pool: WEB })
    assert.equal(world.state.creation?.pool, WEB)
    assert.deepEqual(world.store.load().pools, [
      { id: WEB, prefix: PREFIX.text, group: namedGroup('web').bits, reserved: 0 },
    ])
  })

  it('takes the group from --ipam-opt as well, and both when they agree', () => {
    for (const driver of [{}, { group: 'web' }]) {
      const world = new World()
      world.run(check(driver))
      assert.equal(world.run(requestPool({ options: { group: 'web' } })).id, WEB)
      world.run(createNetwork(1, WEB, { options: optionsOf(driver) }))
      assert.equal(world.state.networks.get(networkId(1))?.groupName, 'web')
    }
  })

  it('takes the group from --subnet, under a name or none', () => {
    for (const driver of [{}, { group: 'web' }]) {
      const world = new World()
      world.run(check(driver))
      assert.equal(world.run(requestPool({ pool: WEB })).id, WEB)
    }
  })

  it('answers the canonical text of a pool that was asked for in another spelling', () => {
    const world = new World()
    world.run(check())
    const spelling = WEB.replace('2001:db8:', '2001:0DB8:')
    assert.deepEqual(world.run(requestPool({ pool: spelling })), { id: WEB, pool: WEB })
  })

  it('takes a random group of this host where none was named, and the next one where that is taken', () => {
    const world = new World({ random: 0x7fffffff })
    world.run(check())
    const first = world.run(requestPool()).id
    assert.equal(parsePool(first, PREFIX), 0xffffffff)
    world.run(createNetwork(1, first))
    world.run(check())
    const second = world.run(requestPool()).id
    assert.equal(parsePool(second, PREFIX), 0x80000000, 'the 31 bits start again at 0')
  })

  it('grants one pool to all networks of a group, and keeps its numbers', () => {
    const world = new World()
    const pool = world.network(1, 'web')
    world.endpoint(1, 1, pool)
    assert.equal(world.network(2, 'web'), pool)
    assert.equal(world.run(requestAddress(pool)).address, `${pool.replace(':0/112', ':2/128')}`)
  })

  it('puts new networks into the present prefix, also of a group that has networks in an older one', () => {
    const world = new World()
    world.network(1, 'web')
    const prefix = parseHostPrefix('2001:db8:2:b::/64', { allowDocumentation: true })
    world.context = { ...world.context, prefix }
    assert.equal(world.network(2, 'web'), poolOf('web', prefix))
    assert.equal(world.state.networks.get(networkId(1))?.prefix, PREFIX.text)
    assert.equal(world.state.networks.get(networkId(2))?.prefix, prefix.text)
    assert.equal(world.state.groups.get(namedGroup('web').bits)?.networks.size, 2)
  })

  const outside = '2001:db8:1:b:0:5c1f:8e02:0/112'
  const refusals: readonly [string, Partial<Parameters<typeof requestPool>[0]>, ErrorCode, ...string[]][] = [
    ['IPv4', { ipv6: false }, 'IPV4_ON', '--ipv4=false'],
    ['--ip-range', { subPool: `${WEB}` }, 'IP_RANGE', `"${WEB}"`, 'leave it out', '--ip6'],
    ['two names', { options: { group: 'db' } }, 'GROUP_TWICE', '"web"', '"db"', 'write one of them'],
    ['another option', { options: { grop: 'db' } }, 'OPTION_UNKNOWN', '"grop"', 'did you mean "group"?'],
    ['a bad name', { options: { group: 'A' } }, 'GROUP_NAME_INVALID', '"A"', 'write lower case'],
    ['the pool of another group', { pool: DB }, 'POOL_GROUP', `"${DB}"`, '"web"', `--subnet ${WEB}`],
    ['the host', { pool: '2001:db8:1:a::/112' }, 'POOL_INVALID', 'group 0 is the host', 'write a /112'],
    ['a /64', { pool: '2001:db8:1:a:0:5::/96' }, 'POOL_INVALID', 'a pool is a /112', 'write "'],
    ['a pool of another host', { pool: outside }, 'POOL_INVALID', `"${outside}"`, 'write "2001:db8:1:a:'],
    ['no prefix', { pool: 'web' }, 'PREFIX_INVALID', '"web"', 'write an address'],
  ]
  for (const [what, parts, code, ...words] of refusals) {
    it(`refuses ${what}`, () => {
      const world = new World()
      world.run(check({ group: 'web' }))
      world.fails(requestPool(parts), code, ...words)
    })
  }

  it('refuses a request without a creation: another driver is using our IPAM', () => {
    new World().fails(requestPool(), 'POOL_FOREIGN', '-d slash64 --ipam-driver slash64')
  })

  it('refuses to choose a second time: the engine asks for ever when it does not take what it got', () => {
    const world = new World()
    world.run(check({ group: 'web' }))
    world.run(requestPool())
    world.fails(requestPool(), 'POOL_NAMESERVER', WEB, 'choose another group')
  })

  it('refuses an --ipam-opt name with the bits of a name that the creation lets in', () => {
    const [one, other] = COLLIDING
    const world = new World()
    world.run(check({ allow: one }))
    world.fails(requestPool({ options: { group: other } }), 'GROUP_COLLISION', `"${one}"`, `"${other}"`)
  })

  it('refuses another list for a group that --ipam-opt or --subnet selects', () => {
    const world = new World()
    world.network(1, 'web', { allow: 'api' })
    world.run(check({ allow: 'db' }))
    world.fails(requestPool({ options: { group: 'web' } }), 'GROUP_OPTIONS', '"web"', '"api"', '"db"')
    world.fails(requestPool({ pool: WEB }), 'GROUP_OPTIONS', '"web"', '"api"', '"db"')
  })
})

it('knows a pool by the same id whoever asks', () => {
  assert.equal(groupPool(PREFIX, namedGroup('web').bits), WEB)
})
