// Packets of our links where iptables drops what it forwards, both kinds of it, and what is said of chains that are nobody else's to write to.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { describe, it, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { Nftables, type Ruleset, Transaction } from 'nftables-js'
import { pino } from 'pino'
import { acceptInIptables, adviceFor, closedChains, namesOurLinks } from '../../src/kernel/forward-policy.ts'
import { ForwardPolicyWatch } from '../../src/kernel/forward-policy-watch.ts'
import { changeFilterTable } from '../../src/kernel/ip6tables.ts'
import { withAccepts } from '../../src/kernel/ip6tables-entries.ts'
import { ip6tables, type Kind, restore, save } from '../support/iptables.ts'
import { connect, type Netns, withNetns } from '../support/netns.ts'
import { nftCommands } from '../support/nft.ts'
import { loadText } from './nftables-js/listing.ts'

const kinds: readonly Kind[] = ['nft', 'legacy']
const ACCEPTS = ['-A FORWARD -o s64+ -j ACCEPT', '-A FORWARD -i s64+ -j ACCEPT']

/** One look at one kind; true when something was written. */
function acceptIn(ns: Netns, kind: Kind): boolean {
  return ns.enter(() => {
    if (kind === 'legacy') return changeFilterTable(table => withAccepts(table, 's64')) === 'replaced'
    using nft = Nftables.open()
    return acceptInIptables(nft)
  })
}

function run(ns: Netns, kind: Kind, ...lines: string[]): void {
  for (const words of lines) ip6tables(ns, kind, words)
}

const rules = (ns: Netns, kind: Kind, chain: string): string[] =>
  ip6tables(ns, kind, `-S ${chain}`)
    .split('\n')
    .filter(line => line.startsWith('-A'))

for (const kind of kinds) {
  describe(`ip6tables over ${kind === 'nft' ? 'nf_tables' : 'ip6_tables'}`, () => {
    it('gets both rules at the end of FORWARD when its policy is drop, once', () =>
      withNetns(ns => {
        run(ns, kind, '-A FORWARD -i eth0 -j REJECT')
        assert.equal(acceptIn(ns, kind), false, 'policy accept')
        assert.equal(rules(ns, kind, 'FORWARD').length, 1)
        run(ns, kind, '-P FORWARD DROP')
        assert.deepEqual([acceptIn(ns, kind), acceptIn(ns, kind)], [true, false])
        assert.deepEqual(rules(ns, kind, 'FORWARD').slice(1), ACCEPTS)
      }))

    it('gets back what is missing, wherever the other one stands by now', () =>
      withNetns(ns => {
        run(ns, kind, '-P FORWARD DROP', '-N USER')
        assert.equal(acceptIn(ns, kind), true)
        assert.deepEqual(rules(ns, kind, 'FORWARD'), ACCEPTS)
        run(ns, kind, '-A FORWARD -j USER', '-D FORWARD -i s64+ -j ACCEPT')
        assert.equal(acceptIn(ns, kind), true)
        assert.deepEqual(rules(ns, kind, 'FORWARD'), [ACCEPTS[0], '-A FORWARD -j USER', ACCEPTS[1]])
        run(ns, kind, '-F FORWARD', '-A USER -i s64+ -j ACCEPT')
        assert.equal(acceptIn(ns, kind), true)
        assert.deepEqual(rules(ns, kind, 'FORWARD'), ACCEPTS)
      }))

    it('lets through what our links send and receive, and nothing else', () => forwarding(kind))
  })
}

/** A host that forwards between two links of ours and two others. */
async function forwarding(kind: Kind): Promise<void> {
  const links = ['s64a', 's64b', 'up0', 'up1']
  await withNetns(host =>
    withPeers(links.length, async peers => {
      peers.forEach((peer, index) => {
        const link = links[index] ?? ''
        connect(host, link, peer, 'net0')
        host.ip(`address add 2001:db8:${index}::1/64 dev ${link} nodad`)
        peer.ip(`address add 2001:db8:${index}::2/64 dev net0 nodad`)
        peer.ip(`route add default via 2001:db8:${index}::1`)
      })
      host.exec('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding')
      const pairs = [
        [0, 1],
        [0, 2],
        [2, 0],
        [2, 3],
      ] as const
      const answers = () => pairs.map(([from, to]) => answered(peers[from], to))
      assert.deepEqual(answers(), [true, true, true, true])
      run(host, kind, '-P FORWARD DROP')
      assert.equal(answered(peers[0], 1), false)
      assert.equal(acceptIn(host, kind), true)
      assert.deepEqual(answers(), [true, true, true, false])
    }),
  )
}

function withPeers<T>(count: number, act: (peers: readonly Netns[]) => Promise<T>): Promise<T> {
  return count === 0 ? act([]) : withNetns(peer => withPeers(count - 1, peers => act([...peers, peer])))
}

function answered(peer: Netns | undefined, to: number): boolean {
  try {
    peer?.exec('busybox', 'ping', '-c', '1', '-W', '1', `2001:db8:${to}::2`)
    return true
  } catch {
    return false
  }
}

describe('nf_tables', () => {
  it('holds what iptables itself would have written', async () => {
    const meaning = (write: (ns: Netns) => void) =>
      withNetns(ns => {
        run(ns, 'nft', '-P FORWARD DROP')
        write(ns)
        using nft = ns.enter(() => Nftables.open())
        return nft.describe({ family: 'ip6', name: 'filter' })
      })
    const theirs = await meaning(ns => run(ns, 'nft', '-A FORWARD -o s64+ -j ACCEPT', '-A FORWARD -i s64+ -j ACCEPT'))
    assert.deepEqual(await meaning(ns => acceptIn(ns, 'nft')), theirs)
  })
})

describe('ip6_tables', () => {
  it('is not asked for a table that nobody has made', () =>
    withNetns(ns => {
      const names = () => ns.enter(() => readFileSync('/proc/net/ip6_tables_names', 'utf8'))
      assert.equal(
        ns.enter(() => changeFilterTable(() => assert.fail('no table'))),
        'absent',
      )
      assert.equal(names(), '')
      run(ns, 'legacy', '-P FORWARD DROP')
      assert.equal(names(), 'filter\n')
    }))

  it('is left alone while somebody holds the lock of iptables', () =>
    withNetns(async ns => {
      run(ns, 'legacy', '-P FORWARD DROP')
      const holder = spawn('flock', ['/run/xtables.lock', 'sh', '-c', 'echo held; read end'])
      await once(holder.stdout, 'data')
      const look = () => ns.enter(() => changeFilterTable(table => withAccepts(table, 's64')))
      assert.equal(look(), 'busy')
      holder.stdin.end('\n')
      await once(holder, 'exit')
      assert.equal(look(), 'replaced')
    }))

  it('keeps all counters, and holds what iptables itself would have written', () =>
    withNetns(ns => {
      fc.assert(
        fc.property(tables, lines => {
          restore(ns, 'legacy', lines)
          const missing = ACCEPTS.filter(accept => !lines.some(line => line.endsWith(`] ${accept}`)))
          assert.equal(acceptIn(ns, 'legacy'), missing.length > 0)
          const ours = save(ns, 'legacy')
          restore(ns, 'legacy', [...lines, ...missing.map(accept => `[0:0] ${accept}`)])
          assert.deepEqual(ours, save(ns, 'legacy'))
        }),
        { numRuns: 25 },
      )
    }))
})

const USER = ['AAA', 'DOCKER-USER', 'ZZZ']
const rule = fc
  .record({
    counts: fc.tuple(fc.nat(1e6), fc.nat(1e9)),
    chain: fc.integer({ min: 0, max: 4 }),
    match: fc.constantFrom(
      '',
      '-s 2001:db8::/32 ',
      '-p tcp -m tcp --dport 80 ',
      '-m comment --comment "a b" ',
      '-i s64+ ',
    ),
    target: fc.constantFrom('-j ACCEPT', '-j DROP', '-j RETURN', '-j LOG', '-j REJECT', 'jump', 'goto'),
    to: fc.integer({ min: 0, max: 2 }),
  })
  .map(({ counts: [packets, bytes], chain, match, target, to }) => {
    const from = ['FORWARD', 'INPUT', ...USER][chain]
    // Only towards later chains: the kernel refuses loops.
    const next = chain < 2 ? USER[to] : USER[chain - 1]
    const end = target === 'jump' || target === 'goto' ? (next ? `-${target[0]} ${next}` : '-j DROP') : target
    return `[${packets}:${bytes}] -A ${from} ${match}${end}`
  })
const POLICIES = [':INPUT ACCEPT [1:2]', ':FORWARD DROP [3:4]', ':OUTPUT ACCEPT [5:6]']
const tables = fc
  .array(rule, { maxLength: 15 })
  .map(added => [...POLICIES, ...USER.map(name => `:${name} - [0:0]`), ...added])

const FIREWALLD = `table inet firewalld {
  chain forward_policies { }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    jump forward_policies
    reject with icmpx admin-prohibited
  }
}
`
const OWN = 'table inet filter { chain forward { type filter hook forward priority 0; policy drop; }; }\n'
const OPEN = 'table inet open { chain forward { type filter hook forward priority 0; tcp dport 22 drop; }; }\n'
const DORMANT =
  'table ip6 later { flags dormant; chain forward { type filter hook forward priority 0; policy drop; }; }\n'
const IPV4 = 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }\n'

test('chains of others that drop or reject what they do not know are named, with what to type', () =>
  withNetns(ns => {
    const [command] = nftCommands()
    assert.ok(command)
    for (const text of [FIREWALLD, OWN, OPEN, DORMANT, IPV4]) loadText(ns, command, text)
    run(ns, 'nft', '-P FORWARD DROP')
    using nft = ns.enter(() => Nftables.open())
    const [firewalld, own, ...more] = closedChains(nft).map(adviceFor)
    assert.match(firewalld ?? '', /inet firewalld filter_FORWARD drops.*links s64\+ a zone with target ACCEPT/)
    assert.match(
      own ?? '',
      /inet filter forward drops.*: nft insert rule inet filter forward iifname '"s64\*"' accept; nft/,
    )
    assert.deepEqual(more, [])
    ns.exec(
      'sh',
      '-c',
      own?.split('write: ')[1]?.split('; and put')[0]?.replaceAll('nft ', `${command.argv[0]} `) ?? '',
    )
    assert.equal(nft.listRules({ family: 'inet', name: 'filter' }).length, 2, 'what it says can be typed')
  }))

for (const policy of ['ACCEPT', 'DROP']) {
  test(`iptables rules that let nothing past them are left alone and named, policy ${policy}`, () =>
    withNetns(ns => {
      run(ns, 'nft', '-A FORWARD -i eth0 -j DROP', '-A FORWARD -j REJECT', '-A FORWARD -i s64+ -j ACCEPT')
      run(ns, 'nft', `-P FORWARD ${policy}`)
      assert.equal(acceptIn(ns, 'nft'), false)
      using nft = ns.enter(() => Nftables.open())
      const [found, ...more] = closedChains(nft)
      assert.ok(found)
      assert.deepEqual(more, [])
      assert.equal(namesOurLinks(nft, found), false, 'nothing behind it counts')
      const advice = adviceFor(found)
      assert.match(
        advice,
        /write: ip6tables -I FORWARD 2 -i s64\+ -j ACCEPT; ip6tables -I FORWARD 2 -o s64\+ -j ACCEPT$/,
      )
      for (const line of advice.split('write: ')[1]?.split('; ') ?? []) run(ns, 'nft', line.replace('ip6tables ', ''))
      assert.deepEqual(rules(ns, 'nft', 'FORWARD').slice(1, 3), ACCEPTS)
      assert.equal(namesOurLinks(nft, found), true)
    }))
}

describe('the watch', () => {
  const said: string[] = []
  const log = pino({ level: 'info' }, { write: line => said.push(JSON.parse(line).msg) })
  const spoken = (pattern: RegExp) => said.filter(line => pattern.test(line)).length

  it('writes the rules again within a second when others took them away, and names a closed chain once', () =>
    withNetns(async ns => {
      const [command] = nftCommands()
      assert.ok(command)
      using watch = ns.enter(() => new ForwardPolicyWatch(log))
      watch.start()
      assert.deepEqual(said, [])
      run(ns, 'nft', '-P FORWARD DROP')
      await within(1000, () => assert.deepEqual(rules(ns, 'nft', 'FORWARD'), ACCEPTS))
      run(ns, 'nft', '-F FORWARD')
      await within(1000, () => assert.deepEqual(rules(ns, 'nft', 'FORWARD'), ACCEPTS))
      loadText(ns, command, FIREWALLD)
      await within(1000, () => assert.equal(spoken(/firewalld/), 1))
      loadText(ns, command, `delete table inet firewalld\n${FIREWALLD}`)
      loadText(ns, command, OWN.replace('policy drop;', 'policy drop; iifname "s64*" accept;'))
      await sleep(500)
      assert.equal(spoken(/firewalld/), 1)
      assert.equal(spoken(/inet filter/), 0, 'its owner has thought of our links')
      assert.equal(spoken(/cannot/), 0)
    }))

  it('says once what it cannot do', () =>
    withNetns(ns => {
      said.length = 0
      using owner = ns.enter(() => Nftables.open())
      owner.commit(new Transaction().load(ownedFilter))
      using watch = ns.enter(() => new ForwardPolicyWatch(log))
      watch.look()
      watch.look()
      assert.equal(spoken(/cannot look after FORWARD of iptables-nft/), 1)
    }))
})

const ownedFilter: Ruleset = {
  table: { family: 'ip6', name: 'filter', flags: ['owner'] },
  sets: [],
  chains: [{ name: 'FORWARD', type: 'filter', hook: 'forward', priority: 0, policy: 'drop', rules: [] }],
}

async function within(ms: number, look: () => void): Promise<void> {
  const deadline = performance.now() + ms
  for (;;) {
    try {
      return look()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(20)
    }
  }
}
