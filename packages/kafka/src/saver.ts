import { type Clock, Loop } from '@acuse/core'
import type { Identity, Offsets, Partition } from './offsets.ts'
import type { PartitionReader } from './partition-reader.ts'
import type { Reporter } from './reporter.ts'
import type { StoredPlace } from './window.ts'

const everyMs = 100
const acksBetween = 500

export interface SaverOptions {
  readonly group: string
  readonly prefetch: number
  readonly offsets: Offsets
  readonly clock: Clock
  readonly reporter: Reporter
  readonly identity: () => Identity
  /** Those that are owned at the moment. */
  readonly readers: () => Iterable<PartitionReader>
  /** More may be given on. */
  readonly onSaved: () => void
}

/** How many messages may be begun past what is stored before it is stored again. */
function allowanceOf(prefetch: number): number {
  return prefetch + Math.min(Math.max(prefetch, 50), acksBetween)
}

/** Stores the group's places: in batches, one at a time, so that an older one never follows a newer one. */
export class Saver {
  readonly #options: SaverOptions
  readonly #allowance: number
  readonly #loop: Loop
  #turn: Promise<unknown> = Promise.resolve()
  #acks = 0

  constructor(options: SaverOptions) {
    this.#options = options
    this.#allowance = allowanceOf(options.prefetch)
    this.#loop = new Loop({
      clock: options.clock,
      round: () => this.#round(),
      onError: (error) => options.reporter.failed(this.#what, error),
    })
    this.#loop.start()
  }

  acked(): void {
    this.#acks++
    if (this.#acks >= acksBetween) this.#loop.wake()
    else this.#loop.wakeIn(everyMs)
  }

  /** Something was given on, or waits until it is stored that it may be begun. */
  given(reader: PartitionReader): void {
    if (reader.isBlocked) this.#loop.wake()
    else if (reader.window.needsReach(this.#allowance)) this.#loop.wakeIn(everyMs)
  }

  /** Stores where the first messages of new partitions may be begun. */
  begin(readers: readonly PartitionReader[]): Promise<void> {
    return this.#inTurn(() => this.#save(readers))
  }

  /** Stores what is left behind of partitions that are let go of. */
  end(places: ReadonlyMap<Partition, StoredPlace>): Promise<void> {
    return this.#inTurn(() => this.#commit(places))
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  async #round(): Promise<number> {
    this.#acks = 0
    await this.#inTurn(() => this.#save([...this.#options.readers()].filter((reader) => this.#isDue(reader))))
    this.#options.reporter.recovered(this.#what)
    return longMs
  }

  get #what(): string {
    return `group ${this.#options.group}: storing how far it has read`
  }

  #isDue({ acks, savedAcks, savedLow, window, hasFetched }: PartitionReader): boolean {
    const isShort = window.needsReach(this.#allowance) && (hasFetched || window.openCount > 0)
    return acks > savedAcks || window.low !== savedLow || isShort
  }

  async #save(readers: readonly PartitionReader[]): Promise<void> {
    if (readers.length === 0) return
    const saves = readers.map((reader) => ({
      reader,
      acks: reader.acks,
      place: reader.window.place(this.#allowance),
    }))
    await this.#commit(new Map(saves.map(({ reader, place }) => [reader.partition, place])))
    for (const { reader, acks, place } of saves) {
      reader.savedAcks = acks
      reader.savedLow = place.offset
      reader.window.stored(place)
    }
    this.#options.onSaved()
  }

  async #commit(places: ReadonlyMap<Partition, StoredPlace>): Promise<void> {
    if (places.size > 0) await this.#options.offsets.commit(this.#options.identity(), places)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work, work)
    this.#turn = turn
    return turn
  }
}

/** Until something is acked or given; what was passed over is stored by then. */
const longMs = 5_000
