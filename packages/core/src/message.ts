import type { StandardSchema } from './schema.ts'
import type { Stream } from './stream.ts'

/** Lanes within a partition: order holds within a priority, and a higher one is taken first. */
export type Priority = 'normal' | 'high' | 'critical'

export const priorities: readonly Priority[] = ['normal', 'high', 'critical']

/** What the publisher may say about one message beside its data. */
export interface PublishOptions {
  /**
   * An id of your own; a UUID v7 is made when absent. Publishing the same id twice is applied once by every group.
   * With a tenant the message's id is made of both, always the same: two tenants may choose the same id.
   */
  readonly id?: string
  /** Overrides the type's priority. Refused for keyed types: two lanes would break the key's order. */
  readonly priority?: Priority
  /** Not before this moment, by the database's clock. Cancel with `bus.cancel(id)`. */
  readonly deliverAt?: Date
  /** Not before this many milliseconds from now, by the database's clock. */
  readonly deliverAfterMs?: number
  /** Joins messages of one flow; default: that of the message being handled, else the message's own id. */
  readonly correlationId?: string
  /** The user on whose behalf it happens. */
  readonly user?: string
  /** On whose behalf it happens; default: that of the message being handled. Its ids, keys and sagas are its own. At most 128 characters. */
  readonly tenant?: string
  readonly country?: string
  /** W3C trace context; default: that of the message being handled, else what `createBus({ trace })` returns. */
  readonly traceparent?: string
  readonly tracestate?: string
}

/** A message to be published: a value, made by calling its type. */
export interface OutgoingMessage<In = unknown> {
  readonly type: AnyMessageType
  readonly data: In
}

/** Turns the data of one version into that of the next. */
export type Upcaster = (data: unknown) => unknown

/** What a message type is, whatever its data. */
export interface AnyMessageType {
  /** Letters, digits, `.`, `_` and `-`; at most 63 bytes; e.g. `order.placed`. */
  readonly name: string
  /** Counts from 1. A consumer with a newer version upcasts older messages. */
  readonly version: number
  readonly stream: Stream
  readonly schema: StandardSchema
  /** Whether the type has a key. */
  readonly keyed: boolean
  /** The key within the stream; null for an unkeyed type. */
  keyOf(data: never): string | null
  readonly priority: Priority
  /** By the version they read: `{ 1: (v1) => v2, 2: (v2) => v3 }`. */
  readonly upcasters: Readonly<Record<number, Upcaster>>
}

/** A message type: call it with data to get a message. `In` travels on the wire, `Out` reaches handlers. */
export interface MessageType<In, Out = In> extends AnyMessageType {
  (data: In): OutgoingMessage<In>
  readonly schema: StandardSchema<In, Out>
  keyOf(data: In): string | null
}

/** A message as a handler sees it: the schema's output, and everything the envelope says. */
export interface Message<Data = unknown> {
  readonly id: string
  readonly type: string
  readonly version: number
  readonly stream: string
  readonly key: string | null
  readonly data: Data
  /** The service that published it. */
  readonly source: string
  readonly time: Date
  readonly priority: Priority
  readonly correlationId: string
  /** The id of the message whose handling published this one. */
  readonly causationId: string | null
  readonly user: string | null
  readonly tenant: string | null
  readonly country: string | null
  readonly traceparent: string | null
  readonly tracestate: string | null
}

/** A message as a codec sees it: `data` is the JSON value that travels, not yet validated. */
export type Envelope = Omit<Message, 'stream'>

/** A message as transports, the log and the dead letter store carry it: raw bytes and what routes them. */
export interface WireMessage {
  readonly id: string
  readonly type: string
  readonly stream: string
  /** The stream's partition count as its publisher declares it; absent on a message read back from where it does not matter. */
  readonly partitions?: number
  readonly key: string | null
  readonly priority: Priority
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}
