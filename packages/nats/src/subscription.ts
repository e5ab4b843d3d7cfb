import {
  AcuseError,
  type Clock,
  Intake,
  Ownership,
  priorities,
  type Sink,
  type Source,
  type SourceStream,
  type Subscription,
} from '@acuse/core'
import { StreamWatch } from './stream-watch.ts'
import { Bucket } from './bucket.ts'
import type { Connection } from './connection.ts'
import { KeyLeaseTable } from './lease-table.ts'
import { PartitionReader } from './partition-reader.ts'
import { PlaceKeeper } from './place-keeper.ts'
import type { LaneMessage, LaneShape } from './lane.ts'
import { keepStart } from './start.ts'
import { ensureBucket, ensureStream, readStream, type StreamOptions } from './streams.ts'
import { tokenOf } from './topology.ts'

export interface SubscriptionOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  /** Who reads: unique, as each subscription owns its own partitions. */
  readonly member: string
  readonly source: Source
  readonly streams: readonly SourceStream[]
  readonly sink: Sink
  readonly bucket: string
  readonly leaseMs: number
  readonly prioritized: boolean
  readonly stream: StreamOptions
}

interface Part {
  readonly stream: SourceStream
  readonly partition: number
}

/** So many of a lane may wait here for each that may be out: the next ones are asked for, and noted, while these are handed on. */
const waitingPerOut = 2
const fewestWaiting = 64
const mostWaiting = 2_048

/** A group's reading in this process: of the partitions that it owns, and only of those. */
export class NatsSubscription implements Subscription {
  readonly #options: SubscriptionOptions
  readonly #intake: Intake<LaneMessage>
  readonly #ownership: Ownership
  readonly #bucket: Bucket
  readonly #parts: ReadonlyMap<string, Part>
  readonly #readers = new Map<string, PartitionReader>()
  readonly #wake: string
  #release: (() => void)[] = []
  #stopping: Promise<void> | undefined

  constructor(options: SubscriptionOptions) {
    const { connection, source, sink, clock, onError, member, streams, leaseMs, bucket } = options
    const { group, prefetch } = source
    this.#options = options
    this.#bucket = new Bucket({
      connection,
      name: bucket,
      remake: async () => {
        const text = `group ${group}: bucket ${bucket} was deleted, with the places of all groups. It is made anew, and who has no place begins at the earliest.`
        onError(new AcuseError('ACUSE_HISTORY_GONE', text))
        await ensureBucket(connection, bucket, options.stream)
      },
    })
    this.#parts = partsOf(streams)
    this.#wake = `_acuse.${bucket}.${tokenOf(group)}`
    const table = new KeyLeaseTable({
      ...{ bucket: this.#bucket, clock, group, member, leaseMs },
      sets: streams.map(({ name }) => name),
      tellOthers: () => connection.connected && connection.client.publish(this.#wake, member),
    })
    this.#ownership = new Ownership({
      ...{ table, group, member, leaseMs, clock, onError },
      partitions: [...this.#parts].map(([name, { stream }]) => ({ name, set: stream.name })),
      hooks: {
        own: ({ partition, epoch }) => this.#own(partition, epoch),
        give: async (partition) => {
          await this.#take(partition)?.give()
          return []
        },
        lose: async (partition) => this.#take(partition)?.lose(),
      },
    })
    const fenced: Sink = {
      // A process that was stopped has not heard yet that its lease is over.
      deliver: (deliveries) => {
        if (this.#ownership.valid) return sink.deliver(deliveries)
        for (const delivery of deliveries) delivery.release()
        this.#ownership.expire()
      },
      revoke: (partition) => sink.revoke(partition),
    }
    this.#intake = new Intake({ group, sink: fenced, prefetch, clock, onError })
  }

  /** Resolves when the group's place in every stream is durable, and this process has its share of it. */
  async start(): Promise<void> {
    const { connection, source, streams, stream: shape, onError, member } = this.#options
    try {
      for (const stream of streams) {
        const info = await ensureStream(connection, stream, shape)
        await keepStart({ connection, bucket: this.#bucket }, source.group, stream, source.from, info)
      }
      const { client } = connection
      const woken = client.subscribe(this.#wake, {
        callback: (error, message) => {
          if (error === null && message.string() !== member) this.#ownership.refresh()
        },
      })
      const watches = streams.map((stream) => new StreamWatch({ connection, stream, options: shape, onError }))
      const stopListening = connection.listen({
        onLost: () => {
          for (const reader of this.#readers.values()) reader.onLost()
        },
        onBack: () => this.#ownership.refresh(),
      })
      this.#release = [() => woken.unsubscribe(), stopListening, ...watches.map((watch) => () => watch.stop())]
      await this.#ownership.start()
    } catch (error) {
      await this.stop(0)
      throw error
    }
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

  async #stop(deadlineMs: number): Promise<void> {
    this.#ownership.settle()
    for (const reader of this.#readers.values()) reader.drain()
    await this.#intake.stop(deadlineMs)
    this.#intake.close()
    await Promise.all([...this.#readers.values()].map((reader) => reader.stop()))
    await this.#ownership.leave(() => [])
    for (const release of this.#release) release()
  }

  #own(name: string, epoch: number): void {
    const part = this.#parts.get(name)
    // A claim that was under way when it stopped is given back when it leaves.
    if (part === undefined || this.#stopping !== undefined) return
    const { connection, clock, onError, source, stream: shape } = this.#options
    const { group, types, prefetch } = source
    const { stream, partition } = part
    const lanes = this.#lanesOf(name)
    const keeper = new PlaceKeeper({
      ...{ bucket: this.#bucket, group, stream: stream.name, partition, epoch, onError },
      lanes: lanes.map((lane) => lane.name),
      ensure: () => ensureStream(connection, stream, shape),
      read: () => readStream(connection, stream.name),
    })
    const reader = new PartitionReader({
      ...{ connection, clock, onError, group, stream: stream.name, partition, lanes, types, keeper },
      mostWaiting: Math.min(Math.max(waitingPerOut * prefetch, fewestWaiting), mostWaiting),
      intake: this.#intake,
    })
    this.#readers.set(name, reader)
    reader.start()
  }

  #take(name: string): PartitionReader | undefined {
    const reader = this.#readers.get(name)
    this.#readers.delete(name)
    return reader
  }

  #lanesOf(name: string): LaneShape[] {
    if (!this.#options.prioritized) return [{ name: 'all', partition: name, rank: 0 }]
    return priorities.map((priority, rank) => ({ name: priority, partition: `${name}/${priority}`, rank }))
  }
}

function partsOf(streams: readonly SourceStream[]): Map<string, Part> {
  return new Map(
    streams.flatMap((stream) =>
      Array.from({ length: stream.partitions }, (_, partition): [string, Part] => [
        `${stream.name}/${partition}`,
        { stream, partition },
      ]),
    ),
  )
}
