import {
  AcuseError,
  type Clock,
  type Delivery,
  messageOf,
  type Sink,
  type Source,
  type Subscription,
} from '@acuse/core'
import type { MemoryPartition, OpenDelivery } from './memory-partition.ts'

/** What a subscription needs of its group. */
export interface Membership {
  ownedBy(member: MemorySubscription): readonly MemoryPartition[]
  leave(member: MemorySubscription): void
}

/** One consumer in a group: takes what its partitions hold, never more than `prefetch` at once. */
export class MemorySubscription implements Subscription {
  readonly instance: string
  readonly source: Source
  readonly sink: Sink
  readonly #group: Membership
  readonly #clock: Clock
  readonly #onError: (error: AcuseError) => void
  #state: 'live' | 'stopping' | 'gone' = 'live'
  #paused = false
  #pumpQueued = false
  #stopped: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(
    group: Membership,
    options: {
      readonly instance: string
      readonly source: Source
      readonly sink: Sink
      readonly clock: Clock
      readonly onError: (error: AcuseError) => void
    },
  ) {
    this.#group = group
    this.instance = options.instance
    this.source = options.source
    this.sink = options.sink
    this.#clock = options.clock
    this.#onError = options.onError
  }

  /** Whether it may be given partitions. */
  get takesPartitions(): boolean {
    return this.#state === 'live'
  }

  get gone(): boolean {
    return this.#state === 'gone'
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.wake()
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#drain(deadlineMs)
    return this.#stopped
  }

  /** Ends it without letting go: nothing more is delivered, and what it settles from now on counts for nothing. */
  vanish(): void {
    this.#state = 'gone'
    this.#onIdle?.()
  }

  /** Something may be there to deliver. Delivers after the current work, never from within an append or an ack. */
  wake(): void {
    if (this.#pumpQueued) return
    this.#pumpQueued = true
    queueMicrotask(() => {
      this.#pumpQueued = false
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.#state !== 'live' || this.#paused) return
    const batch: Delivery[] = []
    for (let room = this.source.prefetch - this.#inFlight(); room > 0; room--) {
      const next = this.#next()
      if (next === undefined) break
      batch.push(this.#hand(next.partition, next.delivery))
    }
    if (batch.length === 0) return
    try {
      this.sink.deliver(batch)
    } catch (cause) {
      this.#onError(new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', `A sink threw: ${messageOf(cause)}`, { cause }))
    }
  }

  /** The highest lane first; within it the oldest. */
  #next(): { readonly partition: MemoryPartition; readonly delivery: OpenDelivery } | undefined {
    let best: { readonly partition: MemoryPartition; readonly delivery: OpenDelivery } | undefined
    for (const partition of this.#group.ownedBy(this)) {
      if (partition.revoking || (best !== undefined && partition.lane < best.partition.lane)) continue
      const delivery = partition.peek(this.source.types)
      if (delivery === undefined) continue
      const higher = best === undefined || partition.lane > best.partition.lane
      if (higher || delivery.entry.position < (best?.delivery.entry.position ?? 0)) best = { partition, delivery }
    }
    return best
  }

  #hand(partition: MemoryPartition, delivery: OpenDelivery): Delivery {
    const token = {}
    partition.take(delivery, token)
    const settle = (outcome: 'acked' | 'released'): void => {
      // Settled before, or given to another owner meanwhile.
      if (this.gone || delivery.token !== token) return
      partition.settle(delivery, outcome)
      if (this.#inFlight() === 0) this.#onIdle?.()
      // A sink that releases whatever it gets must not keep the event loop from everything else.
      if (outcome === 'released') setImmediate(() => this.wake())
      else this.wake()
    }
    return {
      message: delivery.entry.message,
      partition: partition.name,
      redelivered: delivery.suspect,
      ack: () => settle('acked'),
      release: () => settle('released'),
    }
  }

  #inFlight(): number {
    return this.#group.ownedBy(this).reduce((sum, partition) => sum + partition.inFlight, 0)
  }

  async #drain(deadlineMs: number): Promise<void> {
    if (this.#state === 'gone') return
    this.#state = 'stopping'
    if (this.#inFlight() > 0 && deadlineMs > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.after(deadlineMs, resolve)
        this.#onIdle = () => {
          cancel()
          resolve()
        }
      })
    }
    // Vanished while it waited: the group has taken its partitions already.
    if (this.gone) return
    this.vanish()
    this.#group.leave(this)
  }
}
