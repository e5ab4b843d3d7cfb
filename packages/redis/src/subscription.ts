import {
  AcuseError,
  type ClaimedLease,
  type Clock,
  type Delivery,
  Intake,
  Ownership,
  pause,
  type Sink,
  type Source,
  type SourceStream,
  type Subscription,
} from '@acuse/core'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { type LanePartition, StreamKeys } from './keys.ts'
import { type LaneMessage, LaneReader } from './lane-reader.ts'
import { RedisLeaseTable } from './lease-table.ts'
import { Reading } from './reading.ts'
import { registerGroup } from './topology.ts'

export interface SubscriptionOptions {
  readonly commands: Connection
  /** The one whose writes `onDisk` waits for. */
  readonly registering: Connection
  /** Its own, to wait on. */
  readonly waiting: Connection
  readonly prefix: string
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  readonly member: string
  readonly source: Source
  readonly streams: readonly SourceStream[]
  readonly sink: Sink
  readonly leaseMs: number
  readonly blockMs: number
  /** Resolves when what was written by `registering` is on disk. */
  readonly onDisk: () => Promise<void>
  readonly onStopped: () => void
}

/** Who stops waits so long for the server. */
const flushWithinMs = 1_000

/** A group's member in this process: it owns a share of the partitions and reads them. */
export class RedisSubscription implements Subscription {
  readonly #options: SubscriptionOptions
  readonly #partitions: ReadonlyMap<string, LanePartition>
  readonly #intake: Intake<LaneMessage>
  readonly #ownership: Ownership
  readonly #reading: Reading
  #stopping: Promise<void> | undefined

  constructor(options: SubscriptionOptions) {
    const { source, streams, sink, clock, onError, prefix, commands, member, leaseMs, waiting, blockMs } = options
    const { group, prefetch } = source
    this.#options = options
    const partitions = streams.flatMap((stream) => new StreamKeys(prefix, stream.name).lanesOf(stream))
    this.#partitions = new Map(partitions.map((partition) => [partition.name, partition]))
    this.#intake = new Intake({ group, sink: this.#guard(sink), prefetch, clock, onError })
    this.#ownership = new Ownership({
      ...{ group, member, partitions, leaseMs, clock, onError, hooks: this },
      table: new RedisLeaseTable({ redis: commands.redis, prefix, group, member, leaseMs, partitions }),
    })
    this.#reading = new Reading({
      ...{ commands, waiting, clock, onError, group, prefetch, blockMs, intake: this.#intake },
      changes: streams.map(({ name }) => new StreamKeys(prefix, name).changes(group)),
      onChange: () => this.#ownership.refresh(),
    })
  }

  async start(): Promise<void> {
    const { source } = this.#options
    try {
      await this.#register(source.from)
      await this.#ownership.start()
    } catch (error) {
      await this.stop(0)
      throw asAcuseError(error, `group ${source.group}`)
    }
    this.#reading.start()
  }

  pause(): void {
    this.#intake.pause()
  }

  resume(): void {
    this.#intake.resume()
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs)
    return this.#stopping
  }

  /** The connection is back. On a server that was started anew nothing that was handed out counts any more. */
  onBack(isNewRun: boolean): void {
    if (isNewRun) this.#ownership.distrust()
    this.#ownership.refresh()
    for (const reader of this.#reading.readers) reader.retryAcks()
    this.#reading.wake()
  }

  own(claimed: ClaimedLease): void {
    const { commands, prefix, source, member, onError } = this.#options
    const partition = this.#partitions.get(claimed.partition)
    if (partition === undefined) return
    this.#intake.open(partition.name, partition.lane)
    const reader = new LaneReader({
      ...{ redis: commands.redis, prefix, group: source.group, types: source.types, member },
      ...{ partition, claimed, intake: this.#intake, onError },
      onFenced: () => this.#ownership.refresh(),
      onForgotten: () => this.#register('earliest', true),
    })
    this.#reading.add(reader)
  }

  async give(name: string): Promise<readonly string[] | null> {
    const reader = this.#reading.readerOf(name)
    if (reader === undefined) return []
    await seeAll(reader)
    reader.close()
    const unbegun = await this.#intake.give(name)
    const isStored = await reader.flush()
    this.#reading.drop(reader)
    return isStored && reader.seenAll ? reader.inDoubt(unbegun) : null
  }

  async lose(name: string): Promise<void> {
    const reader = this.#reading.readerOf(name)
    if (reader !== undefined) this.#reading.drop(reader)
    await this.#intake.lose(name)
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { clock } = this.#options
    this.#ownership.settle()
    await this.#intake.stop(deadlineMs)
    this.#intake.close()
    await Promise.race([this.#reading.finish(), pause(clock, flushWithinMs)])
    await this.#ownership.leave((name) => {
      const reader = this.#reading.readerOf(name)
      return reader?.seenAll === true ? reader.inDoubt(this.#intake.unbegun(name)) : null
    })
    await this.#reading.end()
    this.#options.onStopped()
  }

  /** What comes out of the intake goes to the sink only while the lease is certain: after SIGSTOP no timer has fired yet. */
  #guard(sink: Sink): Sink {
    return {
      deliver: (deliveries: readonly Delivery[]) => {
        if (this.#ownership.valid) sink.deliver(deliveries)
        else {
          for (const delivery of deliveries) delivery.release()
          this.#ownership.expire()
        }
        this.#reading.wake()
      },
      revoke: (partition) => sink.revoke(partition),
    }
  }

  /** Gives the group its place in each stream, and says so where it had one and has lost it. */
  async #register(from: Source['from'], hadPlaces = false): Promise<void> {
    const { registering, prefix, source, streams, onError, onDisk } = this.#options
    for (const stream of streams) {
      const { known, made } = await registerGroup(registering.redis, prefix, stream, source.group, from)
      if (made === 0 || !(known || hadPlaces)) continue
      const text = `group ${source.group}: stream ${stream.name}, or the group in it, was deleted; it begins anew at the earliest message that is kept.`
      onError(new AcuseError('ACUSE_LEASE_LOST', text))
    }
    await onDisk()
  }
}

/** Looks at what owners before have left, as only then it can be said what is in doubt. */
async function seeAll(reader: LaneReader): Promise<void> {
  try {
    while (!reader.seenAll && reader.more) await reader.read(1)
  } catch {
    // The server is away, and the release will not reach it either.
  }
}
