// A host of slash64 in a namespace: the real kernel room, driven by a state that the test writes.
import { createHash } from 'node:crypto'
import type { Rule, Ruleset } from 'nftables-js'
import { type GroupBits, localGroup, namedGroup } from '../../src/address/group.ts'
import { containerMac, endpointAddress, groupPool, hostMac, linkName } from '../../src/address/plan.ts'
import { type HostPrefix, parseHostPrefix } from '../../src/address/prefix.ts'
import { diff } from '../../src/dataplane/diff.ts'
import { hostItems } from '../../src/dataplane/host.ts'
import type { Item } from '../../src/dataplane/item.ts'
import type { RulesetOptions } from '../../src/dataplane/options.ts'
import { project } from '../../src/dataplane/project.ts'
import { hostTables } from '../../src/dataplane/ruleset.ts'
import { Kernel } from '../../src/kernel/kernel.ts'
import { parseAllow } from '../../src/policy/allow.ts'
import type { PublishedPort } from '../../src/policy/published.ts'
import type { Endpoint, EndpointId, Network, NetworkId, PoolId } from '../../src/state/model.ts'
import { bornName } from '../../src/state/names.ts'
import { loadedState, type State } from '../../src/state/state.ts'
import type { Netns } from './netns.ts'
import { nftCommands } from './nft.ts'

export const TABLE = { family: 'inet', name: 'slash64' } as const

/** From where frames are sent and where they are caught: a link of a namespace, and the way out of it. */
export interface Place {
  readonly ns: Netns
  readonly link: string
  readonly mac: string
  /** MAC of the next hop. */
  readonly via: string
  readonly address: string
}

/** A rule by its name: chain, number within it from 1, and its comment, such as `decide 7: -p`. */
export interface NamedRule {
  readonly name: string
  readonly table: string
  readonly chain: string
  readonly index: number
  readonly rule: Rule
}

/** The rules of a ruleset in their order, each with a name. */
export function namedRules(rulesets: readonly Ruleset[]): NamedRule[] {
  return rulesets.flatMap(({ table, chains }) =>
    chains.flatMap(({ name: chain, rules }) =>
      rules.map((rule, index) => {
        const place = `${table.family === 'inet' ? '' : `${table.family} `}${chain} ${index + 1}`
        const name = rule.comment === undefined ? place : `${place}: ${rule.comment}`
        return { name, table: table.family, chain, index, rule }
      }),
    ),
  )
}

export class Host implements Disposable {
  readonly ns: Netns
  readonly prefix: HostPrefix
  readonly kernel: Kernel
  readonly errors: unknown[] = []
  options: RulesetOptions
  /** The last items that the kernel was given. */
  items: readonly Item[] = []
  /** Changes the rulesets on their way into the kernel. */
  transform: (ruleset: Ruleset) => Ruleset = ruleset => ruleset
  readonly #networks = new Map<string, Network>()
  readonly #endpoints = new Map<string, Endpoint>()

  constructor(ns: Netns, prefix: string, options: Partial<RulesetOptions>) {
    this.ns = ns
    this.prefix = parseHostPrefix(prefix, { allowDocumentation: true })
    this.options = { prefixes: [prefix], fleet: [prefix], uplinks: ['lo'], flowsFrom: 1000, flowsTo: 1000, ...options }
    this.kernel = ns.enter(() => new Kernel({ onError: error => this.errors.push(error) }))
    this.kernel.fleet = this.options.fleet
  }

  /** A network of the group `name`; of a group of this host only when the name is in capitals. */
  network(name: string, allow = '', options: Partial<Network> = {}): Network {
    const local = name === name.toUpperCase()
    const bits: GroupBits = local ? localGroup(digest(name).readUInt32BE() >>> 1).bits : namedGroup(name).bits
    const network: Network = {
      id: digest(`${this.prefix.text} ${name}`).toString('hex') as NetworkId,
      pool: groupPool(this.prefix, bits) as string as PoolId,
      prefix: this.prefix.text,
      group: bits,
      ...(!local && { groupName: name }),
      allow: allow === '' ? [] : parseAllow(allow),
      ...options,
    }
    this.#networks.set(name, network)
    return network
  }

  /** A joined endpoint of a network; it comes with the next apply(). */
  endpoint(name: string, of: string, number: number, sandbox: Netns, published: readonly PublishedPort[] = []): Place {
    const network = this.#networks.get(of)
    if (!network) throw new Error(`no network ${of}`)
    const id = digest(`${this.prefix.text} ${of} ${name}`).toString('hex') as EndpointId
    const endpoint: Endpoint = {
      id,
      network: network.id,
      pool: network.pool,
      number,
      address: endpointAddress(this.prefix, network.group, number),
      mac: containerMac(id),
      published,
      sandbox: sandbox.path,
      phase: 'joined',
      boot: 'test',
    }
    this.#endpoints.set(name, endpoint)
    return { ns: sandbox, link: bornName(network), mac: endpoint.mac, via: hostMac(id), address: endpoint.address }
  }

  /** Changes an endpoint, or with undefined removes it; takes effect with the next apply(). */
  change(name: string, fields: Partial<Endpoint> | undefined): void {
    const endpoint = this.#endpoints.get(name)
    if (!endpoint) throw new Error(`no endpoint ${name}`)
    if (fields) this.#endpoints.set(name, { ...endpoint, ...fields })
    else this.#endpoints.delete(name)
  }

  /** Name of an endpoint's link on the host's side. */
  linkOf(name: string): string {
    return linkName(this.#endpoints.get(name)?.id ?? '')
  }

  get state(): State {
    return loadedState({ networks: [...this.#networks.values()], endpoints: [...this.#endpoints.values()], pools: [] })
  }

  /** What the kernel should hold now. */
  wanted(): Item[] {
    return project(this.state, hostItems(this.prefix, this.options)).map(item =>
      item.kind === 'table' && item.ruleset ? this.#transformed(item, item.ruleset) : item,
    )
  }

  /** Brings the kernel from what it was given last to what it should hold now. Throws what Kernel.apply throws. */
  apply(): void {
    const wanted = this.wanted()
    this.ns.enter(() => this.kernel.apply(diff(this.items, wanted)))
    this.items = wanted
  }

  /** The rules as they are wanted, changed or not. */
  rules(): NamedRule[] {
    return namedRules(hostTables(this.options))
  }

  /** Packets that a rule's counter saw; undefined for a rule without one. Only right while `transform` does nothing. */
  count(name: string): number | undefined {
    const wanted = this.rules().find(rule => rule.name === name)
    if (!wanted)
      throw new Error(
        `no rule "${name}"; there are ${this.rules()
          .map(rule => rule.name)
          .join(', ')}`,
      )
    const table = { family: wanted.table, name: 'slash64' } as typeof TABLE
    const rules = this.kernel.nft.listRules(table).filter(({ chain }) => chain === wanted.chain)
    return rules[wanted.index]?.counter?.packets
  }

  /** Runs nft on this host, as another program that knows nothing of slash64. Throws with what nft said. */
  nft(...words: readonly string[]): string {
    const [file = 'nft', ...args] = nftCommands()[0]?.argv ?? []
    return this.ns.exec(file, ...args, ...words)
  }

  [Symbol.dispose](): void {
    this.kernel.close()
  }

  #transformed(item: Item & { kind: 'table' }, ruleset: Ruleset): Item {
    const changed = this.transform(ruleset)
    return changed === ruleset ? item : { ...item, digest: `changed ${JSON.stringify(changed)}`, ruleset: changed }
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
