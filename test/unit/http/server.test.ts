import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PluginError } from '../../../src/errors.ts'
import { ENDPOINT, fakeDaemon, NETWORK, POOL } from './fake-daemon.ts'

const IDS = { NetworkID: NETWORK, EndpointID: ENDPOINT }
const LEAVE = '/NetworkDriver.Leave'

test('an error of ours keeps its status and sentence', async () => {
  const { post, lines } = fakeDaemon({
    answer: () => {
      throw new PluginError('BODY_INVALID', 'x', 'a', 'b', 'write c')
    },
  })
  const sentence = 'slash64: x: a is b; write c'
  assert.deepEqual(await post(LEAVE, IDS), { status: 400, body: { Err: sentence, Error: sentence } })
  const [{ level, msg, rpc, network, endpoint, err } = {}] = lines
  const expected = {
    level: 40,
    msg: sentence,
    rpc: 'NetworkDriver.Leave',
    network: 'ebff83071407',
    endpoint: 'eb1e33c13aa7',
  }
  assert.deepEqual({ level, msg, rpc, network, endpoint }, expected)
  assert.equal(err, undefined)
})

test('an error of ours that is internal is logged with its stack', async () => {
  const { post, lines } = fakeDaemon({
    answer: () => Promise.reject(new PluginError('STATE_UNWRITABLE', '/f', 'ENOSPC')),
  })
  const { status, body } = await post(LEAVE, IDS)
  assert.equal(status, 500)
  assert.match(body.Err, /cannot write "\/f": ENOSPC/)
  assert.match(String((lines[0]?.['err'] as Error | undefined)?.stack), /server\.test\.ts/)
})

for (const thrown of [new TypeError('secret of /etc/shadow'), 'a string', null, undefined, { statusCode: 418 }]) {
  test(`what is no error of ours becomes a short sentence: ${thrown}`, async () => {
    const { post, lines } = fakeDaemon({ answer: () => Promise.reject(thrown) })
    const { status, body } = await post(LEAVE, IDS)
    assert.equal(status, 500)
    assert.equal(body.Err, 'slash64: internal error: see the log of slash64')
    assert.equal(body.Error, body.Err)
    assert.equal(lines[0]?.['level'], 50)
    if (thrown instanceof Error) assert.match(JSON.stringify(lines[0]), /secret.*server\.test\.ts/)
  })
}

test('what changes something is one info line, the rest is debug', async () => {
  const { post, lines } = fakeDaemon()
  await post(LEAVE, IDS)
  await post('/IpamDriver.ReleasePool', { PoolID: POOL })
  await post('/NetworkDriver.EndpointOperInfo', IDS)
  const seen = lines.map(({ level, rpc, network, endpoint, pool }) => ({ level, rpc, network, endpoint, pool }))
  const who = { network: 'ebff83071407', endpoint: 'eb1e33c13aa7', pool: undefined }
  assert.deepEqual(seen, [
    { level: 30, rpc: 'NetworkDriver.Leave', ...who },
    { level: 30, rpc: 'IpamDriver.ReleasePool', network: undefined, endpoint: undefined, pool: POOL },
    { level: 20, rpc: 'NetworkDriver.EndpointOperInfo', ...who },
  ])
  for (const { ms } of lines) assert.ok(typeof ms === 'number' && ms >= 0)
})

test('the log has the names that were known before or after: what is made has them only then, what goes only before', async () => {
  const names = new Map([[ENDPOINT, { address: '2001:db8::1' }]])
  const { post, lines } = fakeDaemon({
    named: ({ endpoint, network }) => ({ ...names.get(endpoint ?? ''), ...names.get(network ?? '') }),
    answer: ({ type }) => {
      if (type === 'deleteEndpoint') names.delete(ENDPOINT)
      if (type === 'createNetwork') names.set(NETWORK, { group: 'web' } as never)
      return type === 'requestAddress' ? { address: '2001:db8::2/128' } : undefined
    },
  })
  await post('/NetworkDriver.DeleteEndpoint', IDS)
  await post('/NetworkDriver.CreateNetwork', { NetworkID: NETWORK, Options: {}, IPv4Data: [], IPv6Data: [] })
  const named = { 'com.docker.network.endpoint.name': 'front' }
  await post('/IpamDriver.RequestAddress', { PoolID: POOL, Address: '', Options: named })
  assert.deepEqual(
    lines.map(({ address, group, container }) => [address, group, container]),
    [
      ['2001:db8::1', undefined, undefined],
      [undefined, 'web', undefined],
      [undefined, undefined, 'front'],
    ],
  )
})

test('an answer that takes too long is 503, and its late end is logged', async () => {
  const slow = Promise.withResolvers<undefined>()
  const { post, lines } = fakeDaemon({ answer: () => slow.promise, deadline: 20 })
  const { status, body } = await post(LEAVE, IDS)
  assert.equal(status, 503)
  assert.match(body.Err, /^slash64: NetworkDriver\.Leave was not finished within 20 ms/)
  assert.equal(body.Error, body.Err)
  slow.resolve(undefined)
  await slow.promise
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(
    lines.map(line => line['msg']),
    [body.Err, 'done after the deadline'],
  )
})

test('an answer in time is the end of it', async () => {
  const { post, lines } = fakeDaemon({ deadline: 20 })
  assert.equal((await post(LEAVE, IDS)).status, 200)
  await new Promise(resolve => setTimeout(resolve, 40))
  assert.deepEqual(
    lines.map(line => line['msg']),
    ['done'],
  )
})

test('a late failure is logged and crashes nothing', async () => {
  const slow = Promise.withResolvers<undefined>()
  const { post, lines } = fakeDaemon({ answer: () => slow.promise, deadline: 20 })
  assert.equal((await post(LEAVE, IDS)).status, 503)
  slow.reject(new Error('too late'))
  await new Promise(resolve => setImmediate(resolve))
  assert.match(JSON.stringify(lines[1]), /failed after the deadline/)
  assert.match(JSON.stringify(lines[1]), /too late/)
})

test('a slow request holds up nobody else', async () => {
  const slow = Promise.withResolvers<undefined>()
  const { post } = fakeDaemon({ answer: command => (command.type === 'join' ? slow.promise : undefined) })
  const join = post('/NetworkDriver.Join', { ...IDS, SandboxKey: '/run/netns/a' })
  assert.equal((await post(LEAVE, IDS)).status, 200)
  slow.reject(new PluginError('INTERNAL', 'x'))
  assert.equal((await join).status, 500)
})

test('a handshake needs no daemon', async () => {
  const { post } = fakeDaemon({ answer: () => Promise.reject(new Error('not ready')) })
  for (const path of ['/Plugin.Activate', '/NetworkDriver.GetCapabilities', '/IpamDriver.GetCapabilities']) {
    assert.equal((await post(path)).status, 200)
  }
})
