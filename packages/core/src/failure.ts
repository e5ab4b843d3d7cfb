import { createHash } from 'node:crypto'
import { point, tell } from './diagnostics.ts'
import { UndecodableFailure } from './effect.ts'
import { AcuseError, codeOf, messageOf } from './errors.ts'
import { DecidedByHandler, HandlerFailure } from './handler-call.ts'
import type { WireMessage } from './message.ts'
import type { Claimed, Death, DeathReason, FailureRecord, StoreErrorKind } from './store.ts'
import { about, brief, type GroupRuntime, isOrdered } from './work.ts'

/** What a failed attempt means. */
export type Verdict =
  /** Nobody's fault: do it again at once. */
  | { readonly kind: 'conflict' }
  /** The group's own database is away: hold the message, spend nothing. */
  | { readonly kind: 'unavailable'; readonly error: unknown }
  /** The handler, or the message itself. */
  | { readonly kind: 'failed'; readonly error: unknown; readonly undecodable: boolean }

/** Tells whose failure it was. */
export function judge<Tx>(thrown: unknown, { store, deadline }: GroupRuntime<Tx>): Verdict {
  if (thrown instanceof UndecodableFailure) return { kind: 'failed', error: thrown.cause, undecodable: true }
  const own = thrown instanceof HandlerFailure
  const error = own ? thrown.cause : thrown
  // A handler that the end of a drain cut off has not failed: the message goes back as if it had not begun.
  if (deadline.aborted && error === deadline.reason) return { kind: 'unavailable', error }
  if (error instanceof AcuseError && error.code === 'ACUSE_SAGA_CONFLICT') return { kind: 'conflict' }
  const kind: StoreErrorKind = store.classify(error)
  if (kind === 'conflict') return { kind }
  // A handler's own call to another server may fail with the same codes as our database; its connection tells them apart.
  if (kind === 'unavailable' && (!own || thrown.connectionLost)) return { kind, error }
  if (own || isOwnCode(error)) return { kind: 'failed', error, undecodable: false }
  return { kind: 'unavailable', error }
}

/**
 * What a handler did wrong may only show at COMMIT: a failed statement it swallowed, or a deferred constraint or trigger
 * (SQLSTATE classes 23 and P0). Clients wrap errors, so causes are looked at too.
 */
function isOwnCode(error: unknown): boolean {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth++) {
    const code = codeOf(current)
    if (code === 'ACUSE_TRANSACTION_ABORTED' || code?.startsWith('23') === true || code?.startsWith('P0') === true)
      return true
  }
  return false
}

type Decision =
  | { readonly next: 'retry'; readonly dueInMs: number; readonly attempts: number }
  | { readonly next: 'dead'; readonly reason: DeathReason; readonly attempts: number }

const firstTripPauseMs = 1_000

interface History {
  /** Attempts spent, the one that has just failed not included. */
  readonly attempts: number
  readonly failingForMs: number | null
}

/** Decides what becomes of a message whose attempt failed. */
function decide<Tx>(error: unknown, undecodable: boolean, history: History, runtime: GroupRuntime<Tx>): Decision {
  const { settings } = runtime.declaration
  const attempts = history.attempts + 1
  if (undecodable) return { next: 'dead', reason: 'undecodable', attempts }
  if (settings.breaker?.trips(error) === true) {
    const failingMs = history.failingForMs ?? 0
    if (failingMs > settings.unavailableMaxMs)
      return { next: 'dead', reason: 'dependency-down', attempts: history.attempts }
    const resetMs = settings.breaker.resetMs ?? 30_000
    // One lost answer is no outage: while the breaker is closed, it waits as long again as it has waited already.
    const dueInMs =
      runtime.breaker?.state === 'closed' ? Math.min(Math.max(failingMs, firstTripPauseMs), resetMs) : resetMs
    return { next: 'retry', dueInMs, attempts: history.attempts }
  }
  if (error instanceof DecidedByHandler && error.decision.outcome === 'dead-letter') {
    return { next: 'dead', reason: 'handler-decided', attempts }
  }
  const policy = settings.retry(error, attempts, runtime.random)
  if (policy === 'dead-letter') return { next: 'dead', reason: deathReason(error), attempts }
  const asked =
    error instanceof DecidedByHandler && error.decision.outcome === 'retry' ? error.decision.afterMs : undefined
  return { next: 'retry', dueInMs: asked ?? policy.retryInMs, attempts }
}

function deathReason(error: unknown): DeathReason {
  if (!(error instanceof AcuseError)) return 'attempts-exhausted'
  if (error.code === 'ACUSE_CRASHED') return 'crashed'
  return error.retryable ? 'attempts-exhausted' : 'not-retryable'
}

/** Writes down what becomes of a delivered message whose attempt failed. After this it may be acked. */
export async function recordDelivery<Tx>(
  message: WireMessage,
  error: unknown,
  undecodable: boolean,
  runtime: GroupRuntime<Tx>,
): Promise<void> {
  const { store, declaration } = runtime
  const decision = decide(error, undecodable, { attempts: 0, failingForMs: null }, runtime)
  tell('failed', { ...about(message, runtime), attempts: decision.attempts, error })
  if (decision.next === 'dead') return buryDelivery(message, decision.reason, error, decision.attempts, runtime)
  const { attempts, dueInMs } = decision
  point('consumer.beforePark')
  await store.transaction(
    (tx) =>
      store.parked.park(tx, declaration.name, {
        message,
        reason: 'retry',
        ordered: isOrdered(message, runtime),
        attempts,
        dueInMs,
        error: recordOf(error),
      }),
    brief,
  )
  point('consumer.afterPark')
  runtime.onParked(dueInMs)
  tell('retrying', { ...about(message, runtime), attempts, retryInMs: dueInMs })
}

/** Turns a delivered message into a dead letter, unless the group has taken it already. After this it may be acked. */
export async function buryDelivery<Tx>(
  message: WireMessage,
  reason: DeathReason,
  error: unknown,
  attempts: number,
  runtime: GroupRuntime<Tx>,
): Promise<void> {
  const { store, declaration } = runtime
  const death = deathOf(message, reason, error, attempts)
  point('consumer.beforeBury')
  await store.transaction(
    (tx) => store.deadLetters.bury(tx, declaration.name, message, death, { block: blocks(message, runtime) }),
    brief,
  )
  point('consumer.afterBury')
  tell('dead', { ...about(message, runtime), reason, attempts, error })
}

/** Writes down what becomes of a parked message whose attempt failed. false: the claim was lost meanwhile, and others decide. */
export async function recordClaim<Tx>(
  claim: Claimed,
  error: unknown,
  undecodable: boolean,
  runtime: GroupRuntime<Tx>,
): Promise<boolean> {
  const { message } = claim
  const decision = decide(error, undecodable, claim, runtime)
  tell('failed', { ...about(message, runtime), attempts: decision.attempts, error })
  if (decision.next === 'dead') return buryClaim(claim, decision.reason, error, decision.attempts, runtime)
  const { store, declaration } = runtime
  const { attempts, dueInMs } = decision
  point('parked.beforeReschedule')
  const held = await store.transaction(
    (tx) =>
      store.parked.reschedule(tx, declaration.name, claim, {
        reason: 'retry',
        dueInMs,
        attempts,
        error: recordOf(error),
      }),
    brief,
  )
  point('parked.afterReschedule')
  if (held) tell('retrying', { ...about(message, runtime), attempts, retryInMs: dueInMs })
  return held
}

/** Turns a parked message into a dead letter. false: the claim was lost meanwhile. */
export async function buryClaim<Tx>(
  claim: Claimed,
  reason: DeathReason,
  error: unknown,
  attempts: number,
  runtime: GroupRuntime<Tx>,
): Promise<boolean> {
  const { store, declaration } = runtime
  const { message } = claim
  const death = deathOf(message, reason, error, attempts)
  point('parked.beforeBury')
  const held = await store.transaction(
    (tx) => store.parked.bury(tx, declaration.name, claim, death, blocks(message, runtime)),
    brief,
  )
  point('parked.afterBury')
  if (held) tell('dead', { ...about(message, runtime), reason, attempts, error })
  return held
}

function blocks<Tx>(message: WireMessage, { declaration }: GroupRuntime<Tx>): boolean {
  return message.key !== null && declaration.settings.blockAfterDeadLetter
}

export function deathOf(message: WireMessage, reason: DeathReason, error: unknown, attempts: number): Death {
  const record = recordOf(error)
  return { reason, error: record, fingerprint: fingerprintOf(message.type, record), attempts }
}

export function recordOf(error: unknown): FailureRecord {
  return {
    code: codeOf(error) ?? null,
    name: error instanceof Error ? error.name : typeof error,
    message: messageOf(error),
    stack: error instanceof Error ? (error.stack ?? null) : null,
  }
}

/** Numbers, ids and quoted text vary from message to message of one cause, so they do not count. */
const varying = /\b[0-9a-f]{8}-[0-9a-f-]{27}\b|"[^"]*"|'[^']*'|\d+/gi

function fingerprintOf(type: string, { code, name, message }: FailureRecord): string {
  const shape = message.replace(varying, '#').slice(0, 500)
  return createHash('sha256')
    .update([type, code ?? '', name, shape].join('\u0000'))
    .digest('hex')
    .slice(0, 16)
}
