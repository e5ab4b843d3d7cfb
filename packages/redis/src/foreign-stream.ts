import {
  AcuseError,
  checkAtLeast,
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
import { type Connection, openConnection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { ForeignReader } from './foreign-reader.ts'
import type { RedisOptions } from './redis.ts'
import { lossesOf } from './settings.ts'

/** How a server of others is reached. */
export type ForeignServerOptions = Pick<RedisOptions, 'tls' | 'credentials' | 'heartbeatMs'>

const defaultHeartbeatMs = 5_000

export interface RedisStreamOptions extends ForeignServerOptions {
  /** Stream and group are somebody else's: nothing is made, trimmed or deleted, and both have to be there. */
  readonly declare: 'never'
  /**
   * `order`, always: Redis gives a group's entries to whichever of its consumers asks. `loss`: settings of the server may lose entries;
   * which they are is read, and said where it was not accepted.
   */
  readonly acceptRisks: readonly ForeignRisk[]
  /** The field of an entry that is the body; the others are headers. Default `data`. */
  readonly bodyField?: string
  /** How long an entry may be without a sign of life of its consumer until it is taken over, ms; default 60,000. */
  readonly claimAfterMs?: number
}

/**
 * A group of a Redis stream that Acuse did not declare, for `bus.from`. A message's own id is that of its entry. Throws
 * `ACUSE_UNSAFE_SETTING` for a risk that was not accepted.
 */
export function redisStream(url: string, key: string, group: string, options: RedisStreamOptions): ForeignSource {
  const { acceptRisks, bodyField = 'data', claimAfterMs = 60_000 } = options
  const name = `redis stream ${key}, group ${group}`
  checkAtLeast(`${name}: claimAfterMs`, claimAfterMs, 100)
  checkAtLeast(`${name}: heartbeatMs`, options.heartbeatMs ?? defaultHeartbeatMs, 2_000)
  if (!acceptRisks.includes('order')) {
    throw new AcuseError(
      'ACUSE_UNSAFE_SETTING',
      `${name}: Redis gives a group's entries to whichever of its consumers asks, so a key's may be handled beside each other. Accept it with acceptRisks: ['order'].`,
    )
  }
  return {
    name,
    hasIds: true,
    acceptRisks,
    open: async (context) => {
      const commands = await openTheirs(url, options, 'commands', context)
      try {
        if (!acceptRisks.includes('loss')) await refuseLosses(name, commands)
        const waiting = await openTheirs(url, options, 'waits', context)
        return new StreamPlace({ name, key, group, bodyField, claimAfterMs }, context, commands, waiting)
      } catch (error) {
        commands.close()
        throw asAcuseError(error, name)
      }
    },
  }
}

function openTheirs(
  url: string,
  { tls, credentials, heartbeatMs = defaultHeartbeatMs }: ForeignServerOptions,
  what: string,
  { service, instance, clock, onError }: TransportContext,
): Promise<Connection> {
  const name = `${service}:${what}:${instance}`.replaceAll(/[^!-~]/g, '_')
  return openConnection({ url, tls, credentials, heartbeatMs, name, clock, onError })
}

async function refuseLosses(name: string, { redis }: Connection): Promise<void> {
  const losses = await lossesOf(redis)
  if (losses.length === 0) return
  const text = `${name}: ${losses.join('; ')}. Mend it, or accept it with acceptRisks: ['loss'].`
  throw new AcuseError('ACUSE_UNSAFE_SETTING', text)
}

interface Shape {
  readonly name: string
  readonly key: string
  readonly group: string
  readonly bodyField: string
  readonly claimAfterMs: number
}

class StreamPlace implements ForeignPlace {
  readonly #shape: Shape
  readonly #context: TransportContext
  readonly #commands: Connection
  readonly #waiting: Connection

  constructor(shape: Shape, context: TransportContext, commands: Connection, waiting: Connection) {
    this.#shape = shape
    this.#context = context
    this.#commands = commands
    this.#waiting = waiting
  }

  async consume(request: ForeignRequest, sink: Sink): Promise<Subscription> {
    const { key, bodyField } = this.#shape
    const { clock, onError, instance } = this.#context
    const reader = new ForeignReader({
      ...{ ...this.#shape, ...request, theirGroup: this.#shape.group },
      ...{ sink, clock, onError, consumer: instance },
      ...{ commands: this.#commands, waiting: this.#waiting },
      read: (id, fields) => request.wireOf(foreignMessageOf(key, id, fields, bodyField)),
    })
    await reader.start()
    return reader
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#commands.close()
    this.#waiting.close()
  }
}

function foreignMessageOf(
  key: string,
  id: string,
  fields: ReadonlyMap<string, Buffer>,
  bodyField: string,
): ForeignMessage {
  const headers = Object.fromEntries(
    [...fields].filter(([name]) => name !== bodyField).map(([name, value]) => [name, value.toString()]),
  )
  return {
    ...{ address: key, id: `${key}-${id}`, key: null, headers },
    time: new Date(Number(id.split('-')[0])),
    body: fields.get(bodyField) ?? new Uint8Array(0),
  }
}

export interface RedisForwardOptions extends ForeignServerOptions {
  /** How its readers want messages: `plainEnvelope()`, `cloudEvents()`. */
  readonly codec: Encoder
  /** The field of an entry that is the body; headers are fields beside it. Default `data`. */
  readonly bodyField?: string
}

/** A Redis stream that others read, for `bus.forward`: an entry for each message. It is neither made with a group nor trimmed. */
export function redisForwardStream(url: string, key: string, options: RedisForwardOptions): ForeignTarget {
  const { codec, bodyField = 'data' } = options
  return {
    name: `redis stream ${key}`,
    codec,
    open: async (context) => new StreamPublisher(key, bodyField, await openTheirs(url, options, 'forwards', context)),
  }
}

class StreamPublisher implements ForeignPublisher {
  readonly #key: string
  readonly #bodyField: string
  readonly #connection: Connection
  readonly #publishing = new KeyedPublishing((message) => this.#send(message))

  constructor(key: string, bodyField: string, connection: Connection) {
    this.#key = key
    this.#bodyField = bodyField
    this.#connection = connection
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close()
  }

  async #send({ type, id, headers, body }: WireMessage): Promise<PublishResult> {
    const { buffer, byteOffset, byteLength } = body
    const fields = [...Object.entries(headers).flat(), this.#bodyField, Buffer.from(buffer, byteOffset, byteLength)]
    try {
      await this.#connection.redis.xadd(this.#key, '*', ...fields)
      return { state: 'delivered' }
    } catch (error) {
      return { state: 'failed', error: asAcuseError(error, `message ${type} ${id}`) }
    }
  }
}
