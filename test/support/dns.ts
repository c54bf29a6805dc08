// dns.ts ADDRESS: a name server on UDP port 53 that answers every question for an AAAA record with ADDRESS and every other with nothing (RFC 1035).
// Prints "ready" when it listens, then each name that it was asked for.
import { createSocket } from 'node:dgram'
import { BlockList } from 'node:net'

const QUERY_HEADER = 12
const AAAA = 28
const FLAGS_ANSWER = 0x8180 // QR, RD, RA

const answer = addressBytes(process.argv[2] ?? '::1')
const socket = createSocket({ type: 'udp6', reuseAddr: true })
socket.on('message', (query, from) => socket.send(reply(query), from.port, from.address))
socket.bind(53, '::', () => console.log('ready'))

/** The question again, and one record that points at its name. */
function reply(query: Buffer): Buffer {
  let end = QUERY_HEADER
  const labels: string[] = []
  for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) {
    labels.push(query.toString('latin1', end + 1, end + 1 + length))
    end += 1 + length
  }
  console.log(labels.join('.'))
  const type = query.readUInt16BE(end + 1)
  const head = Buffer.alloc(QUERY_HEADER)
  query.copy(head, 0, 0, 2)
  head.writeUInt16BE(FLAGS_ANSWER, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(type === AAAA ? 1 : 0, 6)
  const record = Buffer.from([0xc0, QUERY_HEADER, 0, AAAA, 0, 1, 0, 0, 0, 60, 0, 16, ...answer])
  return Buffer.concat([head, query.subarray(QUERY_HEADER, end + 5), ...(type === AAAA ? [record] : [])])
}

/** The 16 bytes of an IPv6 address that has no dots. */
function addressBytes(text: string): number[] {
  new BlockList().addAddress(text, 'ipv6') // throws for what is none
  const [head = '', tail] = text.split('::')
  const words = (part: string): number[] => (part === '' ? [] : part.split(':').map(word => Number.parseInt(word, 16)))
  const [before, after] = [words(head), words(tail ?? '')]
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return all.flatMap(word => [word >> 8, word & 0xff])
}
