import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { PluginError } from '../../../src/errors.ts'
import { formatPort, type PortMapping, parsePublished } from '../../../src/policy/published.ts'
import { hostile } from '../address/arbitraries.ts'

const mapping = (change: Partial<PortMapping>): PortMapping => {
  const port = change.port ?? 443
  const hostPort = change.hostPort ?? port
  return { protocol: 6, hostIp: '', hostPortEnd: hostPort, ...change, port, hostPort }
}
const opened = (...mappings: PortMapping[]) => parsePublished(mappings).published.map(formatPort).join(' ')

describe('parsePublished', () => {
  test('opens the container port to everybody', () => {
    assert.deepEqual(parsePublished([mapping({})]), { published: [{ protocol: 'tcp', port: 443 }], notes: [] })
    for (const hostIp of ['', '::', '0.0.0.0']) assert.equal(opened(mapping({ hostIp })), '443/tcp')
  })

  test('TCP, UDP and SCTP, each once, sorted', () => {
    const all = [132, 17, 6, 6].map(protocol => mapping({ protocol, port: 53 }))
    assert.equal(opened(...all, mapping({ port: 7 })), '7/tcp 53/tcp 53/udp 53/sctp')
    assert.equal(opened(), '')
  })

  test('loopback opens nothing and says so', () => {
    for (const hostIp of ['127.0.0.1', '127.8.9.10', '::1']) {
      const { published, notes } = parsePublished([mapping({ hostIp, port: 5432 })])
      assert.deepEqual(published, [])
      assert.equal(notes.length, 1)
      assert.match(notes[0] ?? '', new RegExp(`^${hostIp} opens 5432/tcp to nobody`))
    }
    assert.equal(opened(mapping({ hostIp: '127.0.0.1' }), mapping({})), '443/tcp')
  })

  test('a host port that differs is noted, and opens nothing', () => {
    const { published, notes } = parsePublished([mapping({ port: 80, hostPort: 8080 })])
    assert.deepEqual(published, [{ protocol: 'tcp', port: 80 }])
    assert.deepEqual(notes, [
      "80/tcp is open as it is, on the container's own address: host port 8080 has no meaning here",
    ])
  })

  test('any host port, and a range that holds the port, need no note', () => {
    assert.deepEqual(parsePublished([mapping({ port: 80, hostPort: 0 })]).notes, [])
    assert.deepEqual(parsePublished([mapping({ port: 80, hostPort: 79, hostPortEnd: 81 })]).notes, [])
    assert.equal(parsePublished([mapping({ port: 80, hostPort: 81, hostPortEnd: 90 })]).notes.length, 1)
  })

  for (const hostIp of ['192.0.2.1', '2001:db8::1', 'fe80::1', '127.0.0.1.evil', '::ffff:127.0.0.1', 'localhost']) {
    test(`refuses the host address ${hostIp}`, () => {
      assert.throws(() => parsePublished([mapping({ hostIp, port: 80, hostPort: 8080 })]), {
        code: 'PUBLISH_ADDRESS',
        message: new RegExp(`"${hostIp}".*write -p 8080:80/tcp for everybody, or -p 127.0.0.1:8080:80/tcp`),
      })
    })
  }

  test('refuses other protocols and ports', () => {
    for (const protocol of [0, 1, 33, 58, 255]) {
      assert.throws(() => parsePublished([mapping({ protocol })]), {
        code: 'PUBLISH_PROTOCOL',
        message: new RegExp(`IP protocol "${protocol}"; write tcp, udp or sctp`),
      })
    }
    for (const port of [0, -1, 65536, 1.5, Number.NaN]) {
      assert.throws(() => parsePublished([mapping({ port })]), { code: 'PUBLISH_PORT' })
    }
  })

  test('throws nothing but PluginError', () => {
    const any = fc.record({
      protocol: fc.oneof(fc.constantFrom(6, 17, 132), fc.double()),
      port: fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.double()),
      hostIp: fc.oneof(fc.constantFrom('', '::1'), hostile),
      hostPort: fc.double(),
      hostPortEnd: fc.double(),
    })
    fc.assert(
      fc.property(fc.array(any, { maxLength: 3 }), mappings => {
        try {
          for (const { port } of parsePublished(mappings).published) assert.ok(port >= 1 && port <= 65535)
        } catch (error) {
          assert.ok(error instanceof PluginError, String(error))
        }
      }),
    )
  })
})
