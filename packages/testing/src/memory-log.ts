import {
  type AcuseError,
  type Clock,
  partitionHash,
  priorities,
  type Sink,
  type Source,
  type Subscription,
  type WireMessage,
} from '@acuse/core'
import { MemoryGroup } from './memory-group.ts'
import type { MemorySubscription } from './memory-subscription.ts'
import type { Participant, Transaction } from './memory-transaction.ts'

/** One message in the log. Positions count from 0 in commit order, without gaps. */
export interface LogEntry {
  readonly position: number
  readonly at: number
  readonly lane: number
  readonly hash: number
  readonly message: WireMessage
}

/** An insert-only log that keeps its whole history, and the groups that read it. */
export class MemoryLog implements Participant {
  readonly #clock: Clock
  /** When it was made: it holds everything since. */
  readonly since: number
  readonly #entries: LogEntry[] = []
  readonly #groups = new Map<string, MemoryGroup>()
  readonly #uncommitted = new Map<Transaction, WireMessage[]>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.since = clock.now()
  }

  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  /** Appends at once. */
  append(messages: readonly WireMessage[]): void {
    if (messages.length === 0) return
    const at = this.#clock.now()
    for (const message of messages) {
      const lane = priorities.indexOf(message.priority)
      this.#entries.push({ position: this.#entries.length, at, lane, hash: partitionHash(message), message })
    }
    for (const group of this.#groups.values()) group.wake()
  }

  /** Appends when the transaction commits. */
  appendIn(tx: Transaction, messages: readonly WireMessage[]): void {
    tx.join(this)
    this.#uncommitted.set(tx, [...(this.#uncommitted.get(tx) ?? []), ...messages])
  }

  check(_tx: Transaction): void {
    // Appending never conflicts.
  }

  commit(tx: Transaction): void {
    const messages = this.#uncommitted.get(tx) ?? []
    this.#uncommitted.delete(tx)
    this.append(messages)
  }

  rollback(tx: Transaction): void {
    this.#uncommitted.delete(tx)
  }

  consume(instance: string, source: Source, sink: Sink, onError: (error: AcuseError) => void): MemorySubscription {
    const group = this.#groups.get(source.group) ?? new MemoryGroup(source.group, this.#entries, this.#clock)
    this.#groups.set(source.group, group)
    return group.join(instance, source, sink, onError)
  }

  /** The owner, or every subscription of the instance, vanishes without letting go. */
  crash(victim: string | Subscription): void {
    for (const group of this.#groups.values()) group.crash(victim)
  }

  /** What is delivered and not settled comes again to its owner, as after a lost connection. */
  dropConnections(): void {
    for (const group of this.#groups.values()) group.dropConnections()
  }
}
