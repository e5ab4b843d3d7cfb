import { MemoryConflictError } from './memory-errors.ts'

interface Waiter {
  readonly owner: object
  readonly grant: () => void
  readonly refuse: (reason: Error) => void
}

interface Lock {
  holder: object
  readonly waiters: Waiter[]
}

/**
 * Locks on single rows, held until their transaction ends, as in PostgreSQL: whoever comes second waits,
 * and of those who wait for each other in a circle the last one fails.
 */
export class RowLocks {
  readonly #locks = new Map<string, Lock>()

  /** Resolves once `owner` holds `row`. Rejects with a conflict when waiting would close a circle. */
  async acquire(owner: object, row: string): Promise<void> {
    if (this.tryAcquire(owner, row)) return
    const lock = this.#locks.get(row)
    if (lock === undefined) return
    if (this.#waitsFor(lock.holder, owner)) throw new MemoryConflictError(`deadlock detected on ${row}`)
    await new Promise<void>((grant, refuse) => lock.waiters.push({ owner, grant, refuse }))
  }

  /** Locks `row` for `owner` if that needs no waiting. */
  tryAcquire(owner: object, row: string): boolean {
    const lock = this.#locks.get(row)
    if (lock === undefined) this.#locks.set(row, { holder: owner, waiters: [] })
    return lock === undefined || lock.holder === owner
  }

  /** Lets go of everything `owner` holds and refuses what it still waits for. */
  releaseAll(owner: object): void {
    for (const [row, lock] of this.#locks) {
      this.#stopWaiting(lock, owner)
      if (lock.holder === owner) this.#handOn(row, lock)
    }
  }

  #stopWaiting(lock: Lock, owner: object): void {
    for (let index = lock.waiters.length - 1; index >= 0; index--) {
      if (lock.waiters[index]?.owner !== owner) continue
      const [waiter] = lock.waiters.splice(index, 1)
      waiter?.refuse(new MemoryConflictError('the transaction ended while it waited for a row'))
    }
  }

  #handOn(row: string, lock: Lock): void {
    const next = lock.waiters.shift()
    if (next === undefined) {
      this.#locks.delete(row)
      return
    }
    lock.holder = next.owner
    next.grant()
    // The same transaction may wait for one row in two places.
    for (let index = lock.waiters.length - 1; index >= 0; index--) {
      if (lock.waiters[index]?.owner === next.owner) lock.waiters.splice(index, 1)[0]?.grant()
    }
  }

  /** Whether `waiting`, directly or through others, waits for a row that `holder` holds. */
  #waitsFor(waiting: object, holder: object, seen: Set<object> = new Set()): boolean {
    if (waiting === holder) return true
    if (seen.has(waiting)) return false
    seen.add(waiting)
    for (const lock of this.#locks.values()) {
      const waits = lock.waiters.some((waiter) => waiter.owner === waiting)
      if (waits && this.#waitsFor(lock.holder, holder, seen)) return true
    }
    return false
  }
}
