import type { Codec } from './codec.ts'
import type { WireMessage } from './message.ts'
import type { Sink, StartFrom, Subscription, Transport, TransportContext } from './transport.ts'

/** A message of a place that Acuse did not make, as it came. */
export interface ForeignMessage {
  /** What it was published to: a routing key, a topic, a subject, a stream. */
  readonly address: string
  /** An id that it keeps when it comes again: its position where the place has one, else what its publisher gave it; null without either. */
  readonly id: string | null
  /** What its broker keeps order by, as the key of a Kafka record; null where there is no such thing. */
  readonly key: string | null
  /** When it was published, as far as the broker or the publisher says so. */
  readonly time: Date | null
  /** Headers and properties, as texts. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Of a dead letter of the broker: why it took the message out of its place, as the end of a sentence. */
  readonly takenOut?: string
}

/**
 * What a foreign place may do to messages that Acuse cannot mend. `loss`: it may lose them before they get here. `order`: those of a key
 * may be handled out of order. `duplicates`: a message that comes again cannot be told from a new one.
 */
export type ForeignRisk = 'loss' | 'order' | 'duplicates'

/** A queue, topic or subject to be consumed as it is: nothing is ever declared there. Made by an adapter, opened when the bus starts. */
export interface ForeignSource {
  /** As errors and messages say it: `rabbitmq queue legacy.orders`. */
  readonly name: string
  /** Whether every message has an `id` of its own that it keeps when it comes again. */
  readonly hasIds: boolean
  readonly acceptRisks: readonly ForeignRisk[]
  /** Where the broker puts what expires or overflows there: what comes of it becomes a dead letter of the group. */
  readonly deadLetters?: ForeignSource
  /**
   * Connects. Rejects with a retryable error while the server is away, and is asked again; with `ACUSE_UNSAFE_SETTING` for a risk that is
   * there and was not accepted.
   */
  open(context: TransportContext): Promise<ForeignPlace>
}

/** An open foreign source. */
export interface ForeignPlace extends AsyncDisposable {
  /** Delivers to `sink` until stopped, as `Transport.consume` does; it outlives every break once it has resolved. */
  consume(request: ForeignRequest, sink: Sink): Promise<Subscription>
}

export interface ForeignRequest {
  readonly group: string
  /** Where a group starts that has never read the place, where the place keeps history. */
  readonly from: StartFrom
  /** The most deliveries that may be neither acked nor released at once. */
  readonly prefetch: number
  /** What is delivered for a message; null: it is none of this group's, and is done with at once. Never throws. */
  readonly wireOf: (message: ForeignMessage) => WireMessage | null
}

/** The half of a codec that writers need. */
export type Encoder = Pick<Codec, 'name' | 'encode'>

/** An exchange, topic or subject that others read. Made by an adapter, opened when the bus starts. */
export interface ForeignTarget {
  readonly name: string
  /** How its readers want messages. */
  readonly codec: Encoder
  /** Connects. Rejects with a retryable error while the server is away. */
  open(context: TransportContext): Promise<ForeignPublisher>
}

/** An open foreign target: publishes as a transport does, one result a message. */
export type ForeignPublisher = Pick<Transport, 'publish'> & AsyncDisposable
