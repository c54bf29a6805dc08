// Which protocol a rule is about, and the checks that a statement implies: `tcp dport` means nothing in a UDP packet, so the
// rule first compares `meta l4proto`. Each check is made once in a rule, in the place where nft makes it.
import { dataTypes, fieldBytes } from './datatypes.ts'
import { cmp, type Expression, load } from './expressions.ts'
import type { Family } from './model.ts'
import type { Field, Protocol } from './selectors.ts'

const transports = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58 } as const
const META_PROTOCOL = 1
const META_IIFTYPE = 8
const META_NFPROTO = 15
const META_L4PROTO = 16
const ARPHRD_ETHER = 1
const AF_INET6 = 10

function compareMeta(key: number, bytes: Buffer): Expression[] {
  return [load({ from: 'meta', key }, 0), cmp('eq', bytes)]
}

/** The protocols that the statements of one rule so far have settled. */
export class Protocols {
  readonly #family: Family
  #network: 'ip' | 'ip6' | undefined
  #transport: number | undefined
  #ether: boolean

  constructor(family: Family) {
    this.#family = family
    this.#network = family === 'ip' || family === 'ip6' ? family : undefined
    this.#ether = family === 'bridge'
  }

  /** The checks to insert before something that needs `protocol`. Throws TypeError when the rule excludes it. */
  need(protocol: Protocol | undefined, text: string): Expression[] {
    if (protocol === undefined) return []
    if (protocol === 'ip' || protocol === 'ip6') return this.#needNetwork(protocol, text)
    return protocol === 'ether' ? this.#needEther() : this.#needTransport(protocol, text)
  }

  /** Takes note of an equality that settles a protocol for the rest of the rule. */
  settle(field: Field, bytes: Buffer): void {
    if (field.decides === 'network') this.#network = bytes[0] === AF_INET6 ? 'ip6' : 'ip'
    if (field.decides === 'transport') this.#transport = bytes[0]
  }

  #needNetwork(wanted: 'ip' | 'ip6', text: string): Expression[] {
    if (this.#network === wanted) return []
    if (this.#network || this.#family === 'arp') {
      throw new TypeError(`'${text}' can match nothing here: the rule is for ${this.#network ?? 'arp'} only`)
    }
    this.#network = wanted
    if (this.#family !== 'inet') return compareMeta(META_PROTOCOL, fieldBytes(dataTypes.ether_type, wanted))
    return compareMeta(META_NFPROTO, fieldBytes(dataTypes.nf_proto, wanted === 'ip' ? 'ipv4' : 'ipv6'))
  }

  #needTransport(wanted: keyof typeof transports, text: string): Expression[] {
    if (this.#transport === transports[wanted]) return []
    if (this.#transport !== undefined) {
      throw new TypeError(`'${text}' can match nothing here: the rule is for protocol ${this.#transport} only`)
    }
    const network = wanted === 'icmpv6' ? 'ip6' : wanted === 'icmp' ? 'ip' : undefined
    const first = network ? this.#needNetwork(network, text) : []
    this.#transport = transports[wanted]
    return [...first, ...compareMeta(META_L4PROTO, Buffer.of(transports[wanted]))]
  }

  #needEther(): Expression[] {
    if (this.#ether) return []
    this.#ether = true
    return compareMeta(META_IIFTYPE, Buffer.of(ARPHRD_ETHER, 0))
  }
}
