import { MemoryConflictError } from './memory-errors.ts'
import type { MemoryTable, Participant, Transaction } from './memory-transaction.ts'

/** Rows by key, with each open transaction's changes beside them. Reads see what is committed and what the transaction wrote itself. */
export class Table<Row> implements Participant {
  readonly #committed = new Map<string, Row>()
  readonly #changes = new Map<Transaction, Map<string, Row | undefined>>()

  get(tx: Transaction, key: string): Row | undefined {
    tx.assertUsable()
    const changes = this.#changes.get(tx)
    return changes?.has(key) === true ? changes.get(key) : this.#committed.get(key)
  }

  set(tx: Transaction, key: string, row: Row): void {
    this.#change(tx, key, row)
  }

  /** Gives whether it was there. */
  delete(tx: Transaction, key: string): boolean {
    const found = this.get(tx, key) !== undefined
    if (found) this.#change(tx, key, undefined)
    return found
  }

  entries(tx: Transaction): readonly (readonly [string, Row])[] {
    tx.assertUsable()
    const changes = this.#changes.get(tx)
    if (changes === undefined) return [...this.#committed]
    const seen = new Map<string, Row | undefined>([...this.#committed, ...changes])
    return [...seen].filter((entry): entry is [string, Row] => entry[1] !== undefined)
  }

  rows(tx: Transaction): readonly Row[] {
    return this.entries(tx).map(([, row]) => row)
  }

  /** What is committed, for looking at from outside. */
  committed(): ReadonlyMap<string, Row> {
    return this.#committed
  }

  check(_tx: Transaction): void {
    // Rows of the framework's own tables are locked before they are read for writing.
  }

  commit(tx: Transaction): void {
    for (const [key, row] of this.#changes.get(tx) ?? []) {
      if (row === undefined) this.#committed.delete(key)
      else this.#committed.set(key, row)
    }
    this.#changes.delete(tx)
  }

  rollback(tx: Transaction): void {
    this.#changes.delete(tx)
  }

  /** The keys this transaction wrote. */
  writtenBy(tx: Transaction): ReadonlySet<string> {
    return new Set(this.#changes.get(tx)?.keys())
  }

  #change(tx: Transaction, key: string, row: Row | undefined): void {
    tx.join(this)
    const changes = this.#changes.get(tx) ?? new Map<string, Row | undefined>()
    this.#changes.set(tx, changes.set(key, row))
  }
}

/**
 * A table of the test's own. Handlers read and write it without waiting, so a lost update is found at commit:
 * the first of two transactions wins and the second one fails with a conflict.
 */
export class TestTable<Row> extends Table<Row> {
  readonly #readBy = new WeakMap<Transaction, Map<string, Row | undefined>>()
  readonly name: string

  constructor(name: string) {
    super()
    this.name = name
  }

  override get(tx: Transaction, key: string): Row | undefined {
    this.#remember(tx, key)
    return super.get(tx, key)
  }

  override entries(tx: Transaction): readonly (readonly [string, Row])[] {
    const entries = super.entries(tx)
    for (const [key] of entries) this.#remember(tx, key)
    return entries
  }

  override check(tx: Transaction): void {
    const read = this.#readBy.get(tx)
    for (const key of this.writtenBy(tx)) {
      if (read?.has(key) === true && read.get(key) !== this.committed().get(key)) {
        throw new MemoryConflictError(`row ${key} of ${this.name} was changed by another transaction after it was read`)
      }
    }
  }

  viewOf(tx: Transaction): MemoryTable<Row> {
    return {
      get: (key) => structuredClone(this.get(tx, key)),
      set: (key, value) => this.set(tx, key, structuredClone(value)),
      delete: (key) => this.delete(tx, key),
      entries: () => this.entries(tx).map(([key, row]) => [key, structuredClone(row)] as const),
    }
  }

  /** Rows are copied on every write, so a row is unchanged exactly if it is the same object (or the same plain value). */
  #remember(tx: Transaction, key: string): void {
    if (this.writtenBy(tx).has(key)) return
    const read = this.#readBy.get(tx) ?? new Map<string, Row | undefined>()
    this.#readBy.set(tx, read.set(key, this.committed().get(key)))
  }
}
