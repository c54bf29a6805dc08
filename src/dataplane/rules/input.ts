// Input: container -> the host itself: echo and answers, nothing else.
import {
  accept,
  counter,
  ct,
  drop,
  goto,
  icmpv6,
  inSet,
  ip6,
  is,
  limit,
  meta,
  not,
  type Ruleset,
  reject,
} from 'nftables-js'
import { bare, fromOurs, rule, sourceGroup } from './words.ts'

export const inputChains: Ruleset['chains'] = [
  {
    name: 'input',
    type: 'filter',
    hook: 'input',
    priority: -5,
    policy: 'accept',
    rules: [
      bare(fromOurs, goto('to_host')),
      bare(not(meta('iif'), 1), inSet(ip6('saddr'), 'fleet'), not(sourceGroup, '::'), goto('to_host')),
    ],
  },
  {
    name: 'to_host',
    rules: [
      rule('echo', is(icmpv6('type'), 'echo-request'), limit({ rate: 1000, per: 'second', burst: 100 }), accept),
      bare(is(ct('state'), 'related'), goto('related')),
      bare(is(ct('state'), 'established'), is(ct('direction'), 'reply'), accept),
      rule(
        'services of the host are not for containers',
        is(meta('l4proto'), 'tcp'),
        counter(),
        reject({ with: 'tcp reset' }),
      ),
      rule('services of the host are not for containers', counter(), drop),
    ],
  },
]
