import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { Change, Endpoint, NetworkId, PoolId } from '../../../src/state/model.ts'
import { Store } from '../../../src/store/store.ts'
import { change, endpoint, fullNetwork, joined, network, pool } from './samples.ts'

const root = mkdtempSync(join(tmpdir(), 'slash64-store-'))
after(() => rmSync(root, { recursive: true }))

let folders = 0
const freshFolder = (): string => join(root, `${++folders}`, 'state')

/** What a daemon would find that starts now. */
function reloaded(folder: string) {
  const store = Store.open(folder)
  const stored = store.load()
  store.close()
  return stored
}

/** A folder that holds one network, one pool and two endpoints. */
function filled(): string {
  const folder = freshFolder()
  const store = Store.open(folder)
  store.write([change('pool', undefined, pool(1, 256)), change('network', undefined, network(1))])
  store.write([change('endpoint', undefined, endpoint(1)), change('endpoint', undefined, joined(2))])
  store.close()
  return folder
}

const endpointPath = (folder: string, number: number): string =>
  join(folder, 'endpoints', `${endpoint(number).id}.json`)

test('an empty folder holds nothing, and says its version', () => {
  const folder = freshFolder()
  assert.deepEqual(reloaded(folder), { networks: [], endpoints: [], pools: [], host: {}, lost: [] })
  assert.equal(readFileSync(join(folder, 'version'), 'utf8'), '1\n')
  assert.equal(statSync(folder).mode & 0o777, 0o700)
})

test('what was written is what is loaded', () => {
  const folder = freshFolder()
  const store = Store.open(folder)
  const swarm = network(3, { id: 'abcdefghij0123456789klmno' as NetworkId })
  store.write([change('pool', undefined, pool(1, 256)), change('network', undefined, fullNetwork(1))])
  store.write([change('network', undefined, swarm), change('pool', undefined, pool(3))])
  store.write([change('endpoint', undefined, endpoint(1)), change('endpoint', undefined, endpoint(2))])
  store.write([change('endpoint', endpoint(2), joined(2)), change('endpoint', endpoint(1))])
  store.writeHost({ prefixSeed: 'seed' })
  store.writeHost({ prefixSeed: 'seed', ruleset: { boot: 'b', wanted: 'w', loaded: 'l' } })
  store.close()
  assert.deepEqual(reloaded(folder), {
    networks: [fullNetwork(1), swarm],
    endpoints: [joined(2)],
    pools: [pool(1, 256), pool(3)],
    host: { prefixSeed: 'seed', ruleset: { boot: 'b', wanted: 'w', loaded: 'l' } },
    lost: [],
  })
  assert.deepEqual(readdirSync(join(folder, 'pools')), [
    '2001-db8-1-a-0-0-1-0_112.json',
    '2001-db8-1-a-0-0-3-0_112.json',
  ])
  assert.equal(statSync(endpointPath(folder, 2)).mode & 0o777, 0o600)
})

test('leases and creations are not written, and removing what is not there is fine', () => {
  const folder = freshFolder()
  const store = Store.open(folder)
  const id = pool(1).id
  store.write([
    { kind: 'lease', id, number: 1, before: undefined, after: { since: 1 } },
    { kind: 'creation', id: 'creation', before: undefined, after: {} },
    change('endpoint', endpoint(1)),
    change('network', network(1)),
    change('pool', pool(1)),
  ])
  store.write([])
  store.close()
  const { networks, endpoints, pools } = reloaded(folder)
  assert.deepEqual({ networks, endpoints, pools }, { networks: [], endpoints: [], pools: [] })
})

test('any course of changes loads as it ended', () => {
  const steps = fc.array(
    fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 9 })), { maxLength: 5 }),
  )
  fc.assert(
    fc.property(steps, writes => {
      const folder = freshFolder()
      const store = Store.open(folder)
      const now = new Map<number, Endpoint>()
      for (const write of writes) {
        const changes = write.map(([id, number]): Change => {
          const before = now.get(id)
          const next = number === 0 ? undefined : { ...endpoint(id), number }
          if (next) now.set(id, next)
          else now.delete(id)
          return { kind: 'endpoint', id: endpoint(id).id, before, after: next }
        })
        store.write(changes)
      }
      const { endpoints } = store.load()
      store.close()
      assert.deepEqual(
        endpoints,
        [...now].toSorted(([a], [b]) => a - b).map(([, value]) => value),
      )
      assert.equal(readdirSync(join(folder, 'endpoints')).length, now.size)
    }),
    { numRuns: 40 },
  )
})

test('what a crash left between writing and renaming is swept', () => {
  const folder = filled()
  const left = ['host.json.0.tmp', 'version.0.tmp', `endpoints/${endpoint(3).id}.json.0.tmp`, 'pools/x.json.1.tmp']
  for (const name of left) writeFileSync(join(folder, name), '{"id":')
  const before = reloaded(folder)
  assert.equal(before.endpoints.length, 2)
  for (const name of left) assert.equal(existsSync(join(folder, name)), false, name)
})

test('where one file cannot be written, nothing has changed', () => {
  const folder = filled()
  const store = Store.open(folder)
  const before = store.load()
  const blocked = endpointPath(folder, 9)
  mkdirSync(join(blocked, 'in-the-way'), { recursive: true })
  const changes = [
    change('network', network(1)),
    change('network', undefined, network(5)),
    change('endpoint', endpoint(1), joined(1)),
    change('endpoint', joined(2)),
    change('pool', pool(1, 256), pool(1, 512)),
    change('endpoint', undefined, endpoint(9)),
  ]
  const message = new RegExp(`^slash64: cannot write ".*${endpoint(9).id}\\.json": E`)
  assert.throws(() => store.write(changes), { code: 'STATE_UNWRITABLE', status: 500, message })
  rmSync(blocked, { recursive: true })
  assert.deepEqual(store.load(), before)
  assert.deepEqual(
    readdirSync(folder, { recursive: true }).filter(name => String(name).endsWith('.tmp')),
    [],
  )
  store.close()
})

test('a folder that is none stops the write before anything has changed', () => {
  const folder = filled()
  const store = Store.open(folder)
  rmSync(join(folder, 'pools'), { recursive: true })
  writeFileSync(join(folder, 'pools'), '')
  const changes = [change('endpoint', endpoint(1)), change('pool', undefined, pool(7))]
  assert.throws(() => store.write(changes), { message: /cannot write ".*pools\/.*": ENOTDIR/ })
  assert.ok(existsSync(endpointPath(folder, 1)))
  assert.throws(() => store.load(), { code: 'STATE_UNREADABLE', message: /pools.*ENOTDIR/ })
  store.close()
})

const damages: [name: string, text: string, sentence: RegExp][] = [
  [`networks/${network(1).id}.json`, '{"id":', /state file ".*networks\/0+1\.json" is damaged: .*JSON.*; put it back/],
  [`networks/${network(1).id}.json`, '', /is damaged: Unexpected end of JSON input/],
  [`networks/${network(1).id}.json`, '[]', /is damaged: it: Invalid input/],
  [`networks/${network(1).id}.json`, JSON.stringify({ ...network(1), later: 1 }), /damaged: .*"later"/],
  [
    `networks/${network(1).id}.json`,
    JSON.stringify({ ...network(1), group: 0 }),
    /damaged: group: not the bits of a group/,
  ],
  [`networks/${network(1).id}.json`, JSON.stringify(network(2)), /damaged: it holds "0+2", which is another file's/],
  [`endpoints/${endpoint(1).id}.json`, JSON.stringify({ ...endpoint(1), phase: 'x' }), /damaged: phase: /],
  [
    `endpoints/${endpoint(1).id}.json`,
    JSON.stringify({ ...endpoint(1), published: [{ port: 1 }] }),
    /published \/ 0 \/ protocol/,
  ],
  ['endpoints/notes.json', '{}', /notes\.json" is damaged/],
  ['pools/2001-db8-1-a-0-0-1-0_112.json', JSON.stringify({ ...pool(1), reserved: 65_535 }), /reserved: /],
  ['pools/2001-db8-1-a-0-0-1-0_112.json', JSON.stringify({ ...pool(1), id: '../../x' }), /id: no pool id/],
  ['host.json', '', /host\.json" is damaged/],
  ['host.json', '{"prefixSeed":1}', /prefixSeed: /],
]

for (const [name, text, message] of damages) {
  test(`a damaged file stops with a sentence: ${name.slice(0, 12)} ${text.slice(-30)}`, () => {
    const folder = filled()
    writeFileSync(join(folder, name), text)
    const store = Store.open(folder)
    assert.throws(() => store.load(), { code: 'STATE_DAMAGED', message })
    store.close()
  })
}

test('an unsynced file that a power cut emptied is dropped; a synced one is damage', () => {
  const folder = filled()
  const lost = endpointPath(folder, 1)
  writeFileSync(lost, '')
  const stored = reloaded(folder)
  assert.deepEqual(stored.endpoints, [joined(2)])
  assert.deepEqual(stored.lost, [lost])
  assert.equal(existsSync(lost), false)
  writeFileSync(join(folder, 'pools', '2001-db8-1-a-0-0-1-0_112.json'), '')
  assert.throws(() => reloaded(folder), { code: 'STATE_DAMAGED' })
})

test('files of somebody else are left alone', () => {
  const folder = filled()
  writeFileSync(join(folder, 'endpoints', 'README'), 'hello')
  assert.equal(reloaded(folder).endpoints.length, 2)
  assert.ok(existsSync(join(folder, 'endpoints', 'README')))
})

test('an unknown version stops with a sentence, and so does none where there is state', () => {
  const folder = filled()
  writeFileSync(join(folder, 'version'), '2\n')
  const unknown = {
    code: 'STATE_VERSION_UNKNOWN',
    message: /version" says version "2", this slash64 reads version 1; run/,
  }
  assert.throws(() => Store.open(folder), unknown)
  rmSync(join(folder, 'version'))
  assert.throws(() => Store.open(folder), { code: 'STATE_VERSION_UNKNOWN', message: /says no version/ })
  writeFileSync(join(folder, 'version'), '1\n')
  assert.equal(reloaded(folder).networks.length, 1)
})

test('an id that is a path becomes no file', () => {
  const folder = freshFolder()
  const store = Store.open(folder)
  for (const id of ['../../escape', '/etc/passwd', '', 'a\0b', '.', 'A'.repeat(64), 'a'.repeat(300)] as PoolId[]) {
    assert.throws(() => store.write([change('pool', undefined, { ...pool(1), id })]), {
      code: 'INTERNAL',
      message: /no id/,
    })
  }
  assert.deepEqual(store.load().pools, [])
  store.close()
})
