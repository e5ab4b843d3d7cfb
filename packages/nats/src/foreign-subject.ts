import {
  AcuseError,
  type Encoder,
  type ForeignPublisher,
  type ForeignTarget,
  KeyedPublishing,
  messageOf,
  type PublishResult,
  type WireMessage,
} from '@acuse/core'
import { RequestError } from '@nats-io/transport-node'
import { store } from './api.ts'
import { type Connection, openConnection } from './connection.ts'
import { apiCodeOf, apiCodes } from './errors.ts'
import type { ForeignServerOptions } from './foreign-consumer.ts'
import { failed } from './publisher.ts'
import { headersOf, payloadBytes } from './wire.ts'

export interface NatsForwardOptions extends ForeignServerOptions {
  /** How its readers want messages: `plainEnvelope()`, `cloudEvents()`. */
  readonly codec: Encoder
}

/**
 * A subject that a stream of others takes, for `bus.forward`. A message counts as published once that stream has stored it; a subject that
 * no stream takes fails with `ACUSE_UNROUTABLE`. `subject` is one for all, or made of the message.
 */
export function natsForwardSubject(
  url: string,
  subject: string | ((message: WireMessage) => string),
  options: NatsForwardOptions,
): ForeignTarget {
  const { tls, authenticator, credentials, codec } = options
  const name = `nats subject ${typeof subject === 'string' ? subject : 'of the message'}`
  return {
    name,
    codec,
    open: async ({ service, instance, clock, onError }) => {
      const title = `${service} forwards ${instance}`
      const connection = await openConnection({ url, tls, authenticator, credentials, name: title, clock, onError })
      return new SubjectPublisher(typeof subject === 'string' ? (): string => subject : subject, connection)
    },
  }
}

class SubjectPublisher implements ForeignPublisher {
  readonly #subjectOf: (message: WireMessage) => string
  readonly #connection: Connection
  readonly #publishing = new KeyedPublishing((message) => this.#send(message))

  constructor(subjectOf: (message: WireMessage) => string, connection: Connection) {
    this.#subjectOf = subjectOf
    this.#connection = connection
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publishing.publish(batch, signal)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection.close()
  }

  async #send(message: WireMessage): Promise<PublishResult> {
    const { maxPayloadBytes, connected } = this.#connection
    if (!connected) return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'there is no connection to NATS')
    try {
      // Their readers know nothing of our key.
      const headers = headersOf({ ...message, key: null })
      const bytes = payloadBytes(headers, message.body)
      if (bytes > maxPayloadBytes) {
        const text = `it has ${bytes} bytes with its headers, and the server takes ${maxPayloadBytes} (max_payload)`
        return failed('ACUSE_MESSAGE_TOO_LARGE', message, text)
      }
      const sequence = await store(this.#connection, this.#subjectOf(message), message.body, headers)
      if (sequence === undefined) return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'the answer to it is no ack')
      return { state: 'delivered' }
    } catch (error) {
      return this.#understand(message, error)
    }
  }

  #understand(message: WireMessage, error: unknown): PublishResult {
    if (error instanceof AcuseError) return { state: 'failed', error }
    if (apiCodeOf(error) === apiCodes.messageTooLarge)
      return failed('ACUSE_MESSAGE_TOO_LARGE', message, 'it is larger than their stream takes (max_msg_size)', error)
    if (error instanceof RequestError && error.isNoResponders())
      return failed('ACUSE_UNROUTABLE', message, `no stream takes ${this.#subjectOf(message)}`, error)
    return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, `${messageOf(error)}; it is sent again`, error)
  }
}
