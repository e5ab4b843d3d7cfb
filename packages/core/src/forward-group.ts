import { AcuseError, type ErrorCode } from './errors.ts'
import type { ForeignPublisher, ForeignTarget } from './foreign.ts'
import { GroupDeclaration } from './group.ts'
import type { ExternalContext, GroupOptions } from './handler.ts'
import type { AnyMessageType, Message } from './message.ts'
import type { StandardSchema } from './schema.ts'
import { keyWithin } from './tenant.ts'
import type { TransportContext } from './transport.ts'

/** How a group that forwards is run: as any other, but that a target that is away costs a message no attempt. */
export type ForwardOptions<Tx> = Pick<
  GroupOptions<Tx>,
  'concurrency' | 'prefetch' | 'retry' | 'whileRetrying' | 'afterDeadLetter' | 'parkedPerKey' | 'from' | 'leaseMs'
>

const publishTimeoutMs = 30_000
/**
 * An outage spends no attempts and never makes a dead letter. It stops nobody else either: one full queue behind an exchange is none of
 * the others' affair, so the breaker never opens.
 */
const whileAway = {
  trips: isAway,
  windowMs: 1,
  threshold: Number.MAX_SAFE_INTEGER,
  unavailableMaxMs: Number.MAX_SAFE_INTEGER,
  resetMs: 10_000,
}

/** Its data goes on as it came. */
const asItCame: StandardSchema = { '~standard': { version: 1, vendor: 'acuse', validate: (value) => ({ value }) } }

/** A group that publishes what it gets to a place that others read: each message confirmed, one of a key at a time. */
export class ForwardGroup<Tx> extends GroupDeclaration<Tx> {
  readonly #target: ForeignTarget
  #context: TransportContext | undefined
  #publisher: Promise<ForeignPublisher> | undefined

  constructor(name: string, types: readonly AnyMessageType[], target: ForeignTarget, options: ForwardOptions<Tx> = {}) {
    // Beyond the target's own timeout, so that its error is what is told.
    super(name, { ...options, timeoutMs: 2 * publishTimeoutMs, breaker: whileAway })
    this.#target = target
    for (const given of types) {
      const { name: typeName, version, stream, keyed, priority, upcasters } = given
      const keyOf = (data: never): string | null => given.keyOf(data)
      const type = { name: typeName, version, stream, schema: asItCame, keyed, keyOf, priority, upcasters }
      const handle = (message: Message, { signal }: ExternalContext): Promise<void> => this.#forward(message, signal)
      this.register({ type, mode: 'external', atMostOnce: false, handle, most: 1, waitMs: 0 })
    }
  }

  /** A target that is away is reported and reached later: the group's place among the readers does not wait for it. */
  override async open(context: TransportContext): Promise<void> {
    this.#context = context
    try {
      await this.#opened(context)
    } catch (error) {
      if (!(error instanceof AcuseError) || !error.retryable) throw error
      context.onError(error)
    }
  }

  override async close(): Promise<void> {
    const publisher = await this.#publisher?.catch(() => undefined)
    await publisher?.[Symbol.asyncDispose]()
  }

  #opened(context: TransportContext): Promise<ForeignPublisher> {
    if (this.#publisher !== undefined) return this.#publisher
    const opening = this.#target.open(context)
    this.#publisher = opening
    opening.catch(() => {
      this.#publisher = undefined
    })
    return opening
  }

  async #forward(message: Message, signal: AbortSignal): Promise<void> {
    const context = this.#context
    if (context === undefined) throw new AcuseError('ACUSE_NOT_STARTED', `group ${this.name} does not run.`)
    const publisher = await this.#opened(context)
    const { stream, ...envelope } = message
    const { id, type, key, tenant, priority } = envelope
    const { headers, body } = this.#target.codec.encode(envelope)
    const wire = { id, type, stream, priority, headers, body, key: key === null ? null : keyWithin(tenant, key) }
    const timeout = new AbortController()
    const cancel = context.clock.after(publishTimeoutMs, () => timeout.abort())
    try {
      const [result] = await publisher.publish([wire], AbortSignal.any([signal, timeout.signal]))
      if (result?.state !== 'delivered') throw result?.error ?? unanswered(id, this.#target)
    } finally {
      cancel()
    }
  }
}

const awayCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'ACUSE_TRANSPORT_UNAVAILABLE',
  'ACUSE_DESTINATION_UNAVAILABLE',
  'ACUSE_PUBLISH_TIMEOUT',
])

function isAway(error: unknown): boolean {
  return error instanceof AcuseError && awayCodes.has(error.code)
}

function unanswered(id: string, { name }: ForeignTarget): AcuseError {
  return new AcuseError('ACUSE_PUBLISH_TIMEOUT', `message ${id}: ${name} gave no answer.`)
}
