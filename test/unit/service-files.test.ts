// Files that come whole, and go with the folders that were made for them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Place } from '../../src/install/place.ts'

const RECORD = '/usr/lib/ours/folders'

function withRoot(act: (root: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'slash64-place-'))
  try {
    act(root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

/** Every file and folder with its mode. */
const tree = (root: string): string =>
  execFileSync('find', ['.', '-printf', '%p %m\\n'], { cwd: root, encoding: 'utf8' }).split('\n').toSorted().join('\n')

test('what was written goes again, with the folders that were made and no other', () =>
  withRoot(root => {
    mkdirSync(join(root, 'usr/share/man'), { recursive: true })
    const before = tree(root)
    const first = new Place(root, RECORD)
    first.write('/usr/share/man/man8/ours.8', 'a page')
    first.write('/usr/bin/ours', '#!/bin/sh\n', 0o755)
    first.remember()
    // Another version, another run: the folders of the first are remembered.
    const second = new Place(root, RECORD)
    second.write('/usr/share/man/man8/ours.8', 'another page')
    second.write('/etc/ours/settings', '')
    second.remember()
    assert.equal(second.read('/usr/share/man/man8/ours.8'), 'another page')
    assert.equal(statSync(join(root, 'usr/bin/ours')).mode & 0o777, 0o755)
    const third = new Place(root, RECORD)
    third.remove('/usr/share/man/man8/ours.8', '/usr/bin/ours', '/etc/ours/settings', '/usr/lib/ours')
    third.removeFolders()
    assert.equal(tree(root), before)
  }))

test('a folder in which somebody else has put something stays', () =>
  withRoot(root => {
    const place = new Place(root, RECORD)
    place.write('/usr/share/fish/ours.fish', '')
    place.remember()
    writeFileSync(join(root, 'usr/share/fish/theirs.fish'), '')
    place.remove('/usr/share/fish/ours.fish', '/usr/lib/ours')
    new Place(root, RECORD).removeFolders()
    place.removeFolders()
    assert.deepEqual(tree(root).match(/\.\/\S+/g), [
      './usr',
      './usr/share',
      './usr/share/fish',
      './usr/share/fish/theirs.fish',
    ])
  }))

test('a folder that is filled anew is there whole, before and after', () =>
  withRoot(root => {
    const place = new Place(root, RECORD)
    const fill = (text: string) => (folder: string) => {
      assert.ok(!existsSync(folder), 'nothing of an earlier try is left')
      mkdirSync(folder)
      writeFileSync(join(folder, text), text)
    }
    place.prepare('/lib/app', fill('one')).swap()
    const later = place.prepare('/lib/app', fill('two'))
    assert.equal(place.read('/lib/app/one'), 'one')
    later.swap()
    assert.equal(place.read('/lib/app/one'), undefined)
    assert.equal(place.read('/lib/app/two'), 'two')
    place.prepare('/lib/app', fill('three'))
    place.prepare('/lib/app', fill('four')).swap()
    assert.deepEqual(tree(join(root, 'lib')).match(/\.\/\S+/g), ['./app', './app/four'])
  }))
