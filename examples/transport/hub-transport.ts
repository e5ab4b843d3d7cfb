import {
  AcuseError,
  ConfigurationError,
  type ErrorCode,
  Intake,
  KeyedPublishing,
  type PublishResult,
  type Received,
  type Sink,
  type Source,
  type Subscription,
  type Transport,
  type TransportContext,
  type TransportFactory,
  type WireMessage,
} from '@acuse/core'
import { type Hub, type HubConnection, type HubConsumer, TooLargeForHub } from './hub.ts'

const reconnectMs = 50

// #region factory
/** The hub as a transport. Opening it connects. */
export function hubTransport(hub: Hub): TransportFactory {
  return async (context) => new HubTransport(hub, context)
}
// #endregion

// #region transport
export class HubTransport implements Transport {
  readonly name = 'hub'
  readonly identity: string
  /** The hub has one queue for all priorities, and forgets what every group has read. */
  readonly capabilities = { ordered: true, priorities: false, history: false }
  readonly #hub: Hub
  readonly #context: TransportContext
  readonly #subscriptions = new Set<HubSubscription>()
  readonly #publishing = new KeyedPublishing((message) => this.#send(message))
  #connection: HubConnection
  #disposed = false

  constructor(hub: Hub, context: TransportContext) {
    this.identity = `hub ${hub.id}`
    this.#hub = hub
    this.#context = context
    this.#connection = this.#connect()
  }
  // #endregion

  // #region publish
  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  async #send(message: WireMessage): Promise<PublishResult> {
    try {
      await this.#connection.publish(message)
      return { state: 'delivered' }
    } catch (cause) {
      if (cause instanceof TooLargeForHub) return failed('ACUSE_MESSAGE_TOO_LARGE', cause.message, cause)
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', 'The hub did not confirm the message.', cause)
    }
  }
  // #endregion

  // #region consume
  async consume(source: Source, sink: Sink): Promise<Subscription> {
    if (source.from !== 'now') {
      throw new ConfigurationError(`group ${source.group}: the hub keeps no history, so a group can only start at now.`)
    }
    const subscription = new HubSubscription(source, sink, this.#context, () =>
      this.#subscriptions.delete(subscription),
    )
    subscription.attach(this.#connection)
    this.#subscriptions.add(subscription)
    return subscription
  }
  // #endregion

  // #region connection
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop(0)))
    this.crash()
  }

  /** Ends as the process would: nothing is let go of. */
  crash(): void {
    this.#disposed = true
    this.#connection.close()
  }

  #connect(): HubConnection {
    return this.#hub.connect(() => {
      this.#context.onError(
        new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', 'The connection to the hub broke; it is made again.'),
      )
      this.#context.clock.after(reconnectMs, () => void this.#reconnect())
    })
  }

  /** What came over the old connection is void; the sink lets go of it before it comes again. */
  async #reconnect(): Promise<void> {
    if (this.#disposed) return
    this.#connection = this.#connect()
    const connection = this.#connection
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.reattach(connection)))
  }
  // #endregion
}

// #region subscription
interface HubMessage extends Received {
  /** Puts it back where it was. */
  readonly requeue: () => void
}

class HubSubscription implements Subscription {
  readonly #source: Source
  readonly #intake: Intake<HubMessage>
  readonly #onStopped: () => void
  #consumer: HubConsumer | undefined
  #stopping = false

  constructor(source: Source, sink: Sink, { clock, onError }: TransportContext, onStopped: () => void) {
    const { group, prefetch } = source
    this.#source = source
    this.#intake = new Intake({ group, sink, prefetch, clock, onError })
    this.#onStopped = onStopped
  }

  /** The whole queue is one partition: one consumer at a time has all of it. */
  attach(connection: HubConnection): void {
    const { group, streams, types, prefetch } = this.#source
    const names = streams === 'all' ? streams : streams.map(({ name }) => name)
    connection.declare(group, { streams: names, types })
    this.#intake.open(group)
    const consumer = connection.consume(group, prefetch, (delivery) => {
      const { message, redelivered } = delivery
      const ack = (): void => consumer.ack(delivery)
      this.#intake.add(group, [{ message, redelivered, ack, requeue: () => consumer.requeue(delivery) }])
    })
    this.#consumer = consumer
  }

  async reattach(connection: HubConnection): Promise<void> {
    await this.#intake.lose(this.#source.group)
    if (!this.#stopping) this.attach(connection)
  }

  pause(): void {
    this.#intake.pause()
  }

  resume(): void {
    this.#intake.resume()
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true
    await this.#intake.stop(deadlineMs)
    for (const { requeue } of this.#intake.unbegun(this.#source.group)) requeue()
    this.#intake.close()
    this.#consumer?.cancel()
    this.#onStopped()
  }
}
// #endregion

/** An error's code says whether sending the same again can succeed. */
function failed(code: ErrorCode, what: string, cause?: unknown): PublishResult {
  return { state: 'failed', error: new AcuseError(code, what, { cause }) }
}
