import { type Clock, NotInTransactionError, type Subscription, systemClock, type WireMessage } from '@acuse/core'
import { storeGoneError } from './memory-errors.ts'
import { type MemoryFaultPoint, MemoryFaults } from './memory-faults.ts'
import { MemoryLog } from './memory-log.ts'
import { MemoryRows } from './memory-rows.ts'
import { TestTable } from './memory-table.ts'
import { type MemoryTx, Transaction } from './memory-transaction.ts'
import { RowLocks } from './row-locks.ts'

let databasesMade = 0

/** A database in memory, to be opened by any number of stores at once, each as a process of its own. */
export class MemoryDatabase {
  readonly identity: string = `memory:${++databasesMade}`
  /** The database's clock: every moment in it is this clock's. */
  readonly clock: Clock
  /** @internal */
  readonly log: MemoryLog
  /** @internal */
  readonly rows: MemoryRows = new MemoryRows()
  /** @internal */
  readonly faults: MemoryFaults = new MemoryFaults()
  readonly #locks = new RowLocks()
  readonly #tables = new Map<string, TestTable<unknown>>()
  readonly #open = new Set<Transaction>()
  readonly #crashed = new Set<string>()

  constructor(clock: Clock) {
    this.clock = clock
    this.log = new MemoryLog(clock)
  }

  /** The committed rows of a test's own table. */
  table(name: string): ReadonlyMap<string, unknown> {
    return this.#table(name).committed()
  }

  /** Everything in the log, in commit order. */
  appended(): readonly WireMessage[] {
    return this.log.entries.map(({ message }) => message)
  }

  /** The next call that comes to `point` throws `error`; several wait in line. */
  failNext(point: MemoryFaultPoint, error: Error): void {
    this.faults.failNext(point, error)
  }

  /**
   * A subscription, or everything the named instance has open, vanishes without letting go: transactions roll back, leases run out in their time,
   * and what was delivered but not settled goes to the next owner with `redelivered`.
   */
  crash(victim: string | Subscription): void {
    this.log.crash(victim)
    if (typeof victim !== 'string') return
    this.#crashed.add(victim)
    for (const tx of this.#open) if (tx.instance === victim) tx.rollback()
  }

  /** @internal */
  async transaction<R>(instance: string, work: (tx: Transaction) => Promise<R>): Promise<R> {
    this.assertAlive(instance)
    this.faults.hit('begin')
    const tx = new Transaction(instance, this.#locks, (asking, name) => this.#table(name).viewOf(asking))
    this.#open.add(tx)
    try {
      const result = await work(tx)
      this.assertAlive(instance)
      this.faults.hit('commit')
      tx.commit()
      this.faults.hit('afterCommit')
      return result
    } finally {
      tx.rollback()
      this.#open.delete(tx)
    }
  }

  /** Runs a statement in the caller's transaction; as in PostgreSQL nothing more can be done in it once one has failed. @internal */
  async statement<R>(candidate: MemoryTx, point: MemoryFaultPoint, run: (tx: Transaction) => Promise<R>): Promise<R> {
    const tx = asTransaction(candidate)
    this.assertAlive(tx.instance)
    tx.assertUsable()
    try {
      this.faults.hit(point)
      return await run(tx)
    } catch (error) {
      tx.fail(error)
      throw error
    }
  }

  /** Whether `candidate` is a transaction of this database that is not over, be it that a statement of it failed. @internal */
  isOpen(candidate: unknown): candidate is Transaction {
    return candidate instanceof Transaction && this.#open.has(candidate) && !candidate.over
  }

  /** @internal */
  assertAlive(instance: string): void {
    if (this.#crashed.has(instance)) throw storeGoneError(instance)
  }

  #table(name: string): TestTable<unknown> {
    const table = this.#tables.get(name) ?? new TestTable<unknown>(name)
    this.#tables.set(name, table)
    return table
  }
}

/** Makes an empty database whose time is `clock`'s. */
export function createMemoryDatabase(clock: Clock = systemClock): MemoryDatabase {
  return new MemoryDatabase(clock)
}

function asTransaction(candidate: MemoryTx): Transaction {
  if (candidate instanceof Transaction) return candidate
  throw new NotInTransactionError('something that is not a transaction of the in-memory store')
}
