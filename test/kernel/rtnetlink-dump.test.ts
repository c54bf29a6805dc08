import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Batch, isNetlinkError, type NetlinkSocket } from 'nftables-js/netlink'
import { addVeth, deleteLink, listLinks } from '../../src/kernel/rtnetlink/link.ts'
import { withNetns } from '../support/netns.ts'
import { far, near } from './rtnetlink-pair.ts'

const LASTING = 80

/** Makes and deletes a pair, ten times, on a thread beside which the test dumps. */
async function churn(socket: NetlinkSocket): Promise<void> {
  for (let round = 0; round < 10; round++) {
    await socket.requestAsync(deleteLink(addVeth(new Batch(), near, far), near))
  }
}

it('links are all listed while others come and go, however often the dump has to be read again', () =>
  withNetns(async ns => {
    using socket = ns.socket('route')
    for (let number = 0; number < LASTING; number++) {
      socket.request(addVeth(new Batch(), { ...near, name: `n${number}` }, { ...far, name: `f${number}` }))
    }
    using other = ns.socket('route')
    let busy = true
    const changes = churn(other).finally(() => {
      busy = false
    })
    let whole = 0
    while (busy) {
      try {
        const names = listLinks(socket, { kind: 'veth' }).map(({ name }) => name)
        const lasting = names.filter(name => name !== near.name && name !== far.name)
        assert.deepEqual([lasting.length, new Set(lasting).size], [2 * LASTING, 2 * LASTING])
        whole++
      } catch (error) {
        if (!isNetlinkError(error, 'EINTR')) throw error
      }
      await new Promise(resolve => setImmediate(resolve))
    }
    await changes
    assert.ok(whole > 0)
  }))
