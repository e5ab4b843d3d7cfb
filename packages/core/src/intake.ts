import type { Clock } from './clock.ts'
import { point } from './diagnostics.ts'
import { AcuseError, messageOf } from './errors.ts'
import type { WireMessage } from './message.ts'
import type { Delivery, Sink } from './transport.ts'

/** A message as a broker has handed it over. */
export interface Received {
  readonly message: WireMessage
  /** As in `Delivery`. */
  readonly redelivered: boolean
  /** Tells the broker that it is done with. Called once, and never after its partition was lost. */
  readonly ack: () => void
}

export interface IntakeOptions {
  readonly group: string
  readonly sink: Sink
  readonly prefetch: number
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

interface Entry<R> {
  readonly received: R
  readonly partition: Partition<R>
  /** Counts what has arrived, through all partitions. */
  readonly place: number
  state: 'waiting' | 'out' | 'settled'
  /** When it last went out or came back, counted through all of them. */
  moved: number
}

interface Partition<R> {
  readonly name: string
  readonly lane: number
  /** What has never been out, in order, from `next` on. */
  fresh: Entry<R>[]
  next: number
  /** What was released and waits to be delivered again, in the order of its arrival. */
  readonly released: Entry<R>[]
  /** Nothing of it is delivered while it is given up. */
  revoking: boolean
  lost: boolean
}

/**
 * What stands between a broker's consumer and the sink: keeps what has arrived until there is room, at most `prefetch` out at once,
 * higher lanes first, and keeps what was released in its place, so that nothing of its key overtakes it.
 */
export class Intake<R extends Received = Received> {
  readonly #options: IntakeOptions
  readonly #partitions = new Map<string, Partition<R>>()
  readonly #out = new Set<Entry<R>>()
  #arrived = 0
  #moves = 0
  #paused = false
  #stopped = false
  #asked = false
  #onIdle: (() => void)[] = []

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Opens a partition, or opens it anew after it was lost. A higher lane is delivered first. */
  open(name: string, lane = 0): void {
    this.#partitions.set(name, { name, lane, fresh: [], next: 0, released: [], revoking: false, lost: false })
  }

  /** Takes what has arrived of a partition, in order. It is delivered after the current work, never from within this call. */
  add(name: string, received: readonly R[]): void {
    const partition = this.#partitions.get(name)
    if (partition === undefined) return
    for (const one of received) {
      partition.fresh.push({ received: one, partition, place: this.#arrived++, state: 'waiting', moved: 0 })
    }
    this.#ask()
  }

  /** Whether there is anything that the sink has not settled. */
  get idle(): boolean {
    return this.#out.size === 0
  }

  /** How many of a partition have arrived and are not out. */
  waiting(name: string): number {
    const partition = this.#partitions.get(name)
    return partition === undefined ? 0 : partition.fresh.length - partition.next + partition.released.length
  }

  /** What has arrived of a partition and was never begun, in order. */
  unbegun(name: string): readonly R[] {
    const partition = this.#partitions.get(name)
    if (partition === undefined) return []
    const entries = [...partition.released, ...partition.fresh.slice(partition.next)]
    return entries.toSorted((one, other) => one.place - other.place).map(({ received }) => received)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#ask()
  }

  /**
   * Gives a partition up, for which the sink has to let go of it. What it settles meanwhile counts. Gives what was never begun.
   */
  async give(name: string): Promise<readonly R[]> {
    return this.#revoke(name, false)
  }

  /**
   * The broker has taken a partition away, as by a break: what the sink settles of it from now on changes nothing. Resolves when the
   * sink has let go, with what was never begun.
   */
  async lose(name: string): Promise<readonly R[]> {
    return this.#revoke(name, true)
  }

  /** Delivers nothing more; resolves when all is settled, at the latest after `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true
    if (this.#out.size === 0) return
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(deadlineMs, resolve)
      this.#onIdle.push(() => {
        cancel()
        resolve()
      })
    })
  }

  /** What is settled from now on changes nothing. */
  close(): void {
    this.#stopped = true
    for (const partition of this.#partitions.values()) partition.lost = true
  }

  async #revoke(name: string, lost: boolean): Promise<readonly R[]> {
    const partition = this.#partitions.get(name)
    if (partition === undefined) return []
    partition.revoking = true
    if (lost) {
      partition.lost = true
      for (const entry of this.#out) if (entry.partition === partition) this.#out.delete(entry)
      this.#tellIdle()
    }
    try {
      await this.#options.sink.revoke(name)
    } catch (cause) {
      const text = `group ${this.#options.group}: the sink failed to let go of ${name}: ${messageOf(cause)}`
      this.#options.onError(new AcuseError('ACUSE_LEASE_LOST', text, { cause }))
    }
    const unbegun = this.unbegun(name)
    partition.lost = true
    this.#partitions.delete(name)
    return unbegun
  }

  #ask(): void {
    if (this.#asked) return
    this.#asked = true
    setImmediate(() => {
      this.#asked = false
      this.#deliver()
    })
  }

  #deliver(): void {
    const { prefetch, sink, group, onError } = this.#options
    if (this.#paused || this.#stopped) return
    const batch: Delivery[] = []
    while (this.#out.size < prefetch) {
      const entry = this.#take()
      if (entry === undefined) break
      entry.state = 'out'
      entry.moved = ++this.#moves
      this.#out.add(entry)
      batch.push(this.#deliveryOf(entry))
    }
    if (batch.length === 0) return
    try {
      sink.deliver(batch)
    } catch (cause) {
      const text = `group ${group}: the sink threw: ${messageOf(cause)}`
      onError(new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text, { cause }))
    }
  }

  /** Takes the next one out of what waits: of the highest lane the one that arrived first. */
  #take(): Entry<R> | undefined {
    let best: { readonly partition: Partition<R>; readonly entry: Entry<R> } | undefined
    for (const partition of this.#partitions.values()) {
      if (partition.revoking || (best !== undefined && partition.lane < best.partition.lane)) continue
      const entry = this.#head(partition)
      if (entry === undefined) continue
      if (best === undefined || partition.lane > best.partition.lane || entry.place < best.entry.place) {
        best = { partition, entry }
      }
    }
    if (best !== undefined) remove(best.partition, best.entry)
    return best?.entry
  }

  /** The first of a partition that may be delivered. Whatever was released holds back all of its key that came later. */
  #head({ released, fresh, next }: Partition<R>): Entry<R> | undefined {
    if (released.length === 0) return fresh[next]
    const held = new Set<string>()
    for (const entry of released) {
      const key = keyOf(entry)
      if (key === null) return entry
      if (!held.has(key) && !this.#hasEarlierOut(entry, key)) return entry
      held.add(key)
    }
    for (let at = next; at < fresh.length; at++) {
      const entry = fresh[at]
      const key = entry === undefined ? null : keyOf(entry)
      if (key === null || !held.has(key)) return entry
    }
    return undefined
  }

  /** An earlier one that is out since before this one came back may come back too, and has to go first then. */
  #hasEarlierOut({ place, moved, partition }: Entry<R>, key: string): boolean {
    for (const other of this.#out) {
      const isEarlier = other.place < place && other.moved < moved
      if (isEarlier && other.partition === partition && keyOf(other) === key) return true
    }
    return false
  }

  #deliveryOf(entry: Entry<R>): Delivery {
    const { received, partition } = entry
    return {
      message: received.message,
      partition: partition.name,
      redelivered: received.redelivered,
      ack: () => {
        if (!this.#settle(entry, 'settled') || partition.lost) return
        point('transport.beforeAck')
        received.ack()
        point('transport.afterAck')
      },
      release: () => {
        if (!this.#settle(entry, 'waiting')) return
        putBack(partition.released, entry)
      },
    }
  }

  #settle(entry: Entry<R>, state: Entry<R>['state']): boolean {
    if (entry.state !== 'out') return false
    entry.state = state
    entry.moved = ++this.#moves
    this.#out.delete(entry)
    this.#ask()
    this.#tellIdle()
    return true
  }

  #tellIdle(): void {
    if (this.#out.size > 0 || this.#onIdle.length === 0) return
    for (const tell of this.#onIdle.splice(0)) tell()
  }
}

function keyOf({ received }: Entry<Received>): string | null {
  const { stream, key } = received.message
  return key === null ? null : `${stream}\u0000${key}`
}

function putBack<R>(released: Entry<R>[], entry: Entry<R>): void {
  const at = released.findLastIndex(({ place }) => place < entry.place)
  released.splice(at + 1, 0, entry)
}

/** Emptied in steps: taking from the front of a long array moves all that follows. */
const mostTaken = 1_024

function remove<R>(partition: Partition<R>, entry: Entry<R>): void {
  const { released, fresh, next } = partition
  const again = released.indexOf(entry)
  if (again !== -1) {
    released.splice(again, 1)
  } else if (fresh[next] === entry) {
    partition.next++
    if (partition.next >= mostTaken || partition.next === fresh.length) {
      partition.fresh = fresh.slice(partition.next)
      partition.next = 0
    }
  } else {
    fresh.splice(fresh.indexOf(entry), 1)
  }
}
