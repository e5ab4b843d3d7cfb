import type { WireMessage } from '@acuse/core'

/** What the plain client of a broker has to offer, at a place of its own that is durable. */
export interface PlainClient {
  /** How many messages it publishes best with one call; 1 where the broker confirms each by itself. */
  readonly batch: number
  /** Resolves when the broker has confirmed all of them. */
  publish(messages: readonly WireMessage[]): Promise<void>
  /** Consumes and acks, with at most so many unacked, and says how many it has taken. Resolves with what ends it. */
  consume(atOnce: number, onTaken: (count: number) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}
