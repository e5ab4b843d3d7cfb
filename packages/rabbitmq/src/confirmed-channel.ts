import { AcuseError, type Clock, type ErrorCode, messageOf, type PublishResult, type WireMessage } from '@acuse/core'
import type { ConfirmChannel, Options } from 'amqplib'
import type { Connection } from './connection.ts'
import { isOfDestination } from './errors.ts'
import { KeptChannel } from './kept-channel.ts'

/** For so long the server is not asked again, at the cost of a channel each time. Somebody may have raised its limit. */
const limitHoldsMs = 1_000

export interface ConfirmedChannelOptions {
  /** What it is for, as errors say it. */
  readonly what: string
  readonly connection: Connection
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  /** Declares or checks what is published to. */
  readonly prepare: (channel: ConfirmChannel) => Promise<void>
  readonly onLost?: () => void
}

/** Where a message is published to. */
export interface Destination {
  readonly exchange: string
  readonly routingKey: string
  readonly properties: Options.Publish
}

export interface Answer {
  readonly result: PublishResult
  /** No queue has taken it. */
  readonly returned: boolean
}

interface Pending {
  readonly message: WireMessage
  readonly settle: (result: PublishResult) => void
  returned: boolean
}

/** A channel on which each message is confirmed, told to be unroutable, or failed. It comes back by itself. */
export class ConfirmedChannel {
  readonly #options: ConfirmedChannelOptions
  readonly #channel: KeptChannel<ConfirmChannel>
  readonly #pending = new Map<string, Pending>()
  /** Learnt from the server, which says it only by closing the channel. */
  #limit = { mostBytes: Infinity, untilMs: 0 }

  constructor(options: ConfirmedChannelOptions) {
    const { connection, clock, onError, what, prepare } = options
    this.#options = options
    this.#channel = new KeptChannel({
      what,
      clock,
      onError,
      create: () => connection.model.createConfirmChannel(),
      prepare: async (channel) => {
        channel.on('return', ({ properties }) => this.#onReturned(properties.messageId))
        channel.on('error', (error) => this.#learnFrom(error))
        await prepare(channel)
      },
      onLost: (reason) => this.#onLost(reason),
    })
  }

  /** The channel while it is ready. */
  get current(): ConfirmChannel | undefined {
    return this.#channel.current
  }

  open(): Promise<void> {
    return this.#channel.start()
  }

  close(): Promise<void> {
    return this.#channel.stop()
  }

  /** Settles once the server has answered, or the channel is lost. */
  async publish(message: WireMessage, destination: Destination): Promise<Answer> {
    const { connection, clock } = this.#options
    if (this.#isTooLarge(message) && clock.now() < this.#limit.untilMs) {
      return { result: this.#tooLarge(message), returned: false }
    }
    if (connection.blocked !== undefined) await connection.blocked
    const channel = this.#channel.current
    if (channel !== undefined) return this.#publish(channel, message, destination)
    return { result: unsent(message, 'its channel is being opened again', this.#channel.failure), returned: false }
  }

  #publish(
    channel: ConfirmChannel,
    message: WireMessage,
    { exchange, routingKey, properties }: Destination,
  ): Promise<Answer> {
    return new Promise((resolve) => {
      const pending: Pending = {
        message,
        returned: false,
        settle: (result) => {
          if (this.#pending.get(message.id) === pending) this.#pending.delete(message.id)
          resolve({ result, returned: pending.returned })
        },
      }
      this.#pending.set(message.id, pending)
      const { buffer, byteOffset, byteLength } = message.body
      const body = Buffer.from(buffer, byteOffset, byteLength)
      channel.publish(exchange, routingKey, body, properties, (error: unknown) => {
        if (error === null || error === undefined) pending.settle({ state: 'delivered' })
        // What a lost channel leaves unconfirmed is settled when the loss is understood.
        else if (this.#channel.current === channel && isNack(error)) pending.settle(refused(message, error))
      })
    })
  }

  #isTooLarge({ body }: WireMessage): boolean {
    return body.byteLength > this.#limit.mostBytes
  }

  #tooLarge(message: WireMessage): PublishResult {
    const text = `it has ${message.body.byteLength} bytes, and the server takes ${this.#limit.mostBytes} (max_message_size)`
    return failed('ACUSE_MESSAGE_TOO_LARGE', message, text)
  }

  #onReturned(id: unknown): void {
    const pending = typeof id === 'string' ? this.#pending.get(id) : undefined
    if (pending !== undefined) pending.returned = true
  }

  #learnFrom(error: Error): void {
    const limit = /message size \d+ is larger than configured max size (\d+)/.exec(error.message)?.[1]
    if (limit === undefined) return
    this.#limit = { mostBytes: Number(limit), untilMs: this.#options.clock.now() + limitHoldsMs }
  }

  #onLost(reason: AcuseError): void {
    this.#options.onLost?.()
    for (const { message, settle } of [...this.#pending.values()]) {
      settle(this.#isTooLarge(message) ? this.#tooLarge(message) : unsent(message, lost, reason))
    }
  }
}

/** As amqplib says it. */
function isNack(error: unknown): boolean {
  return messageOf(error) === 'message nacked'
}

function refused(message: WireMessage, error: unknown): PublishResult {
  const text = `RabbitMQ refused it (${messageOf(error)}): a queue of one of the groups is full, or missing`
  return failed('ACUSE_DESTINATION_UNAVAILABLE', message, text, error)
}

function unsent(message: WireMessage, why: string, reason: AcuseError | undefined): PublishResult {
  if (!isOfDestination(reason)) return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, why, reason)
  return failed('ACUSE_DESTINATION_UNAVAILABLE', message, messageOf(reason).replace(/\.$/, ''), reason)
}

const lost = 'its channel was lost before the server confirmed it'

/** A message that was not published, and why. */
export function failed(code: ErrorCode, { type, id }: WireMessage, why: string, cause?: unknown): PublishResult {
  return { state: 'failed', error: new AcuseError(code, `message ${type} ${id}: ${why}.`, { cause }) }
}
