import { once } from 'node:events'
import {
  AcuseError,
  ConfigurationError,
  type Delivery,
  type ErrorCode,
  type PublishResult,
  type Sink,
  type Source,
  type Subscription,
  type Transport,
  type TransportContext,
  type TransportFactory,
  type WireMessage,
} from '@acuse/core'
import { type Hub, type HubConnection, type HubConsumer, type HubDelivery, TooLargeForHub } from './hub.ts'

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
  #connection: HubConnection
  #lastCall: Promise<unknown> = Promise.resolve()
  #disposed = false

  constructor(hub: Hub, context: TransportContext) {
    this.identity = `hub ${hub.id}`
    this.#hub = hub
    this.#context = context
    this.#connection = this.#connect()
  }
  // #endregion

  // #region publish
  /** Calls go out one after the other; within a call keys go beside each other, and each key one message at a time. */
  async publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    const aborted = whenAborted(signal)
    const sent = Promise.race([this.#lastCall, aborted]).then(() => {
      const lastOfKey = new Map<string, Promise<PublishResult>>()
      const results = batch.map((message) => {
        const key = message.key === null ? message.id : `${message.stream} ${message.key}`
        const result = Promise.race([aborted, this.#send(message, lastOfKey.get(key), signal)])
        lastOfKey.set(key, result)
        return result
      })
      return Promise.all(results)
    })
    this.#lastCall = sent
    return sent
  }

  async #send(
    message: WireMessage,
    earlier: Promise<PublishResult> | undefined,
    signal: AbortSignal,
  ): Promise<PublishResult> {
    if ((await earlier)?.state === 'failed') {
      // It must not arrive before what failed, so it is not sent at all.
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', 'An earlier message of its key failed.')
    }
    if (signal.aborted) return publishAborted
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
    const subscription = new HubSubscription(source, sink, this.#context.clock, () =>
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
class HubSubscription implements Subscription {
  readonly #source: Source
  readonly #sink: Sink
  readonly #clock: TransportContext['clock']
  readonly #onStopped: () => void
  readonly #out = new Set<HubDelivery>()
  #consumer: HubConsumer | undefined
  #flowing = true
  #stopping = false
  #settled: (() => void) | undefined

  constructor(source: Source, sink: Sink, clock: TransportContext['clock'], onStopped: () => void) {
    this.#source = source
    this.#sink = sink
    this.#clock = clock
    this.#onStopped = onStopped
  }

  attach(connection: HubConnection): void {
    const { group, streams, types, prefetch } = this.#source
    const names = streams === 'all' ? streams : streams.map(({ name }) => name)
    connection.declare(group, { streams: names, types })
    const consumer = connection.consume(group, prefetch, (delivery) => {
      this.#out.add(delivery)
      this.#sink.deliver([this.#deliveryOf(delivery, consumer)])
    })
    consumer.flow(this.#flowing)
    this.#consumer = consumer
  }

  async reattach(connection: HubConnection): Promise<void> {
    this.#out.clear()
    this.#settled?.()
    await this.#sink.revoke(this.#source.group)
    if (!this.#stopping) this.attach(connection)
  }

  pause(): void {
    this.#flow(false)
  }

  resume(): void {
    this.#flow(true)
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true
    this.#flow(false)
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(deadlineMs, resolve)
      this.#settled = () => {
        if (this.#out.size > 0) return
        cancel()
        resolve()
      }
      this.#settled()
    })
    this.#consumer?.cancel()
    this.#onStopped()
  }

  #flow(on: boolean): void {
    this.#flowing = on
    this.#consumer?.flow(on)
  }

  /** The whole queue is one partition: one consumer at a time has all of it. */
  #deliveryOf(delivery: HubDelivery, consumer: HubConsumer): Delivery {
    const settle = (how: (one: HubDelivery) => void): void => {
      how(delivery)
      this.#out.delete(delivery)
      this.#settled?.()
    }
    return {
      message: delivery.message,
      partition: this.#source.group,
      redelivered: delivery.redelivered,
      ack: () => settle((one) => consumer.ack(one)),
      release: () => settle((one) => consumer.requeue(one)),
    }
  }
}
// #endregion

/** An error's code says whether sending the same again can succeed. */
function failed(code: ErrorCode, what: string, cause?: unknown): PublishResult {
  return { state: 'failed', error: new AcuseError(code, what, { cause }) }
}

const publishAborted = failed('ACUSE_PUBLISH_TIMEOUT', 'The publish was aborted before the hub confirmed the message.')

async function whenAborted(signal: AbortSignal): Promise<PublishResult> {
  if (!signal.aborted) await once(signal, 'abort')
  return publishAborted
}
