import {
  AcuseError,
  ConfigurationError,
  type ForeignMessage,
  type ForeignPlace,
  type ForeignRequest,
  type ForeignRisk,
  type ForeignSource,
  Intake,
  type Received,
  type Sink,
  type Subscription,
  type TransportContext,
} from '@acuse/core'
import { AckPolicy, type ConsumerInfo, type ConsumerMessages, jetstream, type JsMsg } from '@nats-io/jetstream'
import { readConsumerInfo, readStreamInfo } from './api.ts'
import { type Connection, openConnection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import type { NatsOptions } from './nats.ts'
import { lossesOf } from './settings.ts'

/** How a server of others is reached. */
export type ForeignServerOptions = Pick<NatsOptions, 'tls' | 'authenticator' | 'credentials'>

export interface NatsConsumerOptions extends ForeignServerOptions {
  /** Stream and consumer are somebody else's: nothing is made or changed, and both have to be there. */
  readonly declare: 'never'
  /**
   * `loss`: settings of the stream or the consumer may lose messages; which they are is read, and said where it was not accepted.
   * `order`: what comes again comes behind later messages; only a consumer with `max_ack_pending` 1 excludes it. Default: none.
   */
  readonly acceptRisks?: readonly ForeignRisk[]
}

/**
 * A durable pull consumer of a stream that Acuse did not declare, for `bus.from`. A message's own id is its place in the stream.
 * Opening throws `ACUSE_UNSAFE_SETTING` for a risk that was not accepted, and `ACUSE_CONFIGURATION` for a consumer without explicit acks.
 */
export function natsConsumer(
  url: string,
  stream: string,
  consumer: string,
  options: NatsConsumerOptions,
): ForeignSource {
  const { tls, authenticator, credentials, acceptRisks = [] } = options
  const name = `nats consumer ${consumer} of ${stream}`
  return {
    name,
    hasIds: true,
    acceptRisks,
    open: async (context) => {
      const { service, instance, clock, onError } = context
      const title = `${service} reads ${stream} ${instance}`
      const connection = await openConnection({ url, tls, authenticator, credentials, name: title, clock, onError })
      return new ConsumerPlace({ name, stream, consumer, acceptRisks }, context, connection)
    },
  }
}

interface Shape {
  readonly name: string
  readonly stream: string
  readonly consumer: string
  readonly acceptRisks: readonly ForeignRisk[]
}

class ConsumerPlace implements ForeignPlace {
  readonly #shape: Shape
  readonly #context: TransportContext
  readonly #connection: Connection

  constructor(shape: Shape, context: TransportContext, connection: Connection) {
    this.#shape = shape
    this.#context = context
    this.#connection = connection
  }

  async consume(request: ForeignRequest, sink: Sink): Promise<Subscription> {
    const { name, stream, consumer } = this.#shape
    try {
      const { config } = await this.#check()
      const reader = await jetstream(this.#connection.client).consumers.get(stream, consumer)
      const messages = await reader.consume({ max_messages: Math.max(1, request.prefetch) })
      const ackWaitMs = (config.ack_wait ?? defaultAckWaitNanos) / nanosPerMs
      return new ConsumerSubscription(this.#shape, this.#context, request, sink, messages, ackWaitMs)
    } catch (error) {
      throw asAcuseError(error, name)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection.close()
  }

  async #check(): Promise<ConsumerInfo> {
    const { name, stream, consumer, acceptRisks } = this.#shape
    const info = await readConsumerInfo(this.#connection, stream, consumer)
    const { ack_policy, max_ack_pending, max_deliver = -1, deliver_subject } = info.config
    if (ack_policy !== AckPolicy.Explicit || deliver_subject !== undefined) {
      const text = `${name}: it is no pull consumer with explicit acks, so what was not applied would count as done. Name one that is.`
      throw new ConfigurationError(text)
    }
    const losses = [...lossesOf((await readStreamInfo(this.#connection, stream)).config)]
    if (max_deliver > 0) losses.push(`max_deliver ${max_deliver}: after so many deliveries a message is left unread`)
    if (losses.length > 0 && !acceptRisks.includes('loss')) {
      throw new AcuseError(
        'ACUSE_UNSAFE_SETTING',
        `${name}: ${losses.join('; ')}. Mend it, or accept it with acceptRisks: ['loss'].`,
      )
    }
    if (max_ack_pending !== 1 && !acceptRisks.includes('order')) {
      const text = `${name}: max_ack_pending is ${max_ack_pending}, so what comes again comes behind later messages of its key. Set it to 1, or accept it with acceptRisks: ['order'].`
      throw new AcuseError('ACUSE_UNSAFE_SETTING', text)
    }
    return info
  }
}

const nanosPerMs = 1_000_000
const defaultAckWaitNanos = 30_000 * nanosPerMs
/** So often within the time that the server waits for an ack it is told that there is work. */
const signsWithinAckWait = 3

class ConsumerSubscription implements Subscription {
  readonly #shape: Shape
  readonly #context: TransportContext
  readonly #request: ForeignRequest
  readonly #intake: Intake<Taken>
  readonly #messages: ConsumerMessages
  readonly #signEveryMs: number
  /** What is neither acked nor given back. */
  readonly #open = new Set<JsMsg>()
  #cancelSigns: (() => void) | undefined
  #stopping: Promise<void> | undefined

  constructor(
    shape: Shape,
    context: TransportContext,
    request: ForeignRequest,
    sink: Sink,
    messages: ConsumerMessages,
    ackWaitMs: number,
  ) {
    const { clock, onError } = context
    const { group, prefetch } = request
    this.#shape = shape
    this.#context = context
    this.#request = request
    this.#messages = messages
    this.#signEveryMs = ackWaitMs / signsWithinAckWait
    this.#intake = new Intake({ group, sink, prefetch, clock, onError })
    this.#intake.open(shape.name)
    this.#sign()
    void this.#read()
  }

  pause(): void {
    this.#intake.pause()
  }

  resume(): void {
    this.#intake.resume()
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs)
    return this.#stopping
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#messages.stop()
    await this.#intake.stop(deadlineMs)
    for (const { raw } of this.#intake.unbegun(this.#shape.name)) raw.nak()
    this.#intake.close()
    this.#cancelSigns?.()
  }

  async #read(): Promise<void> {
    const { onError } = this.#context
    try {
      for await (const message of this.#messages) this.#take(message)
    } catch (error) {
      onError(asAcuseError(error, this.#shape.name))
    }
    if (this.#stopping !== undefined) return
    // The client goes on by itself after breaks; this is the end of the stream or the consumer.
    onError(
      new AcuseError(
        'ACUSE_TRANSPORT_UNAVAILABLE',
        `${this.#shape.name}: it is gone; nothing comes of it until the bus is started again.`,
      ),
    )
  }

  #take(raw: JsMsg): void {
    const wire = this.#request.wireOf(foreignMessageOf(raw))
    const ack = (): void => {
      this.#open.delete(raw)
      raw.ack()
    }
    if (wire === null) return ack()
    this.#open.add(raw)
    this.#intake.add(this.#shape.name, [{ message: wire, redelivered: raw.redelivered, ack, raw }])
  }

  /** A handler may take longer than the server waits for its ack. */
  #sign(): void {
    this.#cancelSigns = this.#context.clock.after(this.#signEveryMs, () => {
      for (const message of this.#open) message.working()
      this.#sign()
    })
  }
}

interface Taken extends Received {
  readonly raw: JsMsg
}

function foreignMessageOf({ subject, headers: given, data, info, seq, timestampNanos }: JsMsg): ForeignMessage {
  const headers: Record<string, string> = {}
  for (const [name, [value = '']] of given ?? []) headers[name] = value
  return {
    address: subject,
    id: `${info.stream}-${seq}-${timestampNanos}`,
    key: null,
    time: new Date(Number(timestampNanos / BigInt(nanosPerMs))),
    headers,
    body: data,
  }
}
