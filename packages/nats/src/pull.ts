import { type AcuseError, type Clock } from '@acuse/core'
import { AckPolicy, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream'
import { createInbox, type Msg, type Subscription as ClientSubscription } from '@nats-io/transport-node'
import { createConsumer, deleteConsumer } from './api.ts'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import type { Stored } from './wire.ts'

export interface PullOptions {
  readonly connection: Connection
  readonly clock: Clock
  /** The stream's name at the server. */
  readonly stream: string
  /** What the consumer is called in the server's list, before something random. */
  readonly name: string
  readonly filter: string
  /** How many messages it may hold at most. */
  readonly most: number
  /** How many more there is room for at the moment. */
  readonly room: () => number
  /** Messages of the stream beyond all that came before, in order. */
  readonly onMessage: (message: Stored) => void
  /** There is nothing more for the filter up to here, for the moment. */
  readonly onPassed: (sequence: number) => void
  /** It has ended by itself, and nothing more comes. */
  readonly onEnd: (reason: AcuseError) => void
}

const nanosPerMs = 1_000_000
const expiresMs = 30_000
const heartbeatMs = 3_000
/** Two heartbeats may be late, as on a busy machine. */
const silenceMs = 3 * heartbeatMs
/** A consumer without a request is gone after this: its owner is, or has no room. */
const inactiveMs = 60_000
/** Of one request; at least one message of any size fits in. */
const requestBytes = 4 * 1024 * 1024
/** What the subject, the reply and the header lines take of it. */
const spareBytes = 64 * 1024

/**
 * Reads a stream from a place on, in order. The consumer keeps no state that matters: nothing is acked to it, as what it had to deliver
 * again would come behind later messages of its key (seen on 2.10 and 2.15: of 1 2 3 4 unacked came 1 2 5 6, and 3 4 after them).
 */
export class Pull {
  readonly #options: PullOptions
  readonly #inbox = createInbox()
  #subscription: ClientSubscription | undefined
  #consumer = ''
  #asked = 0
  #delivered = 0
  #ended = false
  #heard = false
  #cancelWatch: (() => void) | undefined

  constructor(options: PullOptions) {
    this.#options = options
  }

  /** Reads what comes after `last`. Rejects when the stream is gone or the server away. */
  async start(last: number): Promise<void> {
    const { connection, stream, name, filter } = this.#options
    const { name: consumer } = await createConsumer(connection, stream, {
      name: `${name}-${Math.random().toString(36).slice(2, 10)}`,
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: last + 1,
      replay_policy: ReplayPolicy.Instant,
      filter_subject: filter,
      inactive_threshold: inactiveMs * nanosPerMs,
      mem_storage: true,
      num_replicas: 1,
    })
    this.#consumer = consumer
    if (this.#ended) return deleteConsumer(connection, stream, consumer)
    this.#subscription = connection.client.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error === null) this.#onMessage(message)
        else this.#end(error)
      },
    })
    this.#watch()
    this.fill()
  }

  /** Asks for as many as there is room for, once that is half of all: a request for each message would be the most of the server's work. */
  fill(): void {
    const { connection, stream, room, most } = this.#options
    if (this.#ended || this.#subscription === undefined) return
    const wanted = room() - this.#asked
    if (wanted < most / 2) return
    this.#asked += wanted
    const request = {
      batch: wanted,
      expires: expiresMs * nanosPerMs,
      idle_heartbeat: heartbeatMs * nanosPerMs,
      max_bytes: Math.max(requestBytes, connection.maxPayloadBytes + spareBytes),
    }
    connection.client.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${this.#consumer}`, JSON.stringify(request), {
      reply: this.#inbox,
    })
  }

  stop(): void {
    const { connection, stream } = this.#options
    if (this.#ended) return
    this.#ended = true
    this.#cancelWatch?.()
    this.#subscription?.unsubscribe()
    if (this.#consumer !== '') deleteConsumer(connection, stream, this.#consumer)
  }

  #onMessage(message: Msg): void {
    if (this.#ended) return
    this.#heard = true
    const place = message.reply === undefined ? undefined : placeOf(message.reply)
    if (place === undefined) {
      this.#onStatus(message)
      return
    }
    if (place.delivery !== this.#delivered + 1) {
      this.#end(new Error(`its consumer sent message ${place.delivery} after ${this.#delivered}`))
      return
    }
    this.#delivered = place.delivery
    if (this.#asked > 0) this.#asked--
    const { subject, headers, data: body } = message
    this.#options.onMessage({ subject, headers, body, sequence: place.sequence, takenAt: place.takenAt })
  }

  #onStatus({ headers }: Msg): void {
    const code = headers?.code ?? 0
    const numberOf = (name: string): number => Number(headers?.get(name) ?? 0)
    if (code === 100) {
      if (numberOf('Nats-Last-Consumer') === this.#delivered) this.#options.onPassed(numberOf('Nats-Last-Stream'))
      return
    }
    // The end of a request: its time or its bytes are used up. Any other is the end of the consumer.
    const left = headers?.has('Nats-Pending-Messages') === true ? numberOf('Nats-Pending-Messages') : undefined
    if (left === undefined) {
      this.#end(new Error(`the server ended the consumer: ${code} ${headers?.description ?? ''}`.trim()))
      return
    }
    this.#asked = Math.max(0, this.#asked - left)
    this.fill()
  }

  /** A server that owes messages sends at least a heartbeat. */
  #watch(): void {
    this.#heard = this.#asked === 0
    this.#cancelWatch = this.#options.clock.after(silenceMs, () => {
      if (this.#heard || this.#asked === 0) this.#watch()
      else this.#end(new Error(`the server was silent for ${silenceMs} ms`))
    })
  }

  #end(cause: Error): void {
    if (this.#ended) return
    this.stop()
    this.#options.onEnd(asAcuseError(cause, `consumer ${this.#consumer} of ${this.#options.stream}`))
  }
}

interface DeliveryPlace {
  readonly sequence: number
  readonly delivery: number
  readonly takenAt: string
}

/** `$JS.ACK.stream.consumer.count.sequence.delivery.time.pending`, in some accounts with domain and account before the stream. */
function placeOf(reply: string): DeliveryPlace | undefined {
  if (!reply.startsWith('$JS.ACK.')) return undefined
  const tokens = reply.split('.')
  const [sequence, delivery, takenAt = ''] = tokens.slice(tokens.length === 9 ? 5 : 7)
  return { sequence: Number(sequence), delivery: Number(delivery), takenAt }
}
