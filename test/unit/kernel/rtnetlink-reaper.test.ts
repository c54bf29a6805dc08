import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { it } from 'node:test'
import { type Batch, type Message, NetlinkError, parseMessages } from 'nftables-js/netlink'
import { parseLink, RTM_DELLINK } from '../../../src/kernel/rtnetlink/link.ts'
import { Reaper } from '../../../src/kernel/rtnetlink/reaper.ts'

const GROUP = 64

/** Stands for the kernel: remembers which links are in the group, and deletes them only when told to go on. */
class Links {
  readonly dying = new Set<string | number>()
  readonly waiting: { succeed(): void; fail(code: 'EPERM' | 'ENODEV'): void }[] = []
  deletes = 0
  refuse: 'EPERM' | 'ENODEV' | undefined

  request(batch: Batch): Message[] {
    for (const message of parseMessages(batch.bytes)) {
      const { index, name, group } = parseLink(message)
      assert.equal(group, GROUP)
      if (this.refuse) throw new NetlinkError('set link', constants.errno[this.refuse])
      this.dying.add(index || name)
    }
    return []
  }

  requestAsync(batch: Batch): Promise<Message[]> {
    const [message] = parseMessages(batch.bytes)
    assert.ok(message && message.type === RTM_DELLINK && parseLink(message).group === GROUP)
    this.deletes++
    const links = [...this.dying]
    return new Promise((resolve, reject) => {
      this.waiting.push({
        succeed: () => {
          for (const link of links) this.dying.delete(link)
          resolve([])
        },
        fail: code => reject(new NetlinkError('delete link group', constants.errno[code])),
      })
    })
  }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function prepare(): { links: Links; reaper: Reaper; errors: unknown[] } {
  const links = new Links()
  const errors: unknown[] = []
  return { links, errors, reaper: new Reaper(links, GROUP, error => errors.push(error)) }
}

it('one delete is under way at a time, and one more serves all that was buried meanwhile', async () => {
  const { links, reaper, errors } = prepare()
  reaper.bury(['a'])
  reaper.bury(['b', 3])
  reaper.bury([4])
  assert.deepEqual([...links.dying], ['a', 'b', 3, 4])
  assert.equal(links.deletes, 1)
  links.waiting.shift()?.succeed()
  await turn()
  assert.equal(links.deletes, 2)
  links.waiting.shift()?.succeed()
  await turn()
  assert.equal(links.deletes, 2)
  assert.equal(links.dying.size, 0)
  assert.equal(errors.length, 0)
})

it('flush waits for what is under way, and then for one delete of its own', async () => {
  const { links, reaper } = prepare()
  reaper.bury(['a'])
  let flushed = false
  const flush = reaper.flush().then(() => {
    flushed = true
  })
  links.waiting.shift()?.succeed()
  await turn()
  assert.equal(flushed, false)
  links.waiting.shift()?.fail('ENODEV')
  await flush
  assert.equal(flushed, true)
})

it('a link that is gone is no error, other refusals are heard of and the rest is buried', () => {
  const { links, reaper, errors } = prepare()
  links.refuse = 'ENODEV'
  reaper.bury(['gone'])
  assert.equal(errors.length, 0)
  links.refuse = 'EPERM'
  reaper.bury(['a', 'b'])
  assert.deepEqual(
    errors.map(error => error instanceof NetlinkError && error.code),
    ['EPERM', 'EPERM'],
  )
})

it('a failed delete is heard of, rejects flush, and the next one tries again', async () => {
  const { links, reaper, errors } = prepare()
  const flush = assert.rejects(reaper.flush(), { code: 'EPERM' })
  links.waiting.shift()?.fail('EPERM')
  await flush
  assert.equal(errors.length, 1)
  const again = reaper.flush()
  links.waiting.shift()?.succeed()
  await again
  assert.equal(errors.length, 1)
})

it('nothing to bury starts nothing, and group 0 is refused', () => {
  const { links, reaper } = prepare()
  reaper.bury([])
  assert.equal(links.deletes, 0)
  assert.throws(() => new Reaper(links, 0, () => {}), /link group 0 cannot be deleted/)
})
