import { isNetworkError, exponential, type RetryPolicy } from './retry.ts'
import { AcuseError, ConfigurationError } from './errors.ts'
import type {
  BatchHandler,
  BatchOptions,
  ExternalOptions,
  ExternalHandler,
  GroupBreakerOptions,
  GroupOptions,
  Handler,
  HandlerResult,
  HandlerContext,
  ExternalContext,
  TransactionContext,
} from './handler.ts'
import type { LaneKind } from './lanes.ts'
import type { Codec } from './codec.ts'
import type { AnyMessageType, Message, MessageType, WireMessage } from './message.ts'
import { checkAtLeast, checkName } from './names.ts'
import type { StartFrom, Transport, TransportContext } from './transport.ts'

/** How one message type is handled in a group. */
export type Registration<Tx> = LaneKind & {
  readonly type: AnyMessageType
  /** Its messages never travel: they are only ever parked, as a saga's timeouts are. */
  readonly local?: true
} & (
    | { readonly mode: 'effect'; readonly handle: (message: Message, context: HandlerContext<Tx>) => HandlerResult }
    | {
        readonly mode: 'external'
        readonly atMostOnce: boolean
        readonly handle: (message: Message, context: ExternalContext) => HandlerResult
      }
    | { readonly mode: 'batch'; readonly handle: BatchHandler<unknown, Tx> }
  )

/** Declares which messages a group handles, and how. */
export interface Group<Tx> {
  readonly name: string
  /** Handles one message in an effect transaction: your writes, the inbox and what you publish commit together. */
  on<In, Out>(type: MessageType<In, Out>, handler: Handler<Out, Tx>): Group<Tx>
  /** Handles several messages in one effect transaction. On failure it is rolled back and halved, until the failing one stands alone. */
  onBatch<In, Out>(type: MessageType<In, Out>, handler: BatchHandler<Out, Tx>, options?: BatchOptions): Group<Tx>
  /** Handles a message that has effects outside this database: no transaction is open while it runs, at least once, under a lease. */
  onExternal<In, Out>(type: MessageType<In, Out>, handler: ExternalHandler<Out>, options?: ExternalOptions): Group<Tx>
}

export interface GroupSettings<Tx> {
  readonly concurrency: number
  readonly prefetch: number
  readonly retry: RetryPolicy
  readonly blockWhileRetrying: boolean
  readonly blockAfterDeadLetter: boolean
  readonly parkedPerKey: number
  readonly timeoutMs: number
  readonly externalTimeoutMs: number
  readonly leaseMs: number
  readonly breaker: (GroupBreakerOptions & { readonly trips: (error: unknown) => boolean }) | undefined
  readonly unavailableMaxMs: number
  readonly from: StartFrom
  readonly inTransaction: ((message: Message, context: TransactionContext<Tx>) => Promise<void> | void) | undefined
}

/** Where a group's messages come from. */
export type Pipe = Pick<Transport, 'consume'>

/** A group as it was declared: what the bus runs. */
export class GroupDeclaration<Tx> implements Group<Tx> {
  readonly name: string
  readonly settings: GroupSettings<Tx>
  readonly registrations: Map<string, Registration<Tx>> = new Map()
  /** Messages whose handlers parked others, as a saga does with its timeouts: how soon the first of those is due, ms. */
  readonly parkedBy: WeakMap<Message, number> = new WeakMap()
  readonly #shared: number
  #sealed = false

  constructor(name: string, options: GroupOptions<Tx>) {
    checkName('group', name)
    this.name = name
    this.#shared = options.sharedTransaction ?? 1
    checkAtLeast(`group ${name}: sharedTransaction`, this.#shared, 1)
    this.settings = settingsOf(name, options)
  }

  on<In, Out>(type: MessageType<In, Out>, handler: Handler<Out, Tx>): this {
    // What reaches the handler has passed the type's schema, whose output is `Out`.
    const handle = handler as (message: Message, context: HandlerContext<Tx>) => HandlerResult
    return this.register({ type, mode: 'effect', handle, most: this.#shared, waitMs: 0 })
  }

  onBatch<In, Out>(type: MessageType<In, Out>, handler: BatchHandler<Out, Tx>, options: BatchOptions = {}): this {
    const most = options.most ?? 100
    const waitMs = options.waitMs ?? 0
    checkAtLeast(`group ${this.name}, ${type.name}: most`, most, 1)
    checkAtLeast(`group ${this.name}, ${type.name}: waitMs`, waitMs, 0)
    const handle = handler as BatchHandler<unknown, Tx>
    return this.register({ type, mode: 'batch', handle, most, waitMs })
  }

  onExternal<In, Out>(type: MessageType<In, Out>, handler: ExternalHandler<Out>, options: ExternalOptions = {}): this {
    const atMostOnce = options.delivery === 'at-most-once'
    const handle = handler as (message: Message, context: ExternalContext) => HandlerResult
    return this.register({ type, mode: 'external', atMostOnce, handle, most: 1, waitMs: 0 })
  }

  /** Reads its messages, where they are not in the bus's own envelope. */
  get codec(): Codec | undefined {
    return undefined
  }

  /** Whether the group can only begin once something beside the bus's transport was reached. */
  get isForeign(): boolean {
    return false
  }

  /** Where the broker puts what it takes out of the group's queue, where that becomes dead letters. */
  get deadLetterPipe(): Pipe | undefined {
    return undefined
  }

  /** Opens what the group needs beside the bus's transport. Called again when it rejects with a retryable error. */
  async open(_context: TransportContext): Promise<void> {}

  async close(): Promise<void> {}

  /** Where its messages come from, once it is open. */
  pipe(transport: Pipe): Pipe {
    return transport
  }

  /** How a message is handled; undefined: it is not for this group. */
  registrationOf({ type }: WireMessage): Registration<Tx> | undefined {
    return this.registrations.get(type)
  }

  /** After this, declaring more is an error: the group runs. */
  seal(): void {
    this.#sealed = true
  }

  /** Adds what was put together elsewhere, as sagas do. */
  register(registration: Registration<Tx>): this {
    const { type } = registration
    if (this.#sealed) {
      throw new AcuseError(
        'ACUSE_ALREADY_STARTED',
        `group ${this.name} runs already; declare ${type.name} before bus.start().`,
      )
    }
    if (this.registrations.has(type.name)) {
      throw new AcuseError(
        'ACUSE_DUPLICATE_HANDLER',
        `group ${this.name} has a handler for ${type.name} already. Use another group for a second one.`,
      )
    }
    this.registrations.set(type.name, registration)
    return this
  }
}

function settingsOf<Tx>(name: string, options: GroupOptions<Tx>): GroupSettings<Tx> {
  const concurrency = options.concurrency ?? 8
  // So that the next shared transaction can be full when one ends.
  const prefetch = options.prefetch ?? concurrency * Math.max(32, 2 * (options.sharedTransaction ?? 1))
  const parkedPerKey = options.parkedPerKey ?? 1_000
  const leaseMs = options.leaseMs ?? 30_000
  const limits = { concurrency, prefetch, parkedPerKey }
  for (const [setting, value] of Object.entries(limits)) checkAtLeast(`group ${name}: ${setting}`, value, 1)
  checkAtLeast(`group ${name}: leaseMs`, leaseMs, 100)
  if (options.timeoutMs !== undefined) checkAtLeast(`group ${name}: timeoutMs`, options.timeoutMs, 1)
  if (prefetch < concurrency) {
    throw new ConfigurationError(
      `group ${name}: prefetch (${prefetch}) must be at least its concurrency (${concurrency}).`,
    )
  }
  const breaker = options.breaker === true ? {} : options.breaker
  return {
    concurrency,
    prefetch,
    retry: options.retry ?? exponential({ attempts: 5, baseMs: 1_000, maxMs: 600_000 }),
    blockWhileRetrying: options.whileRetrying !== 'continue',
    blockAfterDeadLetter: options.afterDeadLetter === 'block',
    parkedPerKey,
    timeoutMs: options.timeoutMs ?? 30_000,
    externalTimeoutMs: options.timeoutMs ?? 120_000,
    leaseMs,
    breaker: breaker === undefined ? undefined : { ...breaker, trips: breaker.trips ?? isNetworkError },
    unavailableMaxMs: breaker?.unavailableMaxMs ?? 86_400_000,
    from: options.from ?? 'now',
    inTransaction: options.inTransaction?.bind(options),
  }
}
