import { AcuseError, type Clock, type ForeignRisk, Opened, pause, type SourceStream } from '@acuse/core'
import type { Cluster } from './connection.ts'
import { asAcuseError, errorName } from './errors.ts'
import { type CreateTopicsResponseTopic, type MetadataResponseTopic, requests } from './protocol.ts'
import {
  assertKeeps,
  assertSafeTopic,
  minInsyncReplicas,
  type Settings,
  topicSettings,
  type WantedSettings,
} from './settings.ts'

const createTimeoutMs = 10_000
/** How long a new topic may take to be known to all brokers. */
const visibleWithinMs = 10_000
const askEveryMs = 20

/** A stream's topic, audited. */
export interface Topic {
  readonly name: string
  readonly id: string
  readonly partitions: number
  /** The most bytes of a batch that the brokers take. */
  mostBytes: number
  /** Which broker leads each partition, as last seen. */
  leaders: readonly number[]
}

export interface TopicsOptions extends WantedSettings {
  readonly cluster: Cluster
  readonly clock: Clock
  /** With how much for a batch a topic is made. */
  readonly maxMessageBytes: number
}

/** The topics of streams: made with safe settings where they are not there, and held against them where they are. */
export class Topics {
  readonly #options: TopicsOptions
  readonly #topics = new Opened<Topic>()
  readonly #rereading = new Map<Topic, Promise<void>>()

  constructor(options: TopicsOptions) {
    this.#options = options
  }

  /**
   * Throws `ACUSE_STREAM_MISMATCH` for another number of partitions, `ACUSE_UNSAFE_SETTING`, and `ACUSE_TRANSPORT_UNAVAILABLE` while nobody
   * answers.
   */
  async get(stream: SourceStream): Promise<Topic> {
    const { name, partitions } = stream
    const topic = await this.#topics.get(name, () => told(this.#open(stream), `stream ${name}`))
    if (topic.partitions !== partitions) throw mismatch(name, partitions, topic.partitions)
    return topic
  }

  /** What `get` resolves with, where that is known already. */
  ready({ name, partitions }: SourceStream): Topic | undefined {
    const topic = this.#topics.ready(name)
    return topic?.partitions === partitions ? topic : undefined
  }

  /**
   * A topic of others, as it is: nothing is made. Throws `ACUSE_UNSAFE_SETTING` where its settings lose messages and that is not accepted,
   * and `ACUSE_TRANSPORT_UNAVAILABLE` where it is not there.
   */
  existing(name: string, acceptRisks: readonly ForeignRisk[]): Promise<Topic> {
    return this.#topics.get(name, () => told(this.#look(name, acceptRisks), `topic ${name}`))
  }

  /** Learns anew who leads the partitions of a topic. False where it was deleted, and one of its name made anew. */
  async refresh(topic: Topic): Promise<boolean> {
    const { topics } = await this.#options.cluster.metadata([topic.name])
    const found = topics.find(({ name }) => name === topic.name)
    if (found === undefined || found.errorCode !== 0) return true
    if (found.topicId !== topic.id) return false
    topic.leaders = leadersOf(found)
    return true
  }

  /** Asks anew how much the brokers take, once for all that wait for it. */
  rereadLimit(topic: Topic): Promise<void> {
    const known = this.#rereading.get(topic)
    if (known !== undefined) return known
    const reading = topicSettings(this.#options.cluster, topic.name)
      .then((settings) => {
        topic.mostBytes = mostBytesOf(settings)
      })
      .finally(() => this.#rereading.delete(topic))
    this.#rereading.set(topic, reading)
    return reading
  }

  /** It was deleted: whoever needs it next makes it anew. */
  forget({ name }: Topic): void {
    this.#topics.forget(name)
  }

  async #look(name: string, acceptRisks: readonly ForeignRisk[]): Promise<Topic> {
    const found = await this.#find(name)
    if (found === undefined) {
      const text = `kafka: topic ${name} is not there, and is not for Acuse to make; it is tried again.`
      throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text)
    }
    const settings = await topicSettings(this.#options.cluster, name)
    if (!acceptRisks.includes('loss')) assertKeeps(name, replicasOf(found), settings)
    const { topicId: id, partitions } = found
    return { name, id, partitions: partitions.length, mostBytes: mostBytesOf(settings), leaders: leadersOf(found) }
  }

  async #open({ name, partitions }: SourceStream): Promise<Topic> {
    const found = (await this.#find(name)) ?? (await this.#create(name, partitions))
    const { cluster } = this.#options
    const settings = await topicSettings(cluster, name)
    if (found.partitions.length !== partitions) throw mismatch(name, partitions, found.partitions.length)
    assertSafeTopic(name, replicasOf(found), settings, this.#options)
    const leaders = leadersOf(found)
    return { name, id: found.topicId, partitions, mostBytes: mostBytesOf(settings), leaders }
  }

  /** The topic, once all its partitions have a leader; undefined where there is none. */
  async #find(stream: string): Promise<MetadataResponseTopic | undefined> {
    const { topics } = await this.#options.cluster.metadata([stream])
    const found = topics.find(({ name }) => name === stream)
    if (found === undefined || errorName(found.errorCode) === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined
    return found
  }

  async #create(name: string, partitions: number): Promise<MetadataResponseTopic> {
    const { cluster, clock, replicationFactor, retentionMs, maxMessageBytes } = this.#options
    const settings = {
      'cleanup.policy': 'delete',
      'retention.ms': retentionMs,
      'retention.bytes': -1,
      'min.insync.replicas': minInsyncReplicas(replicationFactor),
      'unclean.leader.election.enable': false,
      'message.timestamp.type': 'LogAppendTime',
      'max.message.bytes': maxMessageBytes,
    }
    const configs = Object.entries(settings).map(([setting, value]) => ({ name: setting, value: String(value) }))
    const topic = { name, numPartitions: partitions, replicationFactor, assignments: [], configs }
    const { topics } = await cluster.main.ask(undefined, requests.createTopics, [topic], createTimeoutMs, false)
    this.#assertCreated(name, topics[0])
    const deadlineMs = clock.now() + visibleWithinMs
    for (;;) {
      const found = await this.#find(name)
      const leaders = found === undefined ? [] : leadersOf(found)
      if (found !== undefined && leaders.length > 0 && leaders.every((leader) => leader >= 0)) return found
      if (clock.now() >= deadlineMs) {
        throw new AcuseError(
          'ACUSE_TRANSPORT_UNAVAILABLE',
          `stream ${name}: its topic was made, but its partitions have no leaders yet; it is tried again.`,
        )
      }
      await pause(clock, askEveryMs)
    }
  }

  #assertCreated(name: string, answer: CreateTopicsResponseTopic | undefined): void {
    const { cluster, replicationFactor } = this.#options
    const error = errorName(answer?.errorCode ?? 0)
    // Somebody else has made it meanwhile; it is audited as any other.
    if (error === undefined || error === 'TOPIC_ALREADY_EXISTS') return
    if (error === 'INVALID_REPLICATION_FACTOR') {
      throw new AcuseError(
        'ACUSE_UNSAFE_SETTING',
        `stream ${name}: its topic cannot have ${replicationFactor} replicas, as the cluster has ${cluster.nodes.length} brokers: what was confirmed is gone with so few. Add brokers, or accept it with replicationFactor: ${cluster.nodes.length}.`,
      )
    }
    throw new AcuseError(
      'ACUSE_DESTINATION_UNAVAILABLE',
      `stream ${name}: its topic cannot be made: ${error} (${answer?.errorMessage ?? ''}). Grant CreateTopics, or make it with the settings of the guide; it is tried again.`,
    )
  }
}

async function told<T>(work: Promise<T>, what: string): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw asAcuseError(error, what)
  }
}

function leadersOf({ partitions }: MetadataResponseTopic): readonly number[] {
  const leaders: number[] = Array.from({ length: partitions.length }, () => -1)
  for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId
  return leaders
}

function replicasOf({ partitions }: MetadataResponseTopic): number {
  return Math.min(...partitions.map(({ replicaNodes }) => replicaNodes.length))
}

function mostBytesOf(settings: Settings): number {
  return Number(settings.get('max.message.bytes') ?? Infinity)
}

function mismatch(stream: string, declared: number, found: number): AcuseError {
  return new AcuseError(
    'ACUSE_STREAM_MISMATCH',
    `stream ${stream} is declared with ${declared} partitions here, but its topic has ${found}. Every service must declare the same number.`,
  )
}
