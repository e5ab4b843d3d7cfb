import { priorities, type Source } from '@acuse/core'
import type { LogEntry } from './memory-log.ts'
import type { MemorySubscription } from './memory-subscription.ts'

/** A relay reads streams that do not exist yet, so it spreads keys over a number of its own. */
const partitionsOfAll = 4

/** A message that was delivered and is not settled, or has to be delivered again. */
export interface OpenDelivery {
  readonly entry: LogEntry
  /** Identifies the one delivery that may settle it; null while it waits to be delivered again. */
  token: object | null
  /** An owner that did not let go cleanly may have begun it. */
  suspect: boolean
}

/** One lane of one partition, as one group reads it: the unit of ownership. */
export class MemoryPartition {
  readonly name: string
  /** null: every stream. */
  readonly stream: string | null
  /** Higher lanes are taken first. */
  readonly lane: number
  /** Counts the partitions of a stream through all lanes, so that they spread over the group's subscriptions. */
  readonly index: number
  owner: MemorySubscription | null = null
  /** Set while the owner is asked to let go. */
  revoking = false
  readonly #number: number
  readonly #of: number
  readonly #entries: readonly LogEntry[]
  #next: number
  /** In the order of the first delivery, which is that of the log. */
  readonly #open = new Map<number, OpenDelivery>()
  /** How many of them wait to be delivered again. */
  #waiting = 0

  constructor(
    stream: string | null,
    lane: number,
    number: number,
    of: number,
    entries: readonly LogEntry[],
    from: number,
  ) {
    this.name = `${stream ?? '*'}/${priorities[lane] ?? lane}/${number}`
    this.stream = stream
    this.lane = lane
    this.index = lane * of + number
    this.#number = number
    this.#of = of
    this.#entries = entries
    this.#next = from
  }

  /** How many are with the owner. */
  get inFlight(): number {
    return this.#open.size - this.#waiting
  }

  /** The next message for the owner, without taking it: first what comes again, in order, then what is new. */
  peek(types: Source['types']): OpenDelivery | undefined {
    if (this.#waiting > 0) {
      for (const delivery of this.#open.values()) if (delivery.token === null) return delivery
    }
    for (; this.#next < this.#entries.length; this.#next++) {
      const entry = this.#entries[this.#next]
      if (entry !== undefined && this.#holds(entry, types)) return { entry, token: null, suspect: false }
    }
    return undefined
  }

  /** Takes what `peek` gave. */
  take(delivery: OpenDelivery, token: object): void {
    delivery.token = token
    if (this.#open.has(delivery.entry.position)) this.#waiting--
    this.#open.set(delivery.entry.position, delivery)
    if (delivery.entry.position === this.#next) this.#next++
  }

  settle(delivery: OpenDelivery, outcome: 'acked' | 'released'): void {
    if (outcome === 'released') return this.#putBack(delivery)
    delivery.token = null
    this.#open.delete(delivery.entry.position)
  }

  /** Whatever is not settled comes again, as possibly begun. */
  abandon(): void {
    for (const delivery of this.#open.values()) {
      if (delivery.token === null) continue
      this.#putBack(delivery)
      delivery.suspect = true
    }
  }

  #putBack(delivery: OpenDelivery): void {
    delivery.token = null
    this.#waiting++
  }

  #holds({ message, lane, hash }: LogEntry, types: Source['types']): boolean {
    return (
      lane === this.lane &&
      hash % this.#of === this.#number &&
      (this.stream === null || message.stream === this.stream) &&
      (types === 'all' || types.includes(message.type))
    )
  }
}

/** Every lane and partition of a stream, starting at the log position `from`. */
export function partitionsOf(
  stream: { readonly name: string; readonly partitions: number } | null,
  entries: readonly LogEntry[],
  from: number,
): readonly MemoryPartition[] {
  const count = stream?.partitions ?? partitionsOfAll
  return priorities.flatMap((_, lane) =>
    Array.from(
      { length: count },
      (__, number) => new MemoryPartition(stream?.name ?? null, lane, number, count, entries, from),
    ),
  )
}
