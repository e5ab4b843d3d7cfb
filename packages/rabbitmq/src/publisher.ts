import {
  AcuseError,
  type Clock,
  ConfigurationError,
  type ErrorCode,
  messageOf,
  type PublishResult,
  type WireMessage,
} from '@acuse/core'
import type { ConfirmChannel } from 'amqplib'
import type { Connection } from './connection.ts'
import { isOfDestination } from './errors.ts'
import { KeptChannel } from './kept-channel.ts'
import { declareStream, declareTripwire } from './topology.ts'
import { propertiesOf } from './wire.ts'

export interface PublisherOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/** The server refuses what is too large by closing the channel, and with it what is not confirmed yet: large messages go over one of their own. */
const largeBytes = 128 * 1024
/** For so long the server is not asked again, at the cost of a channel each time. Somebody may have raised its limit. */
const limitHoldsMs = 1_000

/** Publishes confirmed and mandatory, with channels for each stream: what closes one stream's channel leaves the others alone. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #streams = new Map<string, Promise<StreamPublisher>>()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  async send(message: WireMessage): Promise<PublishResult> {
    const { connection } = this.#options
    if (!connection.connected)
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'there is no connection to RabbitMQ')
    try {
      const stream = await this.#streamOf(message)
      return await stream.send(message)
    } catch (error) {
      if (isOfDestination(error)) return failed('ACUSE_DESTINATION_UNAVAILABLE', message, messageOf(error), error)
      if (error instanceof AcuseError) return { state: 'failed', error }
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, messageOf(error), error)
    }
  }

  /** What is not confirmed by now is not waited for; the channels end with their connection. */
  close(): void {
    for (const opening of this.#streams.values()) void opening.then((opened) => opened.close()).catch(() => undefined)
  }

  #streamOf(message: WireMessage): Promise<StreamPublisher> {
    const isLarge = message.body.byteLength > largeBytes
    const name = isLarge ? `${message.stream} large` : message.stream
    const known = this.#streams.get(name)
    if (known !== undefined) return known
    const opening = openStream(message, this.#options)
    this.#streams.set(name, opening)
    opening.catch(() => this.#streams.delete(name))
    return opening
  }
}

async function openStream(message: WireMessage, options: PublisherOptions): Promise<StreamPublisher> {
  const { stream, partitions } = message
  if (partitions === undefined) {
    throw new ConfigurationError(
      `message ${message.type} ${message.id} does not say how many partitions stream ${stream} has.`,
    )
  }
  const publisher = new StreamPublisher(stream, partitions, options)
  await publisher.open()
  return publisher
}

interface Pending {
  readonly message: WireMessage
  readonly settle: (result: PublishResult) => void
  returned: boolean
}

interface Answer {
  readonly result: PublishResult
  /** No queue has taken it. */
  readonly returned: boolean
}

class StreamPublisher {
  readonly #stream: string
  readonly #options: PublisherOptions
  readonly #channel: KeptChannel<ConfirmChannel>
  readonly #pending = new Map<string, Pending>()
  /** Learnt from the server, which says it only by closing the channel. */
  #limit = { mostBytes: Infinity, untilMs: 0 }
  #hasTripwire = false

  constructor(stream: string, partitions: number, options: PublisherOptions) {
    const { connection, clock, onError } = options
    this.#stream = stream
    this.#options = options
    this.#channel = new KeptChannel({
      what: `stream ${stream}`,
      clock,
      onError,
      create: () => connection.model.createConfirmChannel(),
      prepare: async (channel) => {
        channel.on('return', ({ properties }) => this.#onReturned(properties.messageId))
        channel.on('error', (error) => this.#learnFrom(error))
        await declareStream(channel, { name: stream, partitions })
      },
      onLost: (reason) => this.#onLost(reason),
    })
  }

  open(): Promise<void> {
    return this.#channel.start()
  }

  close(): Promise<void> {
    return this.#channel.stop()
  }

  async send(message: WireMessage): Promise<PublishResult> {
    if (this.#isTooLarge(message) && this.#options.clock.now() < this.#limit.untilMs) return this.#tooLarge(message)
    await this.#options.connection.unblocked()
    const channel = this.#channel.current
    if (channel === undefined) return this.#unsent(message, 'its channel is being opened again', this.#channel.failure)
    const { result, returned } = await this.#publish(channel, message)
    if (!returned || this.#hasTripwire || result.state === 'failed') return result
    // Nobody is there to take it. Where a group's queues were deleted and the tripwire with them, that is not the whole truth.
    await declareTripwire(channel)
    this.#hasTripwire = true
    return (await this.#publish(channel, message)).result
  }

  #publish(channel: ConfirmChannel, message: WireMessage): Promise<Answer> {
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
      channel.publish(this.#stream, message.type, body, propertiesOf(message), (error: unknown) => {
        if (error === null || error === undefined) pending.settle({ state: 'delivered' })
        // What a lost channel leaves unconfirmed is settled when the loss is understood.
        else if (this.#channel.current === channel && isNack(error)) pending.settle(this.#refused(message, error))
      })
    })
  }

  #refused(message: WireMessage, error: unknown): PublishResult {
    const text = `RabbitMQ refused it (${messageOf(error)}): a queue of one of the groups is full, or missing`
    return failed('ACUSE_DESTINATION_UNAVAILABLE', message, text, error)
  }

  #unsent(message: WireMessage, why: string, reason: AcuseError | undefined): PublishResult {
    if (!isOfDestination(reason)) return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, why, reason)
    return failed('ACUSE_DESTINATION_UNAVAILABLE', message, messageOf(reason).replace(/\.$/, ''), reason)
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
    this.#hasTripwire = false
    for (const { message, settle } of [...this.#pending.values()]) {
      settle(this.#isTooLarge(message) ? this.#tooLarge(message) : this.#unsent(message, lost, reason))
    }
  }
}

/** As amqplib says it. */
function isNack(error: unknown): boolean {
  return messageOf(error) === 'message nacked'
}

const lost = 'its channel was lost before the server confirmed it'

function failed(code: ErrorCode, { type, id }: WireMessage, why: string, cause?: unknown): PublishResult {
  return { state: 'failed', error: new AcuseError(code, `message ${type} ${id}: ${why}.`, { cause }) }
}
