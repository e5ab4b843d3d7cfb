import { AcuseError, Loop, type Clock } from '@acuse/core'
import { FetchIsolationLevels } from '@platformatic/kafka'
import type { Connections } from './connection.ts'
import { errorName } from './errors.ts'
import type { PartitionReader } from './partition-reader.ts'
import { type FetchRequestTopic, type FetchResponsePartition, requests } from './protocol.ts'
import type { Reporter } from './reporter.ts'
import type { Topics } from './topics.ts'

/** How long a broker holds a fetch back while there is nothing. */
const waitMs = 500
/** While another partition of it is full: that one may be hungry again soon. */
const shortWaitMs = 10
const mostBytes = 8_000_000
const mostPartitionBytes = 1_000_000
/** Somebody wakes it when there is something to read again. */
const idleMs = 1_000
const retryMs = 100

export interface FetcherOptions {
  readonly group: string
  readonly connections: Connections
  readonly topics: Topics
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  readonly reporter: Reporter
  /** Something was fetched of it. */
  readonly onFetched: (reader: PartitionReader) => void
}

/** Fetches what the partitions that are owned have, from each of their leaders on its own. Those that are full are left out. */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #readers = new Set<PartitionReader>()
  readonly #loops = new Map<number, Loop>()
  #stopped = false

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  add(reader: PartitionReader): void {
    this.#readers.add(reader)
    this.wake()
  }

  delete(reader: PartitionReader): void {
    reader.stop()
    this.#readers.delete(reader)
  }

  /** A partition is hungry again, or there is a new one. */
  wake(except?: number): void {
    if (this.#stopped) return
    for (const reader of this.#readers) {
      const leader = leaderOf(reader)
      if (!this.#loops.has(leader)) this.#loops.set(leader, this.#start(leader))
    }
    for (const [node, loop] of this.#loops) if (node !== except) loop.wake()
  }

  /** Fetches nothing more; what is under way ends with its connection. */
  stop(): void {
    this.#stopped = true
    this.#readers.clear()
    for (const loop of this.#loops.values()) void loop.stop()
  }

  #start(node: number): Loop {
    const { group, clock, reporter } = this.#options
    const what = `group ${group}: reading from broker ${node}`
    const loop = new Loop({
      clock,
      round: async () => {
        const pauseMs = await this.#round(node)
        reporter.recovered(what)
        return pauseMs
      },
      onError: (error) => {
        if (!this.#stopped) reporter.failed(what, error)
      },
    })
    loop.start()
    return loop
  }

  async #round(node: number): Promise<number> {
    const led = [...this.#readers].filter((reader) => leaderOf(reader) === node && !reader.isStopped)
    const hungry = led.filter((reader) => reader.isHungry)
    if (hungry.length === 0) return idleMs
    if (node < 0) return this.#findLeaders(node, hungry)
    try {
      return await this.#fetch(node, hungry, hungry.length === led.length ? waitMs : shortWaitMs)
    } catch (error) {
      await this.#findLeaders(node, hungry)
      throw error
    }
  }

  async #fetch(node: number, hungry: readonly PartitionReader[], maxWaitMs: number): Promise<number> {
    const response = await this.#options.connections.ask(
      node,
      requests.fetch,
      maxWaitMs,
      1,
      mostBytes,
      FetchIsolationLevels.READ_COMMITTED,
      0,
      -1,
      requestOf(hungry),
      [],
      '',
    )
    const error = errorName(response.errorCode)
    if (error !== undefined) throw new Error(error)
    const moved = new Set<PartitionReader>()
    for (const { topicId, partitions } of response.responses) {
      for (const answer of partitions) {
        const reader = hungry.find(
          ({ partition }) => partition.topic.id === topicId && partition.index === answer.partitionIndex,
        )
        if (reader !== undefined && !this.#take(reader, answer)) moved.add(reader)
      }
    }
    return moved.size === 0 ? 0 : this.#findLeaders(node, [...moved])
  }

  /** False where its leader has to be looked for. */
  #take(reader: PartitionReader, answer: FetchResponsePartition): boolean {
    // It was given up while the broker was asked.
    if (!this.#readers.has(reader)) return true
    const error = errorName(answer.errorCode)
    if (error === 'OFFSET_OUT_OF_RANGE') {
      this.#stopReading(reader)
      return true
    }
    if (error !== undefined) return false
    reader.add(answer.records ?? [], answer.abortedTransactions ?? [], Number(answer.highWatermark))
    this.#options.onFetched(reader)
    return true
  }

  #stopReading(reader: PartitionReader): void {
    const { group, onError } = this.#options
    const { partition, position } = reader
    reader.stop()
    onError(
      new AcuseError(
        'ACUSE_HISTORY_GONE',
        `group ${group}: what follows offset ${position} of partition ${partition.name} is not there: it was deleted before the group had read it, or the topic was made anew. The partition is not read any more. Stop the group, choose where it goes on (kafka-consumer-groups.sh --group ${group} --topic ${partition.topic.name}:${partition.index} --reset-offsets --to-earliest --execute), and start it again.`,
      ),
    )
  }

  async #findLeaders(node: number, readers: readonly PartitionReader[]): Promise<number> {
    for (const topic of new Set(readers.map(({ partition }) => partition.topic))) {
      const isSame = await this.#options.topics.refresh(topic).catch(() => true)
      // Its offsets are those of another topic now.
      if (!isSame) for (const reader of readers) if (reader.partition.topic === topic) this.#stopReading(reader)
    }
    this.wake(node)
    return retryMs
  }
}

function leaderOf({ partition: { topic, index } }: PartitionReader): number {
  return topic.leaders[index] ?? -1
}

function requestOf(readers: readonly PartitionReader[]): FetchRequestTopic[] {
  const topics = new Map<string, FetchRequestTopic>()
  for (const { partition, position } of readers) {
    const { id } = partition.topic
    const topic = topics.get(id) ?? { topicId: id, partitions: [] }
    topics.set(id, topic)
    topic.partitions.push({
      partition: partition.index,
      currentLeaderEpoch: -1,
      fetchOffset: BigInt(position),
      lastFetchedEpoch: -1,
      partitionMaxBytes: mostPartitionBytes,
    })
  }
  return [...topics.values()]
}
