import {
  AcuseError,
  ConfigurationError,
  type ErrorCode,
  messageOf,
  Opened,
  type PublishResult,
  type SourceStream,
  type WireMessage,
} from '@acuse/core'
import { PubHeaders } from '@nats-io/jetstream'
import { RequestError } from '@nats-io/transport-node'
import { store } from './api.ts'
import type { Connection } from './connection.ts'
import { apiCodeOf, apiCodes, isForbidden } from './errors.ts'
import { streamNameOf, subjectOf } from './topology.ts'
import { headersOf, partitionOf, payloadBytes } from './wire.ts'

export interface PublisherOptions {
  readonly connection: Connection
  /** Makes the stream, or checks the one that is there. */
  readonly ensure: (stream: SourceStream) => Promise<unknown>
}

/** The most that publish headers of JetStream add to a message's own. */
const expectedStreamBytes = 128

/** Publishes to JetStream, never beside it: what the stream has not acked is not delivered. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #ensured = new Opened<true>()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  async send(message: WireMessage): Promise<PublishResult> {
    const { connection } = this.#options
    if (!connection.connected) return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'there is no connection to NATS')
    try {
      return await this.#send(message)
    } catch (error) {
      return this.#understand(message, error)
    }
  }

  async #send(message: WireMessage): Promise<PublishResult> {
    const { connection } = this.#options
    const { stream, partitions, priority, type, body } = message
    if (partitions === undefined) {
      throw new ConfigurationError(
        `message ${type} ${message.id} does not say how many partitions stream ${stream} has.`,
      )
    }
    const name = `${stream} ${partitions}`
    if (this.#ensured.ready(name) !== true)
      await this.#ensured.get(name, () => this.#ensure({ name: stream, partitions }))
    const headers = headersOf(message)
    const bytes = payloadBytes(headers, body) + expectedStreamBytes
    if (bytes > connection.maxPayloadBytes) {
      const text = `it has ${bytes} bytes with its headers, and the server takes ${connection.maxPayloadBytes} (max_payload)`
      return failed('ACUSE_MESSAGE_TOO_LARGE', message, text)
    }
    // Another stream that took the subject first would confirm it, and no group would read it there.
    headers.set(PubHeaders.ExpectedStreamHdr, streamNameOf(stream))
    const subject = subjectOf(stream, partitionOf(message, partitions), priority, type)
    // A stream that has it already, by its id, says so, and has it once.
    if ((await store(connection, subject, body, headers)) === undefined)
      return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'the answer to it is no ack')
    return { state: 'delivered' }
  }

  async #ensure(stream: SourceStream): Promise<true> {
    await this.#options.ensure(stream)
    return true
  }

  #understand(message: WireMessage, error: unknown): PublishResult {
    if (error instanceof AcuseError) return { state: 'failed', error }
    if (apiCodeOf(error) === apiCodes.messageTooLarge) {
      const text = `it is larger than its stream takes (max_msg_size of ${streamNameOf(message.stream)})`
      return failed('ACUSE_MESSAGE_TOO_LARGE', message, text, error)
    }
    if (error instanceof RequestError && error.isNoResponders()) {
      // It is made again before the next one; whoever reads it says that it was gone.
      this.#ensured.forget(`${message.stream} ${message.partitions}`)
      const text = `nobody took it: the stream ${streamNameOf(message.stream)} is gone, or JetStream is off`
      return failed('ACUSE_DESTINATION_UNAVAILABLE', message, text, error)
    }
    const isOfStream = apiCodeOf(error) !== undefined || isForbidden(error)
    const code = isOfStream ? 'ACUSE_DESTINATION_UNAVAILABLE' : 'ACUSE_TRANSPORT_UNAVAILABLE'
    const text = isOfStream ? `${streamNameOf(message.stream)} does not take it: ` : ''
    return failed(code, message, `${text}${messageOf(error)}; it is sent again`, error)
  }
}

/** A message that was not published, and why. */
export function failed(code: ErrorCode, { type, id }: WireMessage, why: string, cause?: unknown): PublishResult {
  return { state: 'failed', error: new AcuseError(code, `message ${type} ${id}: ${why}.`, { cause }) }
}
