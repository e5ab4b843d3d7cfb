import {
  AcuseError,
  type Encoder,
  type ForeignPublisher,
  type ForeignTarget,
  KeyedPublishing,
  messageOf,
  type PublishResult,
  type TransportContext,
  type WireMessage,
} from '@acuse/core'
import { ConfirmedChannel, failed } from './confirmed-channel.ts'
import type { Connection } from './connection.ts'
import { type ForeignServerOptions, openForeign, type Preparation } from './foreign-queue.ts'
import { foreignPropertiesOf } from './wire.ts'

export interface RabbitMqExchangeOptions extends ForeignServerOptions {
  /** How its readers want messages: `plainEnvelope()`, `nestEvents`, `cloudEvents()`. */
  readonly codec: Encoder
  /** Default: the type's name. */
  readonly routingKey?: (message: WireMessage) => string
  /** A message that no queue takes fails with `ACUSE_UNROUTABLE`, and in the end is a dead letter. Default false: nobody listens, as events do. */
  readonly mandatory?: boolean
}

/**
 * An exchange that Acuse did not declare, for `bus.forward`; `''` is the default exchange, whose routing keys are queues. Each message is
 * persistent and confirmed, and has its id as its message id.
 */
export function rabbitmqExchange(url: string, name: string, options: RabbitMqExchangeOptions): ForeignTarget {
  return exchangeTarget(url, name, options)
}

/** `prepare` declares what an exchange of our own needs. */
export function exchangeTarget(
  url: string,
  name: string,
  options: RabbitMqExchangeOptions,
  prepare?: Preparation,
): ForeignTarget {
  return {
    name: `rabbitmq exchange ${name}`,
    codec: options.codec,
    open: async (context) => {
      const connection = await openForeign({ ...options, url }, `publishes to ${name}`, context)
      const publisher = new ExchangePublisher(name, options, context, connection, prepare)
      try {
        await publisher.open()
      } catch (error) {
        await connection.close()
        throw error
      }
      return publisher
    },
  }
}

class ExchangePublisher implements ForeignPublisher {
  readonly #exchange: string
  readonly #options: RabbitMqExchangeOptions
  readonly #connection: Connection
  readonly #channel: ConfirmedChannel
  readonly #publishing = new KeyedPublishing((message) => this.#send(message))

  constructor(
    exchange: string,
    options: RabbitMqExchangeOptions,
    { clock, onError }: TransportContext,
    connection: Connection,
    prepare: Preparation | undefined,
  ) {
    this.#exchange = exchange
    this.#options = options
    this.#connection = connection
    this.#channel = new ConfirmedChannel({
      ...{ what: `exchange ${exchange}`, connection, clock, onError },
      prepare: async (channel) => {
        await prepare?.(channel, connection, clock)
        // The default exchange is always there, and may not be asked for.
        if (exchange !== '') await channel.checkExchange(exchange)
      },
    })
  }

  open(): Promise<void> {
    return this.#channel.open()
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel.close()
    await this.#connection.close()
  }

  async #send(message: WireMessage): Promise<PublishResult> {
    const { mandatory = false, routingKey } = this.#options
    if (!this.#connection.connected)
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'there is no connection to RabbitMQ')
    try {
      const { result, returned } = await this.#channel.publish(message, {
        exchange: this.#exchange,
        routingKey: routingKey?.(message) ?? message.type,
        properties: foreignPropertiesOf(message, mandatory),
      })
      return returned && result.state === 'delivered' ? this.#unroutable(message) : result
    } catch (error) {
      if (error instanceof AcuseError) return { state: 'failed', error }
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, messageOf(error), error)
    }
  }

  #unroutable(message: WireMessage): PublishResult {
    return failed('ACUSE_UNROUTABLE', message, `no queue behind exchange ${this.#exchange} takes it`)
  }
}
