// Rules as expressions, the way nft generates them: the same registers, the same implied protocol checks, so that `nft`
// lists a rule as a person would have typed it.
import { dynset, log, notrack, reject, stateful } from './actions.ts'
import { type AnonymousSet, anonymousSet, type Entry } from './anonymous.ts'
import { dataTypes, fieldBytes } from './datatypes.ts'
import { type Expression, immediate, lookup, store, toBigEndian, verdict } from './expressions.ts'
import { loadAll, match, matchPresence, matchRange } from './matches.ts'
import type { Family, Rule } from './model.ts'
import { Protocols } from './protocols.ts'
import { type Selector, selectorText } from './selectors.ts'
import type { RejectOptions, SetField, Statement } from './statements.ts'

/** A rule as the kernel takes it: the anonymous sets that it brings along, then its expressions. */
export interface CompiledRule {
  readonly sets: readonly AnonymousSet[]
  readonly expressions: readonly Expression[]
}

const META_MARK = 3
const CT_MARK = 3

const rejectNeeds = { 'tcp reset': 'tcp', icmp: 'ip', icmpv6: 'ip6', icmpx: undefined } as const

class RuleCompiler {
  readonly sets: AnonymousSet[] = []
  readonly expressions: Expression[] = []
  readonly #protocols: Protocols

  constructor(family: Family) {
    this.#protocols = new Protocols(family)
  }

  /** Compiles the next statement. */
  add(statement: Statement): void {
    if (statement.kind === 'reject') this.#implied(statement.options)
    this.expressions.push(...this.#compile(statement))
  }

  /** What `reject` implies comes first in the rule: else what it does not apply to would be logged and counted before. */
  #implied(options: RejectOptions): void {
    const checks = this.#protocols.need(rejectNeeds[options.with], `reject with ${options.with}`)
    this.expressions.unshift(...checks)
  }

  #compile(statement: Statement): Expression[] {
    switch (statement.kind) {
      case 'verdict':
        return [verdict(statement)]
      case 'match':
        return match(statement, this.#protocols)
      case 'range':
        return matchRange(statement, this.#protocols)
      case 'presence':
        return matchPresence(statement, this.#protocols)
      case 'lookup':
        return [...loadAll(statement.selector, this.#protocols), lookup(statement.set, statement.negated)]
      case 'membership':
        return this.#anonymous(
          statement.selector,
          statement.values.map((value): Entry => [value]),
          statement.negated,
        )
      case 'vmap':
        if (typeof statement.to !== 'string') return this.#anonymous(statement.selector, statement.to, false)
        return [...loadAll(statement.selector, this.#protocols), lookup(statement.to, false, true)]
      case 'dynset':
        return [...loadAll(statement.key, this.#protocols), dynset(statement)]
      case 'set':
        return this.#set(statement)
      default:
        return [this.#act(statement)]
    }
  }

  #act(
    statement: Extract<Statement, { kind: 'counter' | 'limit' | 'connlimit' | 'log' | 'reject' | 'notrack' }>,
  ): Expression {
    switch (statement.kind) {
      case 'log':
        return log(statement.options)
      case 'reject':
        return reject(statement.options)
      case 'notrack':
        return notrack
      default:
        return stateful(statement)
    }
  }

  #anonymous(selector: Selector, entries: readonly Entry[], negated: boolean): Expression[] {
    if (entries.length === 0) throw new TypeError(`${selectorText(selector)}: write at least one value`)
    const { set, swap } = anonymousSet(selector, entries)
    this.sets.push(set)
    const loaded = loadAll(selector, this.#protocols)
    if (swap) loaded.push(toBigEndian(swap.length))
    return [...loaded, lookup(set, negated, set.map)]
  }

  #set({ target, value }: SetField): Expression[] {
    const from =
      typeof value === 'object' ? loadAll(value, this.#protocols) : [immediate(fieldBytes(dataTypes.mark, value))]
    return [...from, target === 'meta mark' ? store('meta', META_MARK) : store('ct', CT_MARK)]
  }
}

/**
 * Compiles a rule for a chain of a table of `family`. Throws TypeError or RangeError that names the statement when a value
 * does not fit its field or two statements exclude each other.
 */
export function compileRule(family: Family, rule: Rule): CompiledRule {
  const compiler = new RuleCompiler(family)
  for (const statement of rule.statements) compiler.add(statement)
  return { sets: compiler.sets, expressions: compiler.expressions }
}
