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
import type { Authenticator, NodeConnectionOptions } from '@nats-io/transport-node'
import { type Connection, openConnection } from './connection.ts'
import { Keeper } from './keeper.ts'
import { Publisher } from './publisher.ts'
import type { UnsafeSetting } from './settings.ts'
import { ensureBucket, ensureStream, type StreamOptions } from './streams.ts'
import { NatsSubscription } from './subscription.ts'

const dayMs = 86_400_000

export interface NatsOptions {
  /** How many servers keep each stream. Default 1; a cluster can have 3 or 5, and needs them to survive the loss of a server. */
  readonly replicas?: number
  /** Each priority is read for itself, and a higher one first. Default: priorities are not heeded. */
  readonly prioritized?: boolean
  /** How long a stream knows the ids of what it has taken, so that what is sent again is there once, ms; default 120,000. */
  readonly duplicateWindowMs?: number
  /** Messages older than this are taken out of their stream once every group that reads it is done with them, ms; default 7 days. */
  readonly retentionMs?: number
  /** How often that is looked for, ms; default 60,000. */
  readonly trimEveryMs?: number
  /** How long after its last sign of life a process's partitions go to others, ms; default 10,000. */
  readonly leaseMs?: number
  /** The bucket of keys and values that keeps the groups' places; default `acuse`. */
  readonly bucket?: string
  /** Settings of streams that lose what was confirmed, and that are accepted all the same. */
  readonly allowUnsafe?: readonly UnsafeSetting[]
  /** Certificates and the like, as Node's `tls.connect` takes them. `tls://` asks for it too. */
  readonly tls?: NodeConnectionOptions['tls']
  /** Credentials that an address cannot hold, as of `credsAuthenticator`. */
  readonly authenticator?: Authenticator
  /**
   * Asked for name and password when the connection was lost, and after each try that the server refused, so that rotated ones need no
   * restart. Default: those of the address, or what `authenticator` says.
   */
  readonly credentials?: CredentialsProvider
}

/**
 * NATS 2.10 or newer with JetStream as the transport: a file stream of JetStream for each stream, and a bucket of keys and values for where
 * each group is and who owns which partition.
 *
 * Opening throws `ACUSE_TRANSPORT_UNAVAILABLE` (and is tried again in the background), `ACUSE_CONFIGURATION` or `ACUSE_UNSAFE_SETTING`;
 * consuming throws also `ACUSE_STREAM_MISMATCH`.
 */
export function nats(url: string, options: NatsOptions = {}): TransportFactory {
  const { replicas = 1, duplicateWindowMs = 120_000, leaseMs = 10_000, bucket = 'acuse', allowUnsafe = [] } = options
  checkAtLeast('nats: replicas', replicas, 1)
  checkAtLeast('nats: duplicateWindowMs', duplicateWindowMs, 100)
  checkAtLeast('nats: leaseMs', leaseMs, 1_000)
  const { retentionMs = 7 * dayMs, trimEveryMs = 60_000 } = options
  checkAtLeast('nats: retentionMs', retentionMs, 0)
  checkAtLeast('nats: trimEveryMs', trimEveryMs, 1)
  if (!/^[A-Za-z0-9_-]+$/.test(bucket)) {
    throw new ConfigurationError(`nats: bucket ${JSON.stringify(bucket)} may hold letters, digits, "_" and "-" only.`)
  }
  return async (context) => {
    const { service, instance, clock, onError } = context
    const { tls, authenticator, credentials } = options
    const open = (what: string): Promise<Connection> => {
      const name = `${service} ${what} ${instance}`
      return openConnection({ url, tls, authenticator, credentials, name, clock, onError })
    }
    // Two, as leases must not wait behind megabytes that are being published.
    const publishing = await open('publishes')
    try {
      const consuming = await open('consumes')
      try {
        const stream: StreamOptions = { replicas, duplicateWindowMs, allowUnsafe }
        const { created } = await ensureBucket(consuming, bucket, stream)
        const keeper = new Keeper({
          ...{ connection: consuming, bucket, retentionMs, clock, onError },
          everyMs: trimEveryMs,
        })
        const settings = { stream, bucket, leaseMs, prioritized: options.prioritized ?? false }
        return new NatsTransport(settings, context, { publishing, consuming, keeper, made: created })
      } catch (error) {
        await consuming.close()
        throw error
      }
    } catch (error) {
      await publishing.close()
      throw error
    }
  }
}

interface Settings {
  readonly stream: StreamOptions
  readonly bucket: string
  readonly leaseMs: number
  readonly prioritized: boolean
}

interface Parts {
  readonly publishing: Connection
  readonly consuming: Connection
  readonly keeper: Keeper
  /** When the bucket was made, which tells one server from another. */
  readonly made: string
}

class NatsTransport implements Transport {
  readonly name = 'nats'
  readonly identity: string
  readonly capabilities: TransportCapabilities
  readonly #settings: Settings
  readonly #context: TransportContext
  readonly #parts: Parts
  readonly #publishing: KeyedPublishing
  readonly #subscriptions = new Set<Subscription>()
  #consumed = 0

  constructor(settings: Settings, context: TransportContext, parts: Parts) {
    const { publishing, keeper, made } = parts
    this.identity = `nats ${settings.bucket} ${made}`
    this.capabilities = { ordered: true, priorities: settings.prioritized, history: true }
    this.#settings = settings
    this.#context = context
    this.#parts = parts
    const publisher = new Publisher({
      connection: publishing,
      ensure: (stream) => {
        keeper.know(stream)
        return ensureStream(publishing, stream, settings.stream)
      },
    })
    this.#publishing = new KeyedPublishing((message) => publisher.send(message))
    keeper.start()
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  async consume(source: Source, sink: Sink): Promise<Subscription> {
    const { clock, onError, instance } = this.#context
    const { group, streams } = source
    const { consuming, keeper } = this.#parts
    if (streams === 'all') throw new ConfigurationError(`group ${group}: a group of NATS has to name its streams.`)
    if (!consuming.connected) {
      throw new AcuseError(
        'ACUSE_TRANSPORT_UNAVAILABLE',
        `group ${group}: there is no connection to NATS; it is tried again.`,
      )
    }
    for (const stream of streams) keeper.know(stream)
    const subscription = new NatsSubscription({
      ...{ connection: consuming, clock, onError, source, streams, sink },
      member: `${instance}.${++this.#consumed}`,
      ...this.#settings,
    })
    await subscription.start()
    this.#subscriptions.add(subscription)
    return subscription
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop(0)))
    await this.#parts.keeper.stop()
    await Promise.all([this.#parts.publishing.close(), this.#parts.consuming.close()])
  }
}
