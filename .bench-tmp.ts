import { Batch, type NetlinkSocket } from 'nftables-js/netlink'
import { createVeth, setLink, deleteLinkGroup, addVeth, getLink } from './src/kernel/rtnetlink/link.ts'
import { addAddress } from './src/kernel/rtnetlink/address.ts'
import { addRoute } from './src/kernel/rtnetlink/route.ts'
import { addNeighbour } from './src/kernel/rtnetlink/neighbour.ts'
import { addressBytes, addressText } from './src/kernel/rtnetlink/bytes.ts'
import { withNetns } from './test/support/netns.ts'
const N = 300
const med = (x: number[]) => { x.sort((a, b) => a - b); return `${x[x.length >> 1]?.toFixed(0)} us (p90 ${x[Math.floor(x.length * 0.9)]?.toFixed(0)})` }
const us = () => Number(process.hrtime.bigint()) / 1000
await withNetns(async ns => {
  using s = ns.socket('route')
  const parts: Record<string, number[]> = {}
  const t = <T>(k: string, f: () => T): T => { const a = us(); const r = f(); (parts[k] ??= []).push(us() - a); return r }
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < N / 5; i++) {
      const name = `s64${round}x${i}`
      const link = t('total A', () => {
        const link = t('newlink', () => createVeth(s, { name, mac: '02:00:00:00:00:01', mtu: 1500 }, { name: `p${name}`, mac: '02:00:00:00:00:02', mtu: 1500 }))
        const { index } = link
        t('rest', () => {
          const b = new Batch()
          setLink(b, { index }, { addrGenMode: 'none', up: true })
          addAddress(b, { index, address: 'fe80::1', prefixLength: 64, nodad: true })
          addRoute(b, { destination: `2001:db8::${round + 1}:${i}/128`, index, protocol: 64 })
          addNeighbour(b, { index, address: `2001:db8::${round + 1}:${i}`, mac: '02:00:00:00:00:02' })
          s.request(b)
        })
        return link
      })
      t('alias set', () => { const b = new Batch(); setLink(b, { index: link.index }, { alias: 'slash64/abc/def' }); s.request(b) })
      t('group set', () => { const b = new Batch(); setLink(b, { name }, { group: 7 }); s.request(b) })
      t('getLink', () => getLink(s, { name }))
      t('encode only', () => { const b = new Batch(); const index = 5
          addVeth(b, { name, mac: '02:00:00:00:00:01', mtu: 1500 }, { name: `p${name}`, mac: '02:00:00:00:00:02', mtu: 1500 })
          setLink(b, { index }, { addrGenMode: 'none', up: true })
          addAddress(b, { index, address: 'fe80::1', prefixLength: 64, nodad: true })
          addRoute(b, { destination: `2001:db8::${round + 1}:${i}/128`, index, protocol: 64 })
          addNeighbour(b, { index, address: `2001:db8::${round + 1}:${i}`, mac: '02:00:00:00:00:02' }) })
    }
    const b = deleteLinkGroup(new Batch(), 7)
    await s.requestAsync(b)
  }
  for (const [k, v] of Object.entries(parts)) console.log(k, med(v))
})
let a = us(); for (let i = 0; i < 100000; i++) addressBytes('2001:db8:100:a::5c1f:8e02:3'); console.log('addressBytes', ((us() - a) / 100000).toFixed(2))
const b = addressBytes('2001:db8:100:a::5c1f:8e02:3'); a = us(); for (let i = 0; i < 100000; i++) addressText(b); console.log('addressText', ((us() - a) / 100000).toFixed(2))
