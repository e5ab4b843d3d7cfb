import {
  AcuseError,
  checkAtLeast,
  type Clock,
  type ForeignPlace,
  type ForeignRequest,
  type ForeignRisk,
  type ForeignSource,
  Intake,
  type Sink,
  type Subscription,
  type TransportContext,
} from '@acuse/core'
import type { Channel, ConsumeMessage } from 'amqplib'
import { type Connection, openConnection } from './connection.ts'
import { asAcuseError, isRefused } from './errors.ts'
import { foreignMessageOf, mayBeBegun } from './foreign-message.ts'
import { GatheredAcks } from './gathered-acks.ts'
import { KeptChannel } from './kept-channel.ts'
import type { RabbitMqOptions } from './rabbitmq.ts'

/** How a server of others is reached. */
export type ForeignServerOptions = Pick<RabbitMqOptions, 'tls' | 'credentials' | 'heartbeatMs'>

export interface RabbitMqQueueOptions extends ForeignServerOptions {
  /** The queue is somebody else's: nothing is declared, bound or deleted, and the queue has to be there. */
  readonly declare: 'never'
  /**
   * `loss`, always: AMQP does not tell whether a queue is durable, replicated, or drops what is too old or too much. `order`: the queue
   * is shared with its other consumers; without it Acuse consumes it exclusively, or waits until it can. `duplicates`: messages have no id.
   */
  readonly acceptRisks: readonly ForeignRisk[]
  /** The queue was declared with a single active consumer, which keeps order beside others. AMQP does not tell. Default false. */
  readonly singleActiveConsumer?: boolean
  /** The queue that gets what expires or overflows: what is in it becomes dead letters of the group. */
  readonly deadLetterQueue?: string
}

/**
 * A queue that Acuse did not declare, for `bus.from`. Beside the queue nothing of the server is touched, and its other consumers go on.
 * Throws `ACUSE_UNSAFE_SETTING` for a risk that cannot be excluded and was not accepted.
 */
export function rabbitmqQueue(url: string, name: string, options: RabbitMqQueueOptions): ForeignSource {
  const { acceptRisks, deadLetterQueue, singleActiveConsumer = false } = options
  if (!acceptRisks.includes('loss')) {
    throw new AcuseError(
      'ACUSE_UNSAFE_SETTING',
      `rabbitmq queue ${name}: AMQP does not tell whether it is durable and replicated, or drops what is too old or too much. Look (rabbitmqctl list_queues name durable arguments), mend what loses, and accept the rest with acceptRisks: ['loss'].`,
    )
  }
  const server = { ...options, url }
  return {
    ...queueSource({
      ...server,
      queue: name,
      acceptRisks,
      isAlone: !acceptRisks.includes('order') && !singleActiveConsumer,
    }),
    ...(deadLetterQueue === undefined ? {} : { deadLetters: deadLetterSource({ ...server, queue: deadLetterQueue }) }),
  }
}

export interface QueueSourceOptions extends ForeignServerOptions {
  readonly url: string
  readonly queue: string
  readonly acceptRisks: readonly ForeignRisk[]
  /** Whether nobody else may consume it meanwhile. */
  readonly isAlone: boolean
  /** Whether it holds what another queue has dead-lettered. */
  readonly isDeadLetters?: boolean
  /** Declares what is our own, before the queue is looked for. */
  readonly prepare?: Preparation
}

/** What is done on each new channel before it is used. */
export type Preparation = (channel: Channel, connection: Connection, clock: Clock) => Promise<void>

/** A source of which the risks are known. */
export function queueSource(options: QueueSourceOptions): ForeignSource {
  const { queue, acceptRisks } = options
  return {
    name: `rabbitmq queue ${queue}`,
    hasIds: false,
    acceptRisks,
    open: async (context) => new QueuePlace(options, context, await openForeign(options, `reads ${queue}`, context)),
  }
}

/** A queue of dead letters: whoever takes one, and when, is all the same. */
export function deadLetterSource(
  options: ForeignServerOptions & Pick<QueueSourceOptions, 'url' | 'queue' | 'prepare'>,
): ForeignSource {
  return queueSource({ ...options, acceptRisks: ['order'], isAlone: false, isDeadLetters: true })
}

/** A connection to somebody else's server. */
export function openForeign(
  { url, tls, credentials, heartbeatMs = 10_000 }: ForeignServerOptions & { readonly url: string },
  what: string,
  { service, instance, clock, onError }: TransportContext,
): Promise<Connection> {
  checkAtLeast('rabbitmq: heartbeatMs', heartbeatMs, 1_000)
  const name = `${service} ${what} ${instance}`
  return openConnection({ urls: [url], tls, credentials, heartbeatMs, name, clock, onError })
}

class QueuePlace implements ForeignPlace {
  readonly #options: QueueSourceOptions
  readonly #context: TransportContext
  readonly #connection: Connection

  constructor(options: QueueSourceOptions, context: TransportContext, connection: Connection) {
    this.#options = options
    this.#context = context
    this.#connection = connection
  }

  async consume(request: ForeignRequest, sink: Sink): Promise<Subscription> {
    const subscription = new QueueSubscription(this.#options, this.#context, this.#connection, request, sink)
    await subscription.start()
    return subscription
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection.close()
  }
}

/** One consumer of the queue. What it lets go of the broker gives to whoever is next. */
class QueueSubscription implements Subscription {
  readonly #options: QueueSourceOptions
  readonly #request: ForeignRequest
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #intake: Intake
  readonly #channel: KeptChannel<Channel>
  /** Of the channel of the moment. */
  #acks: GatheredAcks | undefined
  #stopping: Promise<void> | undefined

  constructor(
    options: QueueSourceOptions,
    { clock, onError }: TransportContext,
    connection: Connection,
    request: ForeignRequest,
    sink: Sink,
  ) {
    const { queue } = options
    const { group, prefetch } = request
    this.#options = options
    this.#request = request
    this.#connection = connection
    this.#clock = clock
    this.#intake = new Intake({ group, sink, prefetch, clock, onError })
    this.#channel = new KeptChannel({
      what: this.#what,
      clock,
      onError,
      create: () => connection.model.createChannel(),
      prepare: (channel) => this.#consume(channel),
      onLost: async () => void (await this.#intake.lose(queue)),
    })
  }

  get #what(): string {
    return `group ${this.#request.group}, queue ${this.#options.queue}`
  }

  async start(): Promise<void> {
    if (!this.#connection.connected) {
      const text = `${this.#what}: there is no connection to RabbitMQ; it is tried again.`
      throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text)
    }
    await this.#channel.start()
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
    await this.#intake.stop(deadlineMs)
    this.#intake.close()
    this.#acks?.flush()
    await this.#channel.stop()
  }

  async #consume(channel: Channel): Promise<void> {
    const { queue, isAlone, prepare } = this.#options
    await prepare?.(channel, this.#connection, this.#clock)
    // Passive: it answers whether the queue is there, and changes nothing.
    await channel.checkQueue(queue)
    await channel.prefetch(this.#request.prefetch)
    this.#intake.open(queue)
    const acks = new GatheredAcks(channel, this.#clock, () => this.#channel.current === channel)
    this.#acks = acks
    const onMessage = (message: ConsumeMessage | null): void => {
      // The server has cancelled the consumer: the queue was deleted, or its node was lost.
      if (message === null) void channel.close().catch(() => undefined)
      else this.#take(acks, message)
    }
    try {
      await channel.consume(queue, onMessage, { noAck: false, exclusive: isAlone })
    } catch (error) {
      throw isAlone && isRefused(error) ? this.#shared(error) : asAcuseError(error, this.#what)
    }
  }

  #shared(cause: unknown): AcuseError {
    return new AcuseError(
      'ACUSE_TRANSPORT_UNAVAILABLE',
      `${this.#what}: others consume it, and beside them the order of a key would not hold. It is tried again until they are gone; share it with acceptRisks: ['order'], or with singleActiveConsumer where the queue was declared so.`,
      { cause },
    )
  }

  #take(acks: GatheredAcks, message: ConsumeMessage): void {
    acks.came(message)
    const wire = this.#request.wireOf(foreignMessageOf(message, this.#options.isDeadLetters === true))
    const ack = (): void => acks.ack(message)
    if (wire === null) return ack()
    this.#intake.add(this.#options.queue, [{ message: wire, redelivered: mayBeBegun(message), ack }])
  }
}
