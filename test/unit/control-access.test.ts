import assert from 'node:assert/strict'
import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { controlGroup, groupOwning, parseGroups } from '../../src/http/control-access.ts'
import { Sockets } from '../support/control.ts'

const sockets = new Sockets()
after(() => sockets[Symbol.dispose]())

const GROUPS = [
  { name: 'root', number: 0 },
  { name: 'docker', number: 998 },
  { name: 'ops', number: 4242 },
]

function fileOf(group: number): string {
  const file = join(sockets.folder, `of-${group}`)
  writeFileSync(file, '')
  chownSync(file, 0, group)
  return file
}

describe('the group of the control socket', () => {
  it('is that of Docker’s socket, whatever its name is', () => {
    assert.equal(controlGroup(fileOf(4242), GROUPS), 4242)
    assert.equal(controlGroup(fileOf(0), GROUPS), 0)
  })

  it('is docker where there is no socket to look at, and root where there is no such group', () => {
    for (const socket of ['', join(sockets.folder, 'nowhere')]) {
      assert.equal(controlGroup(socket, GROUPS), 998)
      assert.equal(controlGroup(socket, []), 0)
    }
  })

  it('is called by its name, or by its number where it has none here', () => {
    assert.equal(groupOwning(fileOf(4242), GROUPS), 'the group "ops"')
    assert.equal(groupOwning(fileOf(4242), []), 'the group with the number 4242')
    assert.equal(groupOwning(join(sockets.folder, 'nowhere'), []), 'the group "docker"')
  })

  it('is read as group(5) says', () => {
    const text = 'root:x:0:\ndocker::998:ann,bob\n\n+::: \n#docker:x:1:\nops:x:4242:ann'
    assert.deepEqual(
      parseGroups(text).filter(({ name }) => !name.startsWith('#')),
      GROUPS,
    )
  })
})
