import { randomUUID } from 'node:crypto'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import {
  AcuseError,
  checkAtLeast,
  checkName,
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
import { type Connection, type ConnectionOptions, openConnection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { Keeper } from './keeper.ts'
import { identityKey } from './keys.ts'
import { Publisher } from './publisher.ts'
import { textOf } from './reply.ts'
import { auditServer, isOnDisk, runIdOf, type ServerFacts, type UnsafeSetting } from './settings.ts'
import { identityScript } from './stream-scripts.ts'
import { RedisSubscription } from './subscription.ts'

export interface RedisOptions {
  /** What all keys begin with; default `acuse`. Who shares messages shares the prefix. */
  readonly prefix?: string
  /** How long a process may be silent before others take its partitions, ms; default 15,000. The same in all processes of a group. */
  readonly leaseMs?: number
  /** Without an answer for so long a connection is given up, ms; default 5,000. Where groups are read at most a third of `leaseMs`. */
  readonly heartbeatMs?: number
  /** How long messages are kept that every group is done with, ms; default a day. What a group has not settled is kept whatever its age. */
  readonly retentionMs?: number
  /** How often streams are trimmed, ms; default 60,000. */
  readonly trimEveryMs?: number
  /** A body that is larger is refused; default 16 MiB, and never more than the server takes (`proto-max-bulk-len`). */
  readonly maxMessageBytes?: number
  /** Settings of the server to be accepted although they lose messages. */
  readonly allowUnsafe?: readonly UnsafeSetting[]
  /** Certificates and the like, as Node's `tls.connect` takes them, for `rediss://`. */
  readonly tls?: TlsOptions
  /** Asked for name and password at each try to connect, so that rotated ones need no restart. Default: those of the address. */
  readonly credentials?: CredentialsProvider
}

const dayMs = 86_400_000

/**
 * Redis 7.0 or newer as the transport: a Redis stream for each partition and priority of a stream, a consumer group for each group, and
 * leases that say who reads what.
 *
 * Opening throws `ACUSE_TRANSPORT_UNAVAILABLE` (and is tried again in the background), `ACUSE_UNSAFE_SETTING` for a server that would lose
 * what it has confirmed, `ACUSE_READ_ONLY` for a replica, or `ACUSE_CONFIGURATION`; consuming throws also `ACUSE_STREAM_MISMATCH`.
 */
export function redis(url: string, options: RedisOptions = {}): TransportFactory {
  const settings = settingsOf(options)
  return async (context) => {
    const { service, instance, clock, onError } = context
    const { tls, credentials } = settings
    const open = (what: string, longestHeartbeatMs = Infinity): Promise<Connection> => {
      const heartbeatMs = Math.min(settings.heartbeatMs, longestHeartbeatMs)
      const name = nameOf(service, what, instance)
      return openConnection({ url, tls, credentials, heartbeatMs, name, clock, onError })
    }
    // So that a dead connection is found out while there is time to renew the leases over another.
    const longestMs = settings.leaseMs / 3
    // Two, so that a large message does not hold up the leases.
    const publishing = await open('publishes')
    try {
      const { redis: client, host } = publishing
      const facts = await auditServer(client, host, settings.allowUnsafe)
      if (facts.waitAof) checkAtLeast('redis: heartbeatMs, where appendfsync is everysec,', settings.heartbeatMs, 4_000)
      const identity = textOf(await identityScript.run(client, [identityKey(settings.prefix)], [randomUUID()]))
      const consuming = await open('consumes', longestMs)
      return new RedisTransport({ settings, context, publishing, consuming, facts, identity, open })
    } catch (error) {
      publishing.close()
      throw asAcuseError(error, `redis ${publishing.host}`)
    }
  }
}

type Reach = 'tls' | 'credentials'
type Settings = Required<Omit<RedisOptions, Reach>> & Pick<ConnectionOptions, Reach>

function settingsOf(options: RedisOptions): Settings {
  const { leaseMs = 15_000 } = options
  const settings: Settings = {
    prefix: 'acuse',
    retentionMs: dayMs,
    trimEveryMs: 60_000,
    maxMessageBytes: 16 * 1_024 * 1_024,
    allowUnsafe: [],
    ...options,
    leaseMs,
    heartbeatMs: options.heartbeatMs ?? 5_000,
    tls: options.tls,
    credentials: options.credentials,
  }
  checkName('redis: prefix', settings.prefix)
  checkAtLeast('redis: leaseMs', leaseMs, 1_000)
  checkAtLeast('redis: heartbeatMs', settings.heartbeatMs, 100)
  checkAtLeast('redis: retentionMs', settings.retentionMs, 0)
  checkAtLeast('redis: trimEveryMs', settings.trimEveryMs, 1)
  checkAtLeast('redis: maxMessageBytes', settings.maxMessageBytes, 1)
  return settings
}

/** Redis takes no spaces in it. */
function nameOf(...parts: readonly string[]): string {
  return parts.join(':').replaceAll(/[^!-~]/g, '_')
}

interface Opened {
  readonly settings: Settings
  readonly context: TransportContext
  readonly publishing: Connection
  readonly consuming: Connection
  readonly facts: ServerFacts
  readonly identity: string
  readonly open: (what: string, longestHeartbeatMs: number) => Promise<Connection>
}

class RedisTransport implements Transport {
  readonly name = 'redis'
  readonly identity: string
  readonly capabilities: TransportCapabilities = { ordered: true, priorities: true, history: true }
  readonly #opened: Opened
  readonly #publishing: KeyedPublishing
  readonly #keeper: Keeper
  readonly #subscriptions = new Set<RedisSubscription>()
  #runId: string

  constructor(opened: Opened) {
    const { settings, context, publishing, consuming, facts, identity } = opened
    const { prefix, retentionMs, trimEveryMs: everyMs, heartbeatMs, maxMessageBytes } = settings
    const { clock, onError } = context
    this.identity = `redis ${identity} ${prefix}`
    this.#opened = opened
    this.#runId = facts.runId
    this.#keeper = new Keeper({ connection: consuming, prefix, retentionMs, everyMs, clock, onError })
    const publisher = new Publisher({
      ...{ connection: publishing, prefix, waitAof: facts.waitAof },
      ...{ maxMessageBytes, serverMostBytes: facts.mostBytes },
      syncWithinMs: heartbeatMs / 2,
      onStream: (stream) => this.#keeper.know(stream),
    })
    this.#publishing = new KeyedPublishing((message) => publisher.send(message))
    this.#keeper.start()
    consuming.onBack(() => void this.#onBack())
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  async consume(source: Source, sink: Sink): Promise<Subscription> {
    const { settings, context, publishing, consuming, open } = this.#opened
    const heartbeatMs = Math.min(settings.heartbeatMs, settings.leaseMs / 3)
    const { group, streams } = source
    if (streams === 'all') throw new ConfigurationError(`group ${group}: a group of Redis has to name its streams.`)
    if (!consuming.connected || !publishing.connected) {
      const text = `group ${group}: there is no connection to Redis; it is tried again.`
      throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text)
    }
    const waiting = await open(`waits:${group}`, heartbeatMs)
    const subscription: RedisSubscription = new RedisSubscription({
      ...{ source, streams, sink, commands: consuming, registering: publishing, waiting },
      ...{ prefix: settings.prefix, leaseMs: settings.leaseMs, blockMs: Math.floor(heartbeatMs / 2) },
      ...{ clock: context.clock, onError: context.onError, member: `${context.instance}/${randomUUID()}` },
      onDisk: () => this.#onDisk(),
      onStopped: () => this.#subscriptions.delete(subscription),
    })
    this.#subscriptions.add(subscription)
    await subscription.start()
    for (const stream of streams) this.#keeper.know(stream)
    return subscription
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper.stop()
    await Promise.all(Array.from(this.#subscriptions, (subscription) => subscription.stop(0)))
    this.#opened.publishing.close()
    this.#opened.consuming.close()
  }

  /** A group's place counts once it is on disk. */
  async #onDisk(): Promise<void> {
    const { facts, publishing, settings } = this.#opened
    if (!facts.waitAof || (await isOnDisk(publishing.redis, settings.heartbeatMs / 2))) return
    const text = `redis ${publishing.host}: what was written is not on disk in time; it is tried again.`
    throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text)
  }

  async #onBack(): Promise<void> {
    const { consuming, settings, context } = this.#opened
    try {
      const runId = await runIdOf(consuming.redis)
      const isNewRun = runId !== this.#runId
      this.#runId = runId
      for (const subscription of this.#subscriptions) subscription.onBack(isNewRun)
      // It may have come back with other settings, or as another server.
      if (isNewRun) await auditServer(consuming.redis, consuming.host, settings.allowUnsafe)
    } catch (error) {
      // Or it is gone again, and will be back again.
      if (consuming.connected) context.onError(asAcuseError(error, `redis ${consuming.host}`))
    }
  }
}
