import { type Clock, type Intake, pause, type Source } from '@acuse/core'
import type { Fetcher } from './fetcher.ts'
import type { Ownership } from './membership.ts'
import { CoordinatorRefused, type Offsets, type Partition } from './offsets.ts'
import { type KafkaMessage, PartitionReader } from './partition-reader.ts'
import type { Reporter } from './reporter.ts'
import type { Saver } from './saver.ts'
import type { Topics } from './topics.ts'
import type { StoredPlace } from './window.ts'
import type { RecordReading } from './wire.ts'

const retryMs = 100
const leastFetched = 100

export interface HoldingsOptions {
  readonly source: Source
  readonly read: RecordReading
  readonly topics: Topics
  readonly offsets: Offsets
  readonly intake: Intake<KafkaMessage>
  readonly fetcher: Fetcher
  readonly saver: Saver
  readonly clock: Clock
  readonly reporter: Reporter
  /** A message is done with. */
  readonly onAck: (reader: PartitionReader) => void
}

interface Holding {
  readonly partition: Partition
  /** Resolves when it is read, or is not to be any more. */
  readonly opening: Promise<void>
  reader: PartitionReader | undefined
  /** Resolves when it is given up. */
  leaving: Promise<void> | undefined
  lost: boolean
}

/** The partitions that are this process's: each is opened at its group's place, read, and let go of. */
export class Holdings implements Ownership {
  readonly #options: HoldingsOptions
  readonly #held = new Map<string, Holding>()
  #closed = false

  constructor(options: HoldingsOptions) {
    this.#options = options
  }

  /** What is read, without what is being given up. */
  *readers(): Iterable<PartitionReader> {
    for (const { reader, leaving } of this.#held.values())
      if (reader !== undefined && leaving === undefined) yield reader
  }

  assign(partitions: readonly Partition[]): void {
    if (this.#closed) return
    const opening = Promise.resolve().then(() => this.#open(partitions))
    for (const partition of partitions) {
      this.#held.set(partition.name, { partition, opening, reader: undefined, leaving: undefined, lost: false })
    }
  }

  async revoke(partitions: readonly Partition[]): Promise<void> {
    await Promise.all(this.#holdingsOf(partitions).map((holding) => (holding.leaving ??= this.#giveUp(holding))))
  }

  async lose(partitions: readonly Partition[]): Promise<void> {
    await Promise.all(
      this.#holdingsOf(partitions).map((holding) => {
        holding.lost = true
        // The sink is asked once, also where it was asked already.
        return (holding.leaving ??= this.#drop(holding))
      }),
    )
  }

  /** Stores what is left behind of everything that is held. What comes from now on is not taken. */
  async close(): Promise<void> {
    this.#closed = true
    const { intake, saver } = this.#options
    const readers = [...this.readers()]
    const places = readers.map((reader): [Partition, StoredPlace] => [
      reader.partition,
      reader.lastPlace(intake.unbegun(reader.partition.name)),
    ])
    const leaving = [...this.#held.values()].flatMap((holding) => holding.leaving ?? [])
    for (const holding of this.#held.values()) holding.leaving ??= Promise.resolve()
    await saver.end(new Map(places))
    await Promise.all(leaving)
  }

  /** Nothing is tried any more. */
  abandon(): void {
    this.#closed = true
    for (const holding of this.#held.values()) holding.lost = true
  }

  async #open(partitions: readonly Partition[]): Promise<void> {
    const { saver, intake, fetcher } = this.#options
    await this.#untilDone('beginning to read', partitions, async () => {
      await this.#place(this.#wanted(partitions).filter(({ reader }) => reader === undefined))
      await saver.begin(this.#wanted(partitions).flatMap(({ reader }) => reader ?? []))
    })
    for (const { reader, partition } of this.#wanted(partitions)) {
      if (reader === undefined) continue
      intake.open(partition.name)
      fetcher.add(reader)
    }
  }

  /** Finds where to begin: at the group's place or, where it has none, where the source says. */
  async #place(holdings: readonly Holding[]): Promise<void> {
    const { offsets, source, read, onAck } = this.#options
    const { prefetch, from } = source
    if (holdings.length === 0) return
    const partitions = holdings.map(({ partition }) => partition)
    const stored = await offsets.fetch(partitions)
    const unplaced = partitions.filter(({ name }) => !stored.has(name))
    const places = new Map([...stored, ...(await offsets.resolve(unplaced, from))])
    for (const holding of holdings) {
      const { partition } = holding
      const place = places.get(partition.name)
      if (place === undefined) continue
      const mostFetched = Math.max(leastFetched, 2 * prefetch)
      holding.reader = new PartitionReader({
        ...{ partition, place, read, mostFetched },
        onAck: (reader) => {
          if (this.#held.get(partition.name) === holding) onAck(reader)
        },
      })
    }
  }

  async #giveUp(holding: Holding): Promise<void> {
    const { partition, opening } = holding
    const { intake, fetcher } = this.#options
    await opening
    const { reader } = holding
    if (reader !== undefined) {
      fetcher.delete(reader)
      const place = reader.lastPlace(await intake.give(partition.name))
      // However long it takes: until then it is nobody else's, unless it is lost.
      await this.#untilDone(`letting go of ${partition.name}`, [partition], () => this.#leaveBehind(partition, place))
    }
    this.#forget(holding)
  }

  /** Places are stored by the topic's name: that of a topic that was deleted must not become that of one made anew. */
  async #leaveBehind(partition: Partition, place: StoredPlace): Promise<void> {
    const { topics, saver } = this.#options
    if (!(await topics.refresh(partition.topic))) return
    try {
      await saver.end(new Map([[partition, place]]))
    } catch (error) {
      if (!(error instanceof CoordinatorRefused) || error.answer !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
    }
  }

  async #drop(holding: Holding): Promise<void> {
    const { intake, fetcher } = this.#options
    if (holding.reader !== undefined) fetcher.delete(holding.reader)
    await intake.lose(holding.partition.name)
    this.#forget(holding)
  }

  #forget(holding: Holding): void {
    if (this.#held.get(holding.partition.name) === holding) this.#held.delete(holding.partition.name)
  }

  #holdingsOf(partitions: readonly Partition[]): Holding[] {
    return partitions.flatMap(({ name }) => this.#held.get(name) ?? [])
  }

  /** Those that are to be read. */
  #wanted(partitions: readonly Partition[]): Holding[] {
    return this.#closed ? [] : this.#holdingsOf(partitions).filter(({ leaving }) => leaving === undefined)
  }

  /** Tries until it succeeds, or all of them are lost. */
  async #untilDone(doing: string, partitions: readonly Partition[], work: () => Promise<void>): Promise<void> {
    const { clock, reporter, source } = this.#options
    const what = `group ${source.group}: ${doing}`
    while (this.#holdingsOf(partitions).some(({ lost }) => !lost)) {
      try {
        await work()
        return reporter.recovered(what)
      } catch (error) {
        reporter.failed(what, error)
        await pause(clock, retryMs)
        await this.#findLeaders(partitions)
      }
    }
  }

  async #findLeaders(partitions: readonly Partition[]): Promise<void> {
    for (const topic of new Set(partitions.map((partition) => partition.topic))) {
      await this.#options.topics.refresh(topic).catch(() => undefined)
    }
  }
}
