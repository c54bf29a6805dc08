// Flows over time: real sockets, access that is taken away, messages about the size of packets.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Fabric, withFabric } from '../support/fabric.ts'
import * as packet from '../support/packet.ts'
import { back, open, passes, there } from '../support/ruleset-flows.ts'
import { attempt, Stream } from '../support/stream.ts'

/** A connection that has carried a word both ways. */
async function conversation(f: Fabric, client: Stream, server: Stream, address: string, port: number): Promise<Stream> {
  assert.equal((await client.connect(address, port, f.patience)).outcome, 'connected')
  const accepted = await server.accept()
  client.write('ping')
  assert.equal(await accepted.read(), 'ping')
  accepted.write('pong')
  assert.equal(await client.read(), 'pong')
  return accepted
}

suite('flows', () => {
  test('real connections and their end', t =>
    withFabric(async f => {
      const d1 = f.address('d1')
      const w1 = f.address('w1')

      await t.test('a connection between allowed groups, on one host and between two', async () => {
        for (const from of ['w1', 'w3'] as const) {
          using server = Stream.serve(f.at('d1').ns, 'tcp', 5432)
          using client = Stream.open(f.at(from).ns, 'tcp')
          using _accepted = await conversation(f, client, server, d1, 5432)
        }
      })

      await t.test('refusals inside the fleet are told within 50 ms', async () => {
        for (const from of ['e1', 'e3'] as const) {
          const { outcome, ms } = await attempt(f.at(from).ns, d1, 5432)
          assert.equal(outcome, 'ECONNREFUSED')
          assert.ok(ms < 50, `${ms} ms`)
        }
        using udp = Stream.open(f.at('e1').ns, 'udp')
        await udp.connect(d1, 5432)
        udp.write('x')
        await assert.rejects(udp.read(), /EACCES/)
      })

      await t.test('the world waits in vain', async () => {
        assert.equal((await attempt(f.machines.internet, d1, 5432, 100)).outcome, 'timeout')
      })

      await t.test('answers reach a container that may not be called', async () => {
        using server = Stream.serve(f.machines.internet, 'tcp', 80)
        using client = Stream.open(f.at('e1').ns, 'tcp')
        using _accepted = await conversation(f, client, server, f.address('internet'), 80)
        assert.equal((await attempt(f.machines.internet, f.address('e1'), 80, 100)).outcome, 'timeout')
      })

      await t.test('an unpublished port ends open connections to it at once', async () => {
        using server = Stream.serve(f.at('w1').ns, 'tcp', 443)
        using client = Stream.open(f.machines.internet, 'tcp')
        using accepted = await conversation(f, client, server, w1, 443)
        f.a.change('w1', { published: [] })
        f.a.apply()
        client.write('too late')
        await assert.rejects(accepted.read(60), /EAGAIN/)
        f.a.change('w1', { published: [{ protocol: 'tcp', port: 443 }] })
        f.a.apply()
        // TCP sends again, and today's policy says yes.
        assert.equal(await accepted.read(2000), 'too late')
      })

      await t.test('an entry of allow that is taken away ends open connections at once', async () => {
        using server = Stream.serve(f.at('d1').ns, 'tcp', 7005)
        using client = Stream.open(f.at('w1').ns, 'tcp')
        using accepted = await conversation(f, client, server, d1, 7005)
        f.a.network('db', 'web:5432')
        f.a.apply()
        client.write('too late')
        await assert.rejects(accepted.read(60), /EAGAIN/)
        assert.equal((await attempt(f.at('w1').ns, d1, 7005)).outcome, 'ECONNREFUSED')
        assert.equal((await attempt(f.at('w1').ns, d1, 5432, 100)).outcome, 'ECONNREFUSED')
      })
    }))

  test('messages about size', t =>
    withFabric(async f => {
      await t.test('the host tells a container that a packet is too big, from its own address', async () => {
        f.machines.a.ip('link set up0 mtu 1400')
        using seen = f.capture('w1', ({ type }) => type === 2)
        const flow = { from: 'w1', to: 'internet', sport: 5000, dport: 9 } as const
        f.send('w1', there(f, flow, Buffer.alloc(1450)))
        const message = await seen.first()
        assert.equal(message?.source, '2001:db8:1:a::1')
        assert.equal(message?.mtu, 1400)
        f.machines.a.ip('link set up0 mtu 1500')
      })

      await t.test('a large transfer over a smaller link behind the host comes through', async () => {
        f.machines.router.ip('link set ri mtu 1300')
        using server = Stream.serve(f.machines.internet, 'tcp', 80)
        using client = Stream.open(f.at('w1').ns, 'tcp')
        using accepted = await conversation(f, client, server, f.address('internet'), 80)
        client.write('x'.repeat(20_000))
        let got = 0
        while (got < 20_000) got += (await accepted.read(3000)).length
        f.machines.router.ip('link set ri mtu 1500')
      })

      await t.test('a packet without hops left is answered from the host’s own address', async () => {
        using seen = f.capture('w1', ({ type }) => type === 3)
        const header = { source: f.address('w1'), destination: f.address('internet'), hopLimit: 1 }
        f.send('w1', packet.ip6(header, packet.udp({ sport: 5001, dport: 9 })))
        assert.equal((await seen.first())?.source, '2001:db8:1:a::1')
      })

      await t.test('a container’s gateway answers no more pings than its limit', async () => {
        using seen = f.capture('w1', ({ type }) => type === 129)
        const header = { source: f.address('w1'), destination: '2001:db8:1:a::1' }
        f.send('w1', ...Array.from({ length: 600 }, (_, id) => packet.ip6(header, packet.echoRequest(id, f.token()))))
        await seen.first()
        const answered = seen.frames().length
        assert.ok(answered >= 100 && answered < 500, `${answered} of 600 were answered`)
      })
    }))

  test('an address that a new container has is not met by the old one’s admission', () =>
    withFabric(async f => {
      const flow = open(f, 'internet', 'w1', 443)
      f.a.change('w1', { published: [] })
      f.a.apply()
      const token = f.token()
      await passes(f, 'internet', 'w1', token, there(f, flow, token), false)
      // The container's own answers still leave: they harm nobody, and no new flow begins with them.
      const answer = f.token()
      await passes(f, 'w1', 'internet', answer, back(f, flow, answer), true)
    }))
})
