import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kernel } from '../../src/kernel/kernel.ts'
import { defaultUplinks, listeningLinks, uplinkMtu } from '../../src/kernel/uplinks.ts'
import { withNetns } from '../support/netns.ts'

const LINKS = ['one', 'two', 'three', 's64four'] as const

test('who listens to routers goes on, who does not is left alone, and a host that forwards has chosen', () =>
  withNetns(ns => {
    for (const [index, link] of LINKS.entries()) {
      ns.ip(`link add ${link} mtu ${1400 + index} type veth peer name ${link}x`)
      ns.ip(`link set ${link} up`)
      ns.ip(`link set ${link}x up`)
    }
    using kernel = ns.enter(() => new Kernel({ onError: error => assert.fail(String(error)) }))
    const write = (link: string, name: string, value: number) =>
      ns.enter(() => kernel.sysctl.write(['net', 'ipv6', 'conf', link, name], value))
    for (const link of LINKS) write(`${link}x`, 'accept_ra', 0)
    write('two', 'accept_ra', 0)
    write('three', 'accept_ra', 2)
    ns.enter(() => {
      assert.deepEqual(listeningLinks(kernel, []), ['one'], 'without an uplink: all that listen')
      assert.deepEqual(listeningLinks(kernel, ['two', 'three']), [])
      assert.deepEqual(listeningLinks(kernel, ['one', 'two']), ['one'])
    })
    ns.ip('-6 route add default dev one')
    ns.enter(() => {
      assert.deepEqual(defaultUplinks(kernel), ['one'])
      assert.equal(uplinkMtu(kernel, ['two', 'three']), 1401)
      assert.equal(uplinkMtu(kernel, []), 1500)
    })
    write('all', 'forwarding', 1)
    ns.enter(() => assert.deepEqual(listeningLinks(kernel, ['one']), []))
  }))
