// What the kernel tests of rtnetlink share: a namespace with a veth pair in it.
import { Batch, type NetlinkSocket } from 'nftables-js/netlink'
import { createVeth, type Link, setLink } from '../../src/kernel/rtnetlink/link.ts'
import { type Netns, withNetns } from '../support/netns.ts'

export const near = { name: 's64near', mac: '02:00:00:00:00:01', mtu: 1500 }
export const far = { name: 's64far', mac: '02:00:00:00:00:02', mtu: 1400 }

/** The route protocol of slash64, by which the tests find their own. */
export const PROTOCOL = 64

/** Sends what `append` puts into a batch. */
export function send(socket: NetlinkSocket, append: (batch: Batch) => void): void {
  const batch = new Batch()
  append(batch)
  socket.request(batch)
}

/** Calls `act` in a namespace with a veth pair in it, both ends up and without addresses; `link` is the near one. */
export function withPair(act: (ns: Netns, socket: NetlinkSocket, link: Link) => void | Promise<void>): Promise<void> {
  return withNetns(async ns => {
    using socket = ns.socket('route')
    const link = createVeth(socket, near, far)
    for (const { name } of [near, far]) {
      send(socket, batch => setLink(batch, { name }, { addrGenMode: 'none', up: true }))
    }
    await act(ns, socket, link)
  })
}
