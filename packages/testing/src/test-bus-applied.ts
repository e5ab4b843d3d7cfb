import type { Store, StoreFactory, WireMessage } from '@acuse/core'
import { type MemoryTx, type Participant, Transaction } from './memory-transaction.ts'

/** A message whose effects a group has committed. */
export interface AppliedWire {
  readonly group: string
  readonly attempts: number
  readonly wire: WireMessage
}

/** What the transactions of one bus have applied, in the order they committed. */
export class AppliedMessages implements Participant {
  readonly #committed: AppliedWire[] = []
  readonly #uncommitted = new Map<Transaction, AppliedWire[]>()

  get all(): readonly AppliedWire[] {
    return this.#committed
  }

  note(tx: MemoryTx, message: AppliedWire): void {
    if (!(tx instanceof Transaction)) return
    tx.join(this)
    this.#uncommitted.set(tx, [...(this.#uncommitted.get(tx) ?? []), message])
  }

  check(_tx: Transaction): void {
    // Looking on never conflicts.
  }

  commit(tx: Transaction): void {
    this.#committed.push(...(this.#uncommitted.get(tx) ?? []))
    this.#uncommitted.delete(tx)
  }

  rollback(tx: Transaction): void {
    this.#uncommitted.delete(tx)
  }
}

/** The store, noting in `applied` what its transactions apply: fresh messages, and parked ones that are done. */
export function noteApplied(open: StoreFactory<MemoryTx>, applied: AppliedMessages): StoreFactory<MemoryTx> {
  return async (context) => {
    const store = await open(context)
    return { ...store, inbox: notingInbox(store.inbox, applied), parked: notingParked(store.parked, applied) }
  }
}

function notingInbox(inbox: Store<MemoryTx>['inbox'], applied: AppliedMessages): Store<MemoryTx>['inbox'] {
  return {
    ...inbox,
    async accept(tx, group, items) {
      const verdicts = await inbox.accept(tx, group, items)
      for (const [index, { message }] of items.entries()) {
        if (verdicts[index] === 'new') applied.note(tx, { group, attempts: 1, wire: message })
      }
      return verdicts
    },
  }
}

function notingParked(parked: Store<MemoryTx>['parked'], applied: AppliedMessages): Store<MemoryTx>['parked'] {
  return {
    ...parked,
    async complete(tx, group, claim) {
      const held = await parked.complete(tx, group, claim)
      if (held) applied.note(tx, { group, attempts: claim.attempts + 1, wire: claim.message })
      return held
    },
  }
}
