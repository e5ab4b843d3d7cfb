import {
  AcuseError,
  type Clock,
  ConfigurationError,
  messageOf,
  Opened,
  type PublishResult,
  type WireMessage,
} from '@acuse/core'
import { ConfirmedChannel, failed } from './confirmed-channel.ts'
import type { Connection } from './connection.ts'
import { isOfDestination } from './errors.ts'
import { declareStream, declareTripwire } from './topology.ts'
import { propertiesOf } from './wire.ts'

export interface PublisherOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/** The server refuses what is too large by closing the channel, and with it what is not confirmed yet: large messages go over one of their own. */
const largeBytes = 128 * 1024

/** Publishes confirmed and mandatory, with channels for each stream: what closes one stream's channel leaves the others alone. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #streams = new Opened<StreamPublisher>()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  async send(message: WireMessage): Promise<PublishResult> {
    const { connection } = this.#options
    if (!connection.connected)
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'there is no connection to RabbitMQ')
    try {
      const name = message.body.byteLength > largeBytes ? `${message.stream} large` : message.stream
      const stream =
        this.#streams.ready(name) ?? (await this.#streams.get(name, () => openStream(message, this.#options)))
      return await stream.send(message)
    } catch (error) {
      if (isOfDestination(error)) return failed('ACUSE_DESTINATION_UNAVAILABLE', message, messageOf(error), error)
      if (error instanceof AcuseError) return { state: 'failed', error }
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, messageOf(error), error)
    }
  }

  /** What is not confirmed by now is not waited for; the channels end with their connection. */
  close(): void {
    for (const opening of this.#streams.all()) void opening.then((opened) => opened.close()).catch(() => undefined)
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

class StreamPublisher {
  readonly #stream: string
  readonly #channel: ConfirmedChannel
  #hasTripwire = false

  constructor(stream: string, partitions: number, options: PublisherOptions) {
    this.#stream = stream
    this.#channel = new ConfirmedChannel({
      ...options,
      what: `stream ${stream}`,
      prepare: (channel) => declareStream(channel, { name: stream, partitions }),
      onLost: () => {
        this.#hasTripwire = false
      },
    })
  }

  open(): Promise<void> {
    return this.#channel.open()
  }

  close(): Promise<void> {
    return this.#channel.close()
  }

  async send(message: WireMessage): Promise<PublishResult> {
    const destination = { exchange: this.#stream, routingKey: message.type, properties: propertiesOf(message) }
    const { result, returned } = await this.#channel.publish(message, destination)
    const channel = this.#channel.current
    if (!returned || this.#hasTripwire || result.state === 'failed') return result
    // The channel was lost after its answer: whether somebody should have taken it is found out next time.
    if (channel === undefined) return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'its channel was lost')
    // Nobody is there to take it. Where a group's queues were deleted and the tripwire with them, that is not the whole truth.
    await declareTripwire(channel)
    this.#hasTripwire = true
    return (await this.#channel.publish(message, destination)).result
  }
}
