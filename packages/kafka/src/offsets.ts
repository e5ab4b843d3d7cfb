import { AcuseError, type StartFrom } from '@acuse/core'
import { FetchIsolationLevels, ListOffsetTimestamps } from '@platformatic/kafka'
import type { Cluster } from './connection.ts'
import type { Coordinator } from './coordinator.ts'
import { errorName, isRefusal } from './errors.ts'
import { requests } from './protocol.ts'
import type { Topic } from './topics.ts'
import type { StoredPlace } from './window.ts'

/** A partition of a stream, by the name that the sink knows it by. */
export interface Partition {
  readonly name: string
  readonly topic: Topic
  readonly index: number
}

/** Who commits: a member of the group in the generation in which it owns what it commits. */
export interface Identity {
  readonly memberId: string
  readonly epoch: number
}

/** A group's places in partitions, as its coordinator keeps them. */
export class Offsets {
  readonly #cluster: Cluster
  readonly #coordinator: Coordinator

  constructor(cluster: Cluster, coordinator: Coordinator) {
    this.#cluster = cluster
    this.#coordinator = coordinator
  }

  /** The places that are stored, by the partition's name; those that are not are missing. */
  async fetch(partitions: readonly Partition[]): Promise<ReadonlyMap<string, StoredPlace>> {
    const groupId = this.#coordinator.group
    const topics = byTopic(partitions).map(([topic, indexes]) => ({ name: topic.name, partitionIndexes: indexes }))
    const { groups } = await this.#coordinator.ask(
      requests.offsetFetch,
      (response) => response.groups.map(({ errorCode }) => errorCode),
      [{ groupId, memberId: null, memberEpoch: -1, topics }],
      true,
    )
    const group = groups[0]
    this.#assertNone(group?.errorCode ?? 0, 'its places cannot be read')
    const places = new Map<string, StoredPlace>()
    for (const { name, partitions: found } of group?.topics ?? []) {
      for (const { partitionIndex, committedOffset, metadata, errorCode } of found) {
        this.#assertNone(errorCode, `its place in ${name} cannot be read`)
        if (committedOffset < 0n) continue
        places.set(partitionName(name, partitionIndex), { offset: Number(committedOffset), metadata: metadata ?? '' })
      }
    }
    return places
  }

  /** Stores places; all of them or, where it throws, perhaps some. */
  async commit({ memberId, epoch }: Identity, places: ReadonlyMap<Partition, StoredPlace>): Promise<void> {
    const topics = byTopic([...places.keys()]).map(([{ name }]) => ({
      name,
      partitions: [...places]
        .filter(([{ topic }]) => topic.name === name)
        .map(([{ index }, { offset, metadata }]) => ({
          partitionIndex: index,
          committedOffset: BigInt(offset),
          committedLeaderEpoch: -1,
          committedMetadata: metadata,
        })),
    }))
    const response = await this.#coordinator.ask(
      requests.offsetCommit,
      (answer) => answer.topics.flatMap((topic) => topic.partitions.map(({ errorCode }) => errorCode)),
      this.#coordinator.group,
      epoch,
      memberId,
      null,
      topics,
    )
    for (const { name, partitions } of response.topics) {
      for (const { errorCode } of partitions) this.#assertNone(errorCode, `its place in ${name} cannot be stored`)
    }
  }

  /** Where a group begins that has no place yet. */
  async resolve(partitions: readonly Partition[], from: StartFrom): Promise<ReadonlyMap<string, StoredPlace>> {
    const places = new Map<string, StoredPlace>()
    const timestamp = timestampOf(from)
    for (const partition of partitions) {
      const found = await this.#offsetAt(partition, timestamp)
      // Nothing is as late as that: what comes from now on is.
      const offset = found >= 0n ? found : await this.#offsetAt(partition, ListOffsetTimestamps.LATEST)
      places.set(partition.name, { offset: Number(offset), metadata: '' })
    }
    return places
  }

  async #offsetAt({ topic, index }: Partition, timestamp: bigint): Promise<bigint> {
    const { topics } = await this.#cluster.main.ask(
      topic.leaders[index],
      requests.listOffsets,
      -1,
      FetchIsolationLevels.READ_UNCOMMITTED,
      [{ name: topic.name, partitions: [{ partitionIndex: index, currentLeaderEpoch: -1, timestamp }] }],
    )
    const found = topics[0]?.partitions[0]
    this.#assertNone(found?.errorCode ?? 0, `the offsets of ${topic.name}/${index} cannot be read`)
    return found?.offset ?? -1n
  }

  #assertNone(code: number, what: string): void {
    const error = errorName(code)
    if (error === undefined) return
    const remedy = isRefusal(error)
      ? "grant Read on the group and its topics to the client's user"
      : 'it is tried again'
    throw new CoordinatorRefused(error, `group ${this.#coordinator.group}: ${what}: ${error}; ${remedy}.`)
  }
}

/** What the broker answered to one of several, by the name of its protocol. */
export class CoordinatorRefused extends AcuseError {
  readonly answer: string

  constructor(answer: string, message: string) {
    super('ACUSE_TRANSPORT_UNAVAILABLE', message)
    this.answer = answer
  }
}

export function partitionName(topic: string, index: number): string {
  return `${topic}/${index}`
}

function byTopic(partitions: readonly Partition[]): [Topic, number[]][] {
  const topics = new Map<Topic, number[]>()
  for (const { topic, index } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), index])
  return [...topics]
}

function timestampOf(from: StartFrom): bigint {
  if (from === 'now') return ListOffsetTimestamps.LATEST
  if (from === 'earliest') return ListOffsetTimestamps.EARLIEST
  return BigInt(from.getTime())
}
