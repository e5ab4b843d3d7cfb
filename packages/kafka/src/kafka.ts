import {
  checkAtLeast,
  ConfigurationError,
  KeyedPublishing,
  type PublishResult,
  type Sink,
  type Source,
  type Subscription,
  type Transport,
  type TransportCapabilities,
  type TransportContext,
  type TransportFactory,
  type WireMessage,
} from '@acuse/core'
import { ClassicMembership } from './classic-membership.ts'
import { Cluster } from './connection.ts'
import { ConsumerMembership } from './consumer-membership.ts'
import { loginOf, type ReachOptions } from './login.ts'
import type { Membership, MembershipOptions } from './membership.ts'
import { Producer } from './producer.ts'
import { placeOf, Publisher } from './publisher.ts'
import { auditBrokers, type UnsafeSetting } from './settings.ts'
import { KafkaSubscription } from './subscription.ts'
import { Topics } from './topics.ts'
import { readOurs } from './wire.ts'

export interface KafkaOptions extends ReachOptions {
  /** How many brokers keep each message; one less than that confirms it. 1 accepts that it is gone with its broker. Default 3. */
  readonly replicationFactor?: number
  /** How long topics keep messages, read or not, ms; -1 for ever. Default 7 days. */
  readonly retentionMs?: number
  /** The most bytes of a message with its headers, for topics that are made; default 2 MiB. */
  readonly maxMessageBytes?: number
  /** Who decides which partition is whose: the coordinator (KIP-848), or a member that it elects. Default `consumer`. */
  readonly groupProtocol?: 'consumer' | 'classic'
  /**
   * After so long without a sign of life a member has lost its partitions, ms; default 45,000. With `consumer` it is the brokers'
   * `group.consumer.session.timeout.ms`, unless this is shorter: as where the group has a setting of its own.
   */
  readonly sessionTimeoutMs?: number
  /** How often a member gives a sign of life, and hears what it has to give up; ms, default 1,000. */
  readonly heartbeatMs?: number
  /** How long a member may take to give partitions up, with the handlers that run; ms, default 300,000. */
  readonly rebalanceTimeoutMs?: number
  /** Settings of brokers and topics that are accepted although they lose messages. */
  readonly allowUnsafe?: readonly UnsafeSetting[]
}

/** The options with their defaults. */
export type KafkaSettings = Required<Omit<KafkaOptions, keyof ReachOptions>>

const defaults: KafkaSettings = {
  replicationFactor: 3,
  retentionMs: 7 * 86_400_000,
  maxMessageBytes: 2 * 1024 * 1024,
  groupProtocol: 'consumer',
  sessionTimeoutMs: 45_000,
  heartbeatMs: 1_000,
  rebalanceTimeoutMs: 300_000,
  allowUnsafe: [],
}

/** At least: so many may be lost before the session is. */
const heartbeatsInSession = 6

/**
 * Kafka 4.0 or newer as the transport: a topic a stream, a consumer group a group. `brokers` are some of the cluster's addresses, as
 * `host:port`.
 *
 * Opening throws `ACUSE_TRANSPORT_UNAVAILABLE` (and is tried again in the background), `ACUSE_CONFIGURATION`, or `ACUSE_UNSAFE_SETTING`
 * for brokers that lose messages; consuming throws that for topics too, and `ACUSE_STREAM_MISMATCH`.
 */
export function kafka(brokers: string | readonly string[], options: KafkaOptions = {}): TransportFactory {
  const settings = checkedSettings(options)
  return async (context) => {
    const cluster = await openCluster(brokers, options, context)
    try {
      const ofBrokersMs = await auditBrokers(cluster, { ...settings, allowed: settings.allowUnsafe })
      const { groupProtocol, sessionTimeoutMs: askedMs } = settings
      const sessionTimeoutMs = groupProtocol === 'classic' ? askedMs : Math.min(askedMs, ofBrokersMs)
      return new KafkaTransport(pacedBy(settings, sessionTimeoutMs), context, cluster)
    } catch (error) {
      await cluster.close()
      throw cluster.unreachable(error)
    }
  }
}

/** Throws `ACUSE_CONFIGURATION` for numbers that make no sense. */
export function checkedSettings({
  sasl: _sasl,
  credentials: _credentials,
  tls: _tls,
  ...given
}: KafkaOptions): KafkaSettings {
  const settings: KafkaSettings = { ...defaults, ...given }
  checkAtLeast('kafka: replicationFactor', settings.replicationFactor, 1)
  checkAtLeast('kafka: retentionMs', settings.retentionMs, -1)
  checkAtLeast('kafka: maxMessageBytes', settings.maxMessageBytes, 1_024)
  checkAtLeast('kafka: sessionTimeoutMs', settings.sessionTimeoutMs, 1_000)
  checkAtLeast('kafka: heartbeatMs', settings.heartbeatMs, 10)
  checkAtLeast('kafka: rebalanceTimeoutMs', settings.rebalanceTimeoutMs, 1_000)
  return settings
}

/** The session as the brokers keep it, and signs of life that fit into it. */
export function pacedBy(settings: KafkaSettings, sessionTimeoutMs: number): KafkaSettings {
  const heartbeatMs = Math.min(settings.heartbeatMs, sessionTimeoutMs / heartbeatsInSession)
  return { ...settings, sessionTimeoutMs, heartbeatMs }
}

/** Connects to the brokers. Throws `ACUSE_TRANSPORT_UNAVAILABLE`, and `ACUSE_CONFIGURATION` where it is not said, or said twice, who connects. */
export async function openCluster(
  brokers: string | readonly string[],
  { tls, ...who }: ReachOptions,
  context: TransportContext,
): Promise<Cluster> {
  const { service, instance, clock } = context
  const addresses = (typeof brokers === 'string' ? brokers.split(',') : brokers).map((broker) => broker.trim())
  const login = loginOf(addresses, who, context)
  await login.prepare()
  return Cluster.open({
    ...{ brokers: addresses, clientId: `${service} ${instance}`, clock, login },
    tls: tls === true ? {} : tls,
  })
}

/** A member of a group by the protocol that was asked for. */
export function membershipOf({ groupProtocol }: KafkaSettings, options: MembershipOptions): Membership {
  return groupProtocol === 'consumer' ? new ConsumerMembership(options) : new ClassicMembership(options)
}

class KafkaTransport implements Transport {
  readonly name = 'kafka'
  readonly identity: string
  /** A topic has no lanes: each partition is read in its order. */
  readonly capabilities: TransportCapabilities = { ordered: true, priorities: false, history: true }
  readonly #settings: KafkaSettings
  readonly #context: TransportContext
  readonly #cluster: Cluster
  readonly #topics: Topics
  readonly #publisher: Publisher
  readonly #publishing: KeyedPublishing
  readonly #subscriptions = new Set<Subscription>()

  constructor(settings: KafkaSettings, context: TransportContext, cluster: Cluster) {
    const { clock } = context
    this.identity = `kafka ${cluster.id}`
    this.#settings = settings
    this.#context = context
    this.#cluster = cluster
    this.#topics = new Topics({ ...settings, allowed: settings.allowUnsafe, cluster, clock })
    this.#publisher = new Publisher({
      ...{ producer: new Producer(cluster.main), topics: this.#topics, clock },
      place: (message) => placeOf(message, this.#topics),
    })
    this.#publishing = new KeyedPublishing((message, signal) => this.#publisher.send(message, signal))
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  async consume(source: Source, sink: Sink): Promise<Subscription> {
    const { group, streams } = source
    if (streams === 'all') throw new ConfigurationError(`group ${group}: a group of Kafka has to name its streams.`)
    const { clock, onError } = this.#context
    const subscription = new KafkaSubscription({
      ...this.#settings,
      ...{ cluster: this.#cluster, topics: this.#topics, source, sink, clock, onError },
      streams: await Promise.all(streams.map((stream) => this.#topics.get(stream))),
      read: readOurs(source.types),
      createMembership: (options) => membershipOf(this.#settings, options),
    })
    await subscription.start()
    this.#subscriptions.add(subscription)
    return subscription
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop(0)))
    this.#publisher.close()
    await this.#cluster.close()
  }
}
