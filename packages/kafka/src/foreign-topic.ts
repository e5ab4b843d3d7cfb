import {
  type Encoder,
  type ForeignMessage,
  type ForeignPlace,
  type ForeignPublisher,
  type ForeignRequest,
  type ForeignRisk,
  type ForeignSource,
  type ForeignTarget,
  KeyedPublishing,
  type PublishResult,
  type Sink,
  type Subscription,
  type TransportContext,
  type WireMessage,
} from '@acuse/core'
import { type KafkaRecord, murmur2 } from '@platformatic/kafka'
import type { Cluster } from './connection.ts'
import { checkedSettings, type KafkaOptions, type KafkaSettings, membershipOf, openCluster, pacedBy } from './kafka.ts'
import type { ReachOptions } from './login.ts'
import { Producer } from './producer.ts'
import { Publisher } from './publisher.ts'
import { headerBytes, headerName, outgoingRecord, type OutgoingRecord } from './record-batch.ts'
import { brokerSessionMs } from './settings.ts'
import { KafkaSubscription } from './subscription.ts'
import { Topics } from './topics.ts'

/** How the brokers of others are reached. */
export type ForeignClusterOptions = Pick<
  KafkaOptions,
  'groupProtocol' | 'sessionTimeoutMs' | 'heartbeatMs' | 'rebalanceTimeoutMs' | keyof ReachOptions
>

export interface KafkaTopicOptions extends ForeignClusterOptions {
  /** The topic is somebody else's: nothing is made or changed, and the topic has to be there. */
  readonly declare: 'never'
  /** `loss`: the topic's settings may lose messages; which they are is read, and said where it was not accepted. Default: none. */
  readonly acceptRisks?: readonly ForeignRisk[]
}

/**
 * A topic that Acuse did not declare, for `bus.from`; the group is a consumer group of its cluster. A message's own id is its place in the
 * topic, and order is that of its partitions. Opening throws `ACUSE_UNSAFE_SETTING` for settings that lose messages, unless accepted.
 */
export function kafkaTopic(
  brokers: string | readonly string[],
  name: string,
  options: KafkaTopicOptions,
): ForeignSource {
  const { acceptRisks = [] } = options
  const settings = checkedSettings(options)
  return {
    name: `kafka topic ${name}`,
    hasIds: true,
    acceptRisks,
    open: async (context) => {
      const cluster = await openCluster(brokers, options, context)
      try {
        const paced = pacedBy(settings, await brokerSessionMs(cluster, settings))
        return new TopicPlace(name, acceptRisks, paced, context, cluster)
      } catch (error) {
        await cluster.close()
        throw cluster.unreachable(error)
      }
    },
  }
}

class TopicPlace implements ForeignPlace {
  readonly #name: string
  readonly #acceptRisks: readonly ForeignRisk[]
  readonly #settings: KafkaSettings
  readonly #context: TransportContext
  readonly #cluster: Cluster
  readonly #topics: Topics

  constructor(
    name: string,
    acceptRisks: readonly ForeignRisk[],
    settings: KafkaSettings,
    context: TransportContext,
    cluster: Cluster,
  ) {
    this.#name = name
    this.#acceptRisks = acceptRisks
    this.#settings = settings
    this.#context = context
    this.#cluster = cluster
    this.#topics = new Topics({ ...settings, allowed: [], cluster, clock: context.clock })
  }

  async consume({ group, from, prefetch, wireOf }: ForeignRequest, sink: Sink): Promise<Subscription> {
    const { clock, onError } = this.#context
    const topic = await this.#topics.existing(this.#name, this.#acceptRisks)
    const streams = [{ name: topic.name, partitions: topic.partitions }]
    const subscription = new KafkaSubscription({
      ...this.#settings,
      ...{ cluster: this.#cluster, topics: this.#topics, sink, clock, onError },
      source: { group, streams, types: 'all', from, prefetch },
      streams: [topic],
      createMembership: (options) => membershipOf(this.#settings, options),
      read: (record, _topic, partition, offset) => wireOf(foreignMessageOf(topic.name, partition, offset, record)),
    })
    await subscription.start()
    return subscription
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cluster.close()
  }
}

function foreignMessageOf(topic: string, partition: number, offset: number, record: KafkaRecord): ForeignMessage {
  const headers: Record<string, string> = {}
  for (const [name, value] of record.headers) headers[name?.toString() ?? ''] = value?.toString() ?? ''
  return {
    address: topic,
    id: `${topic}-${partition}-${offset}`,
    key: record.key?.toString() ?? null,
    time: null,
    headers,
    body: record.value ?? new Uint8Array(0),
  }
}

export interface KafkaForwardOptions extends ReachOptions {
  /** How its readers want messages: `plainEnvelope()`, `cloudEvents()`. */
  readonly codec: Encoder
}

/**
 * A topic that Acuse did not declare, for `bus.forward`: `acks=all`, in the partition in which Kafka's own clients put the key, so that
 * order holds beside others that publish there.
 */
export function kafkaForwardTopic(
  brokers: string | readonly string[],
  name: string,
  options: KafkaForwardOptions,
): ForeignTarget {
  return {
    name: `kafka topic ${name}`,
    codec: options.codec,
    open: async (context) => {
      const cluster = await openCluster(brokers, options, context)
      return new TopicPublisher(name, context, cluster)
    },
  }
}

class TopicPublisher implements ForeignPublisher {
  readonly #cluster: Cluster
  readonly #publisher: Publisher
  readonly #publishing = new KeyedPublishing((message, signal) => this.#publisher.send(message, signal))

  constructor(name: string, { clock }: TransportContext, cluster: Cluster) {
    const topics = new Topics({ ...checkedSettings({}), allowed: [], cluster, clock })
    this.#cluster = cluster
    this.#publisher = new Publisher({
      ...{ producer: new Producer(cluster.main), topics, clock },
      place: async (message) => {
        // Whether what is confirmed is kept there is its owner's affair.
        const topic = await topics.existing(name, ['loss'])
        const partition = theirPartition(message, topic.partitions)
        return { topic, partition, record: foreignRecordOf(message) }
      },
    })
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#publisher.close()
    await this.#cluster.close()
  }
}

/** As the default partitioner of Kafka's clients has it. */
function theirPartition({ key, id }: WireMessage, partitions: number): number {
  return (murmur2(Buffer.from(key ?? id)) & 0x7fffffff) % partitions
}

function foreignRecordOf({ key, headers, body }: WireMessage): OutgoingRecord {
  const written = Object.entries(headers).map(([name, text]) => headerBytes(headerName(name), text))
  return outgoingRecord(key, body, written)
}
