// Batches: how a transaction travels. Its messages stand between NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END, both with the
// subsystem as resource id; the kernel applies all or none, and every error names the message that it is about.
import { Batch, NLM_F_ACK } from './netlink/index.ts'
import type { Emulation, Sink, Transaction } from './transaction.ts'
import { familyHeader, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES } from './wire.ts'

class BatchSink implements Sink {
  readonly emulation: Emulation | undefined
  readonly #batch = new Batch(2048)
  #held: Parameters<Sink['message']> | undefined
  #sets = 0

  constructor(emulation: Emulation | undefined) {
    this.emulation = emulation
    this.#batch.add('begin transaction', NFNL_MSG_BATCH_BEGIN, 0, w => familyHeader(w, 0, NFNL_SUBSYS_NFTABLES))
  }

  message(...message: Parameters<Sink['message']>): void {
    this.#flush(0)
    this.#held = message
  }

  nextSetId(): number {
    return ++this.#sets
  }

  /** The last message asks for the acknowledgement of all: one answer, however large the transaction is. */
  finish(): Batch | undefined {
    if (!this.#held) return undefined
    this.#flush(NLM_F_ACK)
    return this.#batch.add('end transaction', NFNL_MSG_BATCH_END, 0, w => familyHeader(w, 0, NFNL_SUBSYS_NFTABLES))
  }

  #flush(extra: number): void {
    if (!this.#held) return
    const [operation, type, flags, write] = this.#held
    this.#batch.add(operation, type, flags | extra, write)
  }
}

/** The batch of one transaction or several as one; undefined when they have no messages. Throws for elements that cannot be. */
export function toBatch(transactions: readonly Transaction[], emulation?: Emulation): Batch | undefined {
  const sink = new BatchSink(emulation)
  for (const transaction of transactions) transaction.write(sink)
  return sink.finish()
}
