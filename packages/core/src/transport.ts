import type { Clock } from './clock.ts'
import type { AcuseError } from './errors.ts'
import type { WireMessage } from './message.ts'

/**
 * An ordered, at-least-once pipe: nothing more is asked of a broker.
 * Dedupe, retry, delay, order through failure and dead letters happen once, in core.
 * Disposing of it lets go of every subscription at once, as `stop(0)` does.
 */
export interface Transport extends AsyncDisposable {
  readonly name: string
  /** Identifies the server and place: a store whose own log has the same identity needs no relay to it. */
  readonly identity: string
  readonly capabilities: TransportCapabilities
  /**
   * Publishes a batch; resolves with one result a message, in the batch's order, once each is durable or refused.
   * Settles at the latest when `signal` aborts: what is unconfirmed then is `failed` and retryable (`ACUSE_PUBLISH_TIMEOUT`). It may
   * arrive all the same; it is published again, and applied once.
   * Messages of one (stream, key) keep the batch's order, also against earlier calls; where one fails, no later one of its key
   * in the batch is delivered.
   */
  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]>
  /**
   * Delivers what `source` names to `sink` until stopped. Within a (stream, priority, key) in published order; at least once.
   * A delivery that is neither acked nor released when the process dies comes again with `redelivered`.
   * Resolves once the group's place in every stream is durable: whatever is published later belongs to the group. Rejects with a
   * retryable error while the server is away, and the bus asks again; once it has resolved, the subscription outlives every break.
   * Subscriptions of one group share its messages: each partition has one owner at a time.
   */
  consume(source: Source, sink: Sink): Promise<Subscription>
}

/** What a transport can promise on this server with these settings; computed, never assumed. */
export interface TransportCapabilities {
  /** Order per key holds across restarts and rebalances. */
  readonly ordered: boolean
  /** Lanes by priority: a higher one is taken first, across all partitions and streams of a subscription. What is out stays out. */
  readonly priorities: boolean
  /** A new group may start at `earliest` or at a time: the transport keeps history. */
  readonly history: boolean
}

export type PublishResult = { readonly state: 'delivered' } | { readonly state: 'failed'; readonly error: AcuseError }

/**
 * Where a group that has never read this stream starts, also when it has read others. `now` is the moment at which `consume` resolves;
 * a time is compared with when the transport took a message.
 */
export type StartFrom = 'now' | 'earliest' | Date

export interface SourceStream {
  readonly name: string
  /**
   * As declared. A transport that picks the partition itself takes `partitionHash(message) % partitions`, which all services agree on.
   * A stream that is there with another number is `ACUSE_STREAM_MISMATCH`, with both numbers.
   */
  readonly partitions: number
}

export interface Source {
  readonly group: string
  /** The streams to read; `all` is for a relay, which reads every stream of its log. Only a store's log is given it. */
  readonly streams: readonly SourceStream[] | 'all'
  /** Only these message types; `all` for every type. Any other counts as done once the group has passed it. */
  readonly types: readonly string[] | 'all'
  readonly from: StartFrom
  /** The most deliveries that may be neither acked nor released at once, over the whole subscription. */
  readonly prefetch: number
}

/** Where deliveries go. */
export interface Sink {
  /** Takes deliveries, in order. Returns at once; each is settled by `ack` or `release`, most later, some before it returns. */
  deliver(deliveries: readonly Delivery[]): void
  /**
   * The transport is about to give up a partition (a rebalance), or has lost it. Resolves when nothing of it is being applied any more
   * and what was not begun is released, which takes as long as the handlers that run. Meanwhile nothing of it is delivered here.
   * The transport then stores what was acked and lets go. `stop` does not revoke.
   */
  revoke(partition: string): Promise<void>
}

/**
 * One message given to one group, to be settled once. Settling changes nothing when it was settled before, and when the subscription
 * has lost it: by a break, by a revoke, or at the deadline of `stop`. What comes again then is another delivery.
 */
export interface Delivery {
  readonly message: WireMessage
  /** The unit of ownership it came from, as named in `revoke`. */
  readonly partition: string
  /** Whether an owner that did not let go cleanly may have begun it: it may be what ended that process. */
  readonly redelivered: boolean
  /** It is durable in the group's own store (applied, parked or dead): never deliver it again. In any order. */
  ack(): void
  /**
   * It was not begun: deliver it again, to whoever owns the partition, before anything later of its key, and not as `redelivered` if it
   * was not. Several of a key may be released in any order, the earliest often last: what waits to come again keeps published order.
   */
  release(): void
}

export interface Subscription {
  /** Stops delivering what is not yet delivered, until `resume`, also when the connection breaks meanwhile. */
  pause(): void
  resume(): void
  /**
   * Stops delivering, waits until each delivery is settled, stores the acks and lets go cleanly; until then no other owner gets anything
   * of its partitions. Settles within `deadlineMs`: what is still out by then comes again as `redelivered`.
   */
  stop(deadlineMs: number): Promise<void>
}

export interface TransportContext {
  readonly service: string
  /** Unique to this process and bus. */
  readonly instance: string
  readonly clock: Clock
  /** Reports what goes wrong in the background; never throws. */
  readonly onError: (error: AcuseError) => void
}

/** Made by an adapter's factory (`rabbitmq(url)`); the bus opens it at start. Opening checks the server's settings. */
export type TransportFactory = (context: TransportContext) => Promise<Transport>
