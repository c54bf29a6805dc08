// What moby's integration tests expect of the way out of a container on several networks (integration/networking), with ours on a real engine.
import assert from 'node:assert/strict'
import { after, afterEach, describe, it } from 'node:test'
import { assertConsistent, cleanUp } from '../support/clean.ts'
import { addressOf, inContainer, inspect } from '../support/container.ts'
import { createNetwork, IDLE, idle, probeFrom, Stage, serve } from '../support/stage.ts'

const stage = await Stage.up({ name: 'moby-gateway' })
const { host, topology } = stage
after(() => stage[Symbol.asyncDispose]())

const named = async (...names: string[]): Promise<void> => {
  for (const name of names) await createNetwork(host, name, '-o', `group=${name}`)
}
const ping = (from: string, to: string): Promise<string> =>
  inContainer(host, from, ['busybox', 'ping', '-c', '1', '-W', '1', to])
const routes = async (container: string, family: 4 | 6): Promise<{ gateway?: string; from?: string }[]> =>
  JSON.parse((await inContainer(host, container, ['ip', '-j', `-${family}`, 'route', 'show', 'default'])) || '[]')
const gatewayOf = (container: string, network: string): Promise<string> =>
  inspect(host, container, `{{(index .NetworkSettings.Networks "${network}").IPv6Gateway}}`)

/** The default IPv6 route for every source goes over this network. */
async function assertGateway(container: string, network: string): Promise<void> {
  const found = (await routes(container, 6)).filter(({ from }) => from === undefined).map(({ gateway }) => gateway)
  assert.deepEqual(found, [await gatewayOf(container, network)], network)
}

describe('moby', () => {
  afterEach(() => cleanUp(host))

  it('TestGatewaySelection', async () => {
    await host.docker('network', 'create', 'four')
    await named('web')
    await idle(host, 'front', 'four', '--network', 'web')
    assert.equal((await routes('front', 4)).length, 1, 'IPv4 by the bridge')
    await assertGateway('front', 'web')
    await host.docker('network', 'disconnect', 'four', 'front')
    assert.deepEqual(await routes('front', 4), [])
    await assertGateway('front', 'web')
    await host.docker('network', 'connect', 'four', 'front')
    await host.docker('network', 'disconnect', 'web', 'front')
    assert.deepEqual(await routes('front', 6), [])
    await host.docker('network', 'connect', 'web', 'front')
    await assertGateway('front', 'web')
    assert.equal((await routes('front', 4)).length, 1)
  })

  it('TestCreateWithPriority', async () => {
    await named('first', 'second')
    const networks = (a: number, b: number): string[] => [
      ...['--network', `name=first,gw-priority=${a}`],
      ...['--network', `name=second,gw-priority=${b}`],
    ]
    await host.docker('run', '-d', '--name', 'one', ...networks(1, 2), ...IDLE)
    await host.docker('run', '-d', '--name', 'two', ...networks(2, 1), ...IDLE)
    await assertGateway('one', 'second')
    await assertGateway('two', 'first')
    await ping('one', '2001:db8:ffff::1')
    await ping('two', '2001:db8:ffff::1')
  })

  it('TestConnectWithPriority', async () => {
    await named('first', 'second')
    await idle(host, 'front', 'first')
    await host.docker('network', 'connect', '--gw-priority', '5', 'second', 'front')
    await assertGateway('front', 'second')
    await assertConsistent(host)
    await host.docker('network', 'disconnect', 'second', 'front')
    await assertGateway('front', 'first')
  })

  it('TestGatewayErrorOnNetDisconnect', async () => {
    await named('first', 'second')
    await idle(host, 'front', 'first', '--network', 'second')
    for (const [gone, left] of [
      ['first', 'second'],
      ['second', 'first'],
    ] as const) {
      await host.docker('network', 'disconnect', gone, 'front')
      await assertGateway('front', left)
      await ping('front', '2001:db8:ffff::1')
      await host.docker('network', 'connect', gone, 'front')
    }
  })

  it('TestNetworkInspectGateway', async () => {
    await named('web')
    const [config] = JSON.parse(await inspect(host, 'web', '{{json .IPAM.Config}}'))
    assert.deepEqual(Object.keys(config), ['Subnet'], 'the gateway is a link-local address, which is in no subnet')
    await idle(host, 'front', 'web')
    assert.match(await gatewayOf('front', 'web'), /^fe80::/)
  })

  it('TestRoutedNonGateway', async () => {
    await named('web', 'way-out')
    await serve(host, 'front', 'name=way-out,gw-priority=10', [80], '--network', 'web', '-p', '80:80')
    await assertGateway('front', 'way-out')
    for (const network of ['web', 'way-out']) {
      const address = await addressOf(host, 'front', network)
      const [found] = await probeFrom(topology.internet, [{ protocol: 'tcp', address, port: 80 }])
      assert.equal(found?.outcome, 'answered', network)
    }
  })
})
