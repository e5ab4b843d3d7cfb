import type { Clock } from './clock.ts'
import { point, tell } from './diagnostics.ts'
import { AcuseError, messageOf, PublishAfterHandlerError } from './errors.ts'
import type { HandlerPublish, HandlerPublishOptions, HandlerResult, Outcome } from './handler.ts'
import type { Message, OutgoingMessage, WireMessage } from './message.ts'
import { idFor, type OutgoingSettings, type Prepared, prepare } from './outgoing.ts'
import type { Due, Store } from './store.ts'

interface Collected {
  readonly outgoing: OutgoingMessage
  readonly options: HandlerPublishOptions
  readonly id: string
}

/** Collects what a handler publishes, until it returns. */
export class PublishScope {
  readonly #collected: Collected[] = []
  readonly #settings: OutgoingSettings
  readonly #cause: Message | undefined
  #open = true

  /** `cause` is the message being handled, whose flow and tenant what is published joins. */
  constructor(settings: OutgoingSettings, cause?: Message) {
    this.#settings = settings
    this.#cause = cause
  }

  readonly publish: HandlerPublish = (outgoing, options = {}) => {
    if (!this.#open) throw new PublishAfterHandlerError(outgoing.type.name)
    const id = idFor(options, options.tenant ?? this.#cause?.tenant ?? null, this.#settings)
    this.#collected.push({ outgoing, options, id })
    return id
  }

  /** Whether nothing was published. */
  get empty(): boolean {
    return this.#collected.length === 0
  }

  close(): void {
    this.#open = false
  }

  /** Encodes what was collected; one that cannot be fails the whole, unless it is best effort. */
  async prepare(): Promise<Prepared[]> {
    const settings = this.#settings
    const prepared: Prepared[] = []
    for (const { outgoing, options, id } of this.#collected) {
      try {
        prepared.push(await prepare(outgoing, options, this.#cause, settings, id))
      } catch (error) {
        if (options.bestEffort !== true || !(error instanceof AcuseError)) throw error
        tell('error', { service: settings.service, error })
      }
    }
    return prepared
  }
}

/** Writes prepared messages in a transaction: to the log, or to the schedule where they are not due yet. */
export async function appendPrepared<Tx>(
  store: Store<Tx>,
  tx: Tx,
  prepared: readonly Prepared[],
  service: string,
  onScheduled: (due: Due) => void,
): Promise<void> {
  if (prepared.length === 0) return
  point('publish.beforeAppend')
  const now = prepared.filter(({ due }) => due === undefined).map(({ message }) => message)
  if (now.length > 0) await store.append(tx, now)
  for (const { message, due } of prepared) {
    if (due === undefined) continue
    await store.schedule.add(tx, message, due)
    onScheduled(due)
  }
  point('publish.afterAppend')
  for (const { message, due } of prepared) {
    const { id, type, stream, key } = message
    tell('published', { service, id, type, stream, key, scheduled: due !== undefined })
  }
}

const appendTimeoutMs = 30_000

/** Writes one message into the store's log in a transaction of its own. */
export async function appendAlone<Tx>(
  store: Store<Tx>,
  message: WireMessage,
  { clock, service }: OutgoingSettings,
): Promise<void> {
  const timeout = new AbortController()
  const cancel = clock.after(appendTimeoutMs, () => timeout.abort())
  point('publish.beforeAppend')
  const [result] = await store.log.publish([message], timeout.signal).finally(cancel)
  if (result?.state === 'failed') throw result.error
  point('publish.afterCommit')
  const { id, type, stream, key } = message
  tell('published', { service, id, type, stream, key, scheduled: false })
}

/** Thrown inside an effect transaction to roll it back when the handler has decided so itself. */
export class DecidedByHandler extends AcuseError {
  readonly decision: Outcome

  constructor(decision: Outcome) {
    super('ACUSE_HANDLER_DECIDED', decision.reason)
    this.name = 'DecidedByHandler'
    this.decision = decision
  }
}

/** A handler's own failure, as opposed to one of the framework around it. */
export class HandlerFailure extends Error {
  /** Whether the handler's transaction had lost its connection by then. */
  readonly connectionLost: boolean

  constructor(cause: unknown, connectionLost: boolean) {
    super(messageOf(cause), { cause })
    this.name = 'HandlerFailure'
    this.connectionLost = connectionLost
  }
}

export interface CallLimits {
  readonly clock: Clock
  readonly timeoutMs: number
  /** Who else may end the call: a lost lease, a drain that is out of time. */
  readonly signals: readonly AbortSignal[]
  readonly subject: string
}

/**
 * The signal of one call, made when a handler first asks for it: most never do, and making it costs more than all else
 * around a handler that does little.
 */
export class CallSignal {
  readonly #others: readonly AbortSignal[]
  #controller: AbortController | undefined
  #signal: AbortSignal | undefined
  #over: { readonly reason: unknown } | undefined

  constructor(others: readonly AbortSignal[]) {
    this.#others = others
  }

  get signal(): AbortSignal {
    if (this.#signal !== undefined) return this.#signal
    this.#controller = new AbortController()
    this.#signal = AbortSignal.any([this.#controller.signal, ...this.#others])
    if (this.#over !== undefined) this.#controller.abort(this.#over.reason)
    return this.#signal
  }

  abort(reason: unknown): void {
    this.#over = { reason }
    this.#controller?.abort(reason)
  }
}

/**
 * Calls a handler and settles within its time, whether it does or not. The signal it gets aborts at the same moment.
 * A handler that goes on after that is on its own: its transaction is gone.
 */
export async function callWithin(limits: CallLimits, call: (own: CallSignal) => HandlerResult): Promise<void> {
  const over = limits.signals.find(({ aborted }) => aborted)
  if (over !== undefined) throw over.reason
  const own = new CallSignal(limits.signals)
  const given = call(own)
  // What has no promise is done: it needs neither a timer nor a listener.
  const outcome = given instanceof Promise || isThenable(given) ? await settleWithin(limits, own, given) : given
  if (typeof outcome === 'object' && outcome !== null && 'outcome' in outcome) throw new DecidedByHandler(outcome)
}

function isThenable(value: unknown): value is Promise<Outcome | void> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function settleWithin<R>(
  { clock, timeoutMs, signals, subject }: CallLimits,
  own: CallSignal,
  work: Promise<R>,
): Promise<R> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signals.find(({ aborted }) => aborted)?.reason)
    const cancel = clock.after(timeoutMs, () => {
      const text = `${subject}: the handler did not settle within ${timeoutMs} ms.`
      const reason = new AcuseError('ACUSE_HANDLER_TIMEOUT', text)
      own.abort(reason)
      reject(reason)
    })
    for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => {
      cancel()
      for (const signal of signals) signal.removeEventListener('abort', onAbort)
    })
  })
}
