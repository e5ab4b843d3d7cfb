import { NotInTransactionError } from '@acuse/core'
import { abortedError } from './memory-errors.ts'
import type { RowLocks } from './row-locks.ts'

/** What a transaction changes: it keeps each transaction's writes to itself until they are committed. */
export interface Participant {
  /** Throws when committing would lose somebody else's write. */
  check(tx: Transaction): void
  commit(tx: Transaction): void
  rollback(tx: Transaction): void
}

/** A test's own rows, as one transaction sees them. Values are copied on the way in and out, so that a rollback leaves nothing behind. */
export interface MemoryTable<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
  /** Gives whether it was there. */
  delete(key: string): boolean
  entries(): readonly (readonly [string, Value])[]
}

/** An open transaction of the in-memory store: what handlers get as `tx`. */
export interface MemoryTx {
  /**
   * A place for a test's own rows, made when first named. What the transaction read and then wrote must not have been changed by another one
   * meanwhile: committing fails with a conflict, which the bus repeats without spending an attempt.
   */
  table<Value>(name: string): MemoryTable<Value>
  /** Waits until no other open transaction holds `name`, then holds it to the end, as `select … for update` does. */
  lock(name: string): Promise<void>
}

type TransactionState = 'open' | 'aborted' | 'committed' | 'rolled back'

/** One transaction. Its writes become visible all at once, and only when it commits. */
export class Transaction implements MemoryTx {
  readonly instance: string
  #state: TransactionState = 'open'
  #failure: unknown
  readonly #locks: RowLocks
  readonly #participants = new Set<Participant>()
  readonly #tableOf: (tx: Transaction, name: string) => MemoryTable<unknown>

  constructor(instance: string, locks: RowLocks, tableOf: (tx: Transaction, name: string) => MemoryTable<unknown>) {
    this.instance = instance
    this.#locks = locks
    this.#tableOf = tableOf
  }

  /** Committed or rolled back. */
  get over(): boolean {
    return this.#state === 'committed' || this.#state === 'rolled back'
  }

  table<Value>(name: string): MemoryTable<Value> {
    // The name stands for the type, as in every database: the test that names a table knows its rows.
    return this.#tableOf(this, name) as MemoryTable<Value>
  }

  async lock(name: string): Promise<void> {
    try {
      await this.lockRow(`lock of the test/${name}`)
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  /** Waits for the row; fails when the transaction is over by then. */
  async lockRow(row: string): Promise<void> {
    this.assertUsable()
    await this.#locks.acquire(this, row)
    this.assertUsable()
  }

  /** Locks the row unless somebody else has it, as `for update skip locked` does. Gives whether it is locked now. */
  tryLockRow(row: string): boolean {
    this.assertUsable()
    return this.#locks.tryAcquire(this, row)
  }

  join(participant: Participant): void {
    this.assertUsable()
    this.#participants.add(participant)
  }

  /** Throws unless a statement may run. */
  assertUsable(): void {
    if (this.#failure !== undefined) throw abortedError(this.#failure)
    if (this.#state !== 'open') throw new NotInTransactionError(`a transaction that is ${this.#state}`)
  }

  /** A statement failed: nothing more can be done but roll back. */
  fail(cause: unknown): void {
    if (this.#state !== 'open') return
    this.#state = 'aborted'
    this.#failure = cause ?? new Error('a statement failed')
  }

  /** Makes every write visible, or throws and has none. */
  commit(): void {
    try {
      this.assertUsable()
      for (const participant of this.#participants) participant.check(this)
    } catch (error) {
      this.rollback()
      throw error
    }
    this.#state = 'committed'
    for (const participant of this.#participants) participant.commit(this)
    this.#locks.releaseAll(this)
  }

  /** Drops every write. Does nothing when the transaction is over. */
  rollback(): void {
    if (this.over) return
    this.#state = 'rolled back'
    for (const participant of this.#participants) participant.rollback(this)
    this.#locks.releaseAll(this)
  }
}
