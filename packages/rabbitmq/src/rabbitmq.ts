import {
  AcuseError,
  checkAtLeast,
  ConfigurationError,
  type CredentialsProvider,
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
import type { SocketOptions } from 'amqplib'
import { type Connection, openConnection } from './connection.ts'
import { Publisher } from './publisher.ts'
import { RabbitSubscription } from './subscription.ts'

export interface RabbitMqOptions {
  /** A queue for each partition of a group's streams, spread over its processes from RabbitMQ 4.0. Default: one queue a group. */
  readonly partitioned?: boolean
  /** A queue for each priority. Default: priorities are not heeded. */
  readonly prioritized?: boolean
  /** How often the broker hands out a message before it takes it away, into the queue's `.dlq`. Acuse counts attempts itself. Default 1,000,000. */
  readonly deliveryLimit?: number
  /**
   * How long a queue that was just made is left alone before its group counts as there, ms; default 2,000. A node that is killed
   * within a second of a quorum queue's declaration forgets it for good (seen on 3.10 and 4.0: after 0 ms gone, after 1,000 ms there).
   */
  readonly newQueueMs?: number
  /** After twice this long without a sign of life a connection is given up. Whole seconds; default 10,000. */
  readonly heartbeatMs?: number
  /** Certificates and the like, as Node's `tls.connect` takes them, for `amqps://`. */
  readonly tls?: SocketOptions
  /** Asked for name and password at each try to connect, so that rotated ones need no restart. Default: those of the address. */
  readonly credentials?: CredentialsProvider
}

/**
 * RabbitMQ 3.10 or newer as the transport: a topic exchange a stream, a quorum queue with a single active consumer a group. `url` is its
 * address, or those of a cluster's nodes: a connection uses one of them, in their order, and the next when that is gone.
 *
 * Opening throws `ACUSE_TRANSPORT_UNAVAILABLE` (and is tried again in the background) or `ACUSE_CONFIGURATION`; consuming throws also
 * `ACUSE_UNSAFE_SETTING` for a queue that is there with settings that lose messages, and `ACUSE_STREAM_MISMATCH`.
 */
export function rabbitmq(url: string | readonly string[], options: RabbitMqOptions = {}): TransportFactory {
  const { deliveryLimit = 1_000_000, newQueueMs = 2_000, heartbeatMs = 10_000 } = options
  checkAtLeast('rabbitmq: deliveryLimit', deliveryLimit, 1)
  checkAtLeast('rabbitmq: newQueueMs', newQueueMs, 0)
  checkAtLeast('rabbitmq: heartbeatMs', heartbeatMs, 1_000)
  const urls = typeof url === 'string' ? [url] : url
  return async (context) => {
    const { service, instance, clock, onError } = context
    const open = (what: string): Promise<Connection> =>
      openConnection({
        ...{ urls, tls: options.tls, credentials: options.credentials, heartbeatMs },
        ...{ name: `${service} ${what} ${instance}`, clock, onError },
      })
    // Two, as a server that is short of memory stops reading from publishers, and with them their acks.
    const publishing = await open('publishes')
    try {
      const consuming = await open('consumes')
      return new RabbitMqTransport({ ...options, deliveryLimit, newQueueMs }, context, publishing, consuming)
    } catch (error) {
      await publishing.close()
      throw error
    }
  }
}

type Settings = RabbitMqOptions & Required<Pick<RabbitMqOptions, 'deliveryLimit' | 'newQueueMs'>>

class RabbitMqTransport implements Transport {
  readonly name = 'rabbitmq'
  readonly identity: string
  readonly capabilities: TransportCapabilities
  readonly #options: Settings
  readonly #context: TransportContext
  readonly #connections: readonly Connection[]
  readonly #consuming: Connection
  readonly #publisher: Publisher
  readonly #publishing: KeyedPublishing
  readonly #subscriptions = new Set<Subscription>()

  constructor(options: Settings, context: TransportContext, publishing: Connection, consuming: Connection) {
    const { clock, onError } = context
    this.identity = `rabbitmq ${String(publishing.server['cluster_name'])}`
    this.capabilities = { ordered: true, priorities: options.prioritized === true, history: false }
    this.#options = options
    this.#context = context
    this.#connections = [publishing, consuming]
    this.#consuming = consuming
    this.#publisher = new Publisher({ connection: publishing, clock, onError })
    this.#publishing = new KeyedPublishing((message) => this.#publisher.send(message))
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  async consume(source: Source, sink: Sink): Promise<Subscription> {
    const { partitioned = false, prioritized = false, deliveryLimit, newQueueMs } = this.#options
    const { clock, onError, instance } = this.#context
    const { group, streams, from } = source
    if (streams === 'all') throw new ConfigurationError(`group ${group}: a group of RabbitMQ has to name its streams.`)
    if (from !== 'now') {
      throw new ConfigurationError(
        `group ${group}: RabbitMQ keeps no history, so a group can only start at now. Replay what was before from the publisher's log.`,
      )
    }
    if (!this.#consuming.connected) {
      throw new AcuseError(
        'ACUSE_TRANSPORT_UNAVAILABLE',
        `group ${group}: there is no connection to RabbitMQ; it is tried again.`,
      )
    }
    const subscription = new RabbitSubscription({
      ...{ connection: this.#consuming, clock, onError, instance, source, streams, sink },
      ...{ partitioned, prioritized, deliveryLimit, newQueueMs },
    })
    await subscription.start()
    this.#subscriptions.add(subscription)
    return subscription
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop(0)))
    this.#publisher.close()
    await Promise.all(this.#connections.map((connection) => connection.close()))
  }
}
