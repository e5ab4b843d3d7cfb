import type { RetryPolicy } from './retry.ts'
import type { Message, OutgoingMessage, PublishOptions } from './message.ts'
import type { StartFrom } from './transport.ts'

/** Publishes as part of the handler: everything or nothing, together with its writes. Gives the message's id. */
export type HandlerPublish = (message: OutgoingMessage, options?: HandlerPublishOptions) => string

export interface HandlerPublishOptions extends PublishOptions {
  /** A message that cannot be encoded is reported and left out, instead of failing the handler. For notices that nothing depends on. */
  readonly bestEffort?: boolean
}

interface AnyContext {
  readonly publish: HandlerPublish
  /** Aborts when the handler's time is over, its lease is lost, or the process cannot wait any longer. */
  readonly signal: AbortSignal
  /** Counts from 1. */
  readonly attempt: number
  /** Always the same for this message and group: give it to what you call, so that repeating has no second effect. */
  readonly idempotencyKey: string
}

/** What a handler gets beside the message. */
export interface HandlerContext<Tx> extends AnyContext {
  /** Your own client, inside the effect transaction: your writes, the inbox and what you publish commit together. */
  readonly tx: Tx
}

/** What a handler that calls the world gets: no transaction is open while it runs. */
export type ExternalContext = AnyContext

/** Returned by a handler to decide itself. Nothing or undefined: done. Throwing: the retry policy decides. */
export type Outcome =
  | { readonly outcome: 'retry'; readonly afterMs: number; readonly reason: string }
  | { readonly outcome: 'dead-letter'; readonly reason: string }

/** The handler's effects are rolled back, and it is tried again after `afterMs`. An attempt is spent. */
export function retryAfter(afterMs: number, reason = 'the handler asked to be retried'): Outcome {
  return { outcome: 'retry', afterMs, reason }
}

/** The handler's effects are rolled back, and the message becomes a dead letter. */
export function deadLetter(reason: string): Outcome {
  return { outcome: 'dead-letter', reason }
}

export type HandlerResult = Promise<Outcome | void> | Outcome | void

export type Handler<Data, Tx> = (message: Message<Data>, context: HandlerContext<Tx>) => HandlerResult
export type ExternalHandler<Data> = (message: Message<Data>, context: ExternalContext) => HandlerResult
export type BatchHandler<Data, Tx> = (
  messages: readonly Message<Data>[],
  context: Omit<HandlerContext<Tx>, 'attempt' | 'idempotencyKey'>,
) => Promise<void> | void

export interface BatchOptions {
  /** The most messages in one call. Default 100. */
  readonly most?: number
  /** How long the first waits for others, ms. Default 0: whatever is there. */
  readonly waitMs?: number
}

export interface ExternalOptions {
  /** `at-least-once` (default): repeated until it succeeds. `at-most-once`: never begun twice; it is dead-lettered if it fails or crashes. */
  readonly delivery?: 'at-least-once' | 'at-most-once'
}

export interface GroupBreakerOptions {
  /** Default 5. */
  readonly threshold?: number
  /** Default 60,000. */
  readonly windowMs?: number
  /** Default 30,000. */
  readonly resetMs?: number
  /** Which errors say that a dependency is down. Default: network errors and `DependencyDownError`. They spend no attempt. */
  readonly trips?: (error: unknown) => boolean
  /** A message that has failed so for this long is dead-lettered, ms. Default 24 h. */
  readonly unavailableMaxMs?: number
}

/** What a group's `inTransaction` gets beside the message. */
export interface TransactionContext<Tx> {
  readonly group: string
  /** The effect transaction: what is written here commits with the message's effects, or not at all. */
  readonly tx: Tx
  /** Counts from 1. */
  readonly attempt: number
}

export interface GroupOptions<Tx = unknown> {
  /** Messages handled at once in this process; each holds one connection while it is. Default 8. */
  readonly concurrency?: number
  /** Deliveries taken in advance. Default 32 × concurrency, or twice what its shared transactions take. */
  readonly prefetch?: number
  /** Default: 5 attempts, 1 s to 10 min, exponential. */
  readonly retry?: RetryPolicy
  /** While a keyed message waits for its next attempt, later ones of its key wait behind it (`block`, the default) or go on. */
  readonly whileRetrying?: 'block' | 'continue'
  /** When a keyed message is dead, later ones of its key go on (`continue`, the default) or wait for an operator. */
  readonly afterDeadLetter?: 'continue' | 'block'
  /** Messages of one key that may wait behind a failing one before the source is held back. Default 1,000. */
  readonly parkedPerKey?: number
  /** A handler that takes longer is abandoned and its transaction rolled back, ms. Default 30,000; for external handlers 120,000. */
  readonly timeoutMs?: number
  /** How long a claim on a parked or external message lasts without a sign of life, ms. Default 30,000. */
  readonly leaseMs?: number
  /** Messages of `on` handlers that share one effect transaction; on failure each is done again alone. Default 1. */
  readonly sharedTransaction?: number
  /** Pauses the group while a dependency of its handlers is down. Off unless given. */
  readonly breaker?: GroupBreakerOptions | true
  /** Where a group that has never run starts. Default `now`. */
  readonly from?: StartFrom
  /**
   * Runs once for each message whose effects are about to commit, in their transaction: before the handler, or, for an external
   * handler, in the transaction that ends it. For what all handlers of a group do alike: an audit row, a tenant's setting.
   * Its failure is the handler's failure. Sagas have it too, for their timeouts as well.
   */
  inTransaction?(message: Message, context: TransactionContext<Tx>): Promise<void> | void
}
