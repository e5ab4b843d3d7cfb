import { point, tell } from './diagnostics.ts'
import { AcuseError } from './errors.ts'
import { appendPrepared, type CallSignal, callWithin, HandlerFailure, PublishScope } from './handler-call.ts'
import type { Registration } from './group.ts'
import type { BatchHandler, ExternalContext, HandlerResult } from './handler.ts'
import { derivedId } from './ids.ts'
import { decode } from './incoming.ts'
import type { Message, WireMessage } from './message.ts'
import type { Claimed, Verdict } from './store.ts'
import { about, type GroupRuntime, idleMsOf, isOrdered } from './work.ts'

/** A message could not even be read: trying again cannot help. */
export class UndecodableFailure extends Error {
  constructor(cause: unknown) {
    super('undecodable', { cause })
    this.name = 'UndecodableFailure'
  }
}

/**
 * Applies delivered messages in one effect transaction: inbox, handlers, and what they publish. Gives a verdict for each.
 * Rejects with everything rolled back; `HandlerFailure` when it was a handler's doing.
 */
export async function applyDeliveries<Tx>(
  runtime: GroupRuntime<Tx>,
  registration: Registration<Tx>,
  wires: readonly WireMessage[],
): Promise<readonly Verdict[]> {
  const messages = await decodeAll(runtime, registration, wires)
  const startedMs = runtime.clock.now()
  const { store, declaration } = runtime
  point('consumer.beforeEffect')
  const group = declaration.name
  const items = wires.map((message) => ({ message, ordered: isOrdered(message, runtime) }))
  const effects = async (tx: Tx, accepted?: readonly Verdict[]): Promise<readonly Verdict[]> => {
    const answers = accepted ?? (await store.inbox.accept(tx, group, items))
    const fresh = messages.filter((_, index) => answers[index] === 'new')
    if (fresh.length > 0) await runHandler(runtime, registration, fresh, tx, 1, [])
    point('consumer.beforeCommit')
    return answers
  }
  const verdicts = await store.transaction(effects, { accepting: { group, items }, idleMs: idleMsOf(runtime) })
  point('consumer.afterCommit')
  for (const [index, wire] of wires.entries()) {
    const verdict = verdicts[index]
    if (verdict === 'new') tellApplied(runtime, wire, messages[index], 1, startedMs)
    else if (verdict !== 'blocked') tell('duplicate', { ...about(wire, runtime), conflict: verdict === 'conflict' })
  }
  return verdicts
}

/** Applies a parked message in one effect transaction and takes it off the parked ones. Rejects as `applyDeliveries` does. */
export async function applyClaim<Tx>(
  runtime: GroupRuntime<Tx>,
  registration: Registration<Tx>,
  claim: Claimed,
  lost: AbortSignal,
): Promise<void> {
  const [message] = await decodeAll(runtime, registration, [claim.message])
  if (message === undefined) return
  const startedMs = runtime.clock.now()
  point('parked.beforeEffect')
  await runtime.store.transaction(
    async (tx) => {
      await runHandler(runtime, registration, [message], tx, claim.attempts + 1, [lost])
      await completeClaim(runtime, tx, claim)
      point('parked.beforeCommit')
    },
    { idleMs: idleMsOf(runtime) },
  )
  point('parked.afterCommit')
  tellApplied(runtime, claim.message, message, claim.attempts + 1, startedMs)
}

/** Calls a handler that has no transaction, then commits what it published together with the removal of its claim. */
export async function applyExternal<Tx>(
  runtime: GroupRuntime<Tx>,
  registration: Registration<Tx> & { readonly mode: 'external' },
  claim: Claimed,
  lost: AbortSignal,
): Promise<() => Promise<void>> {
  const [message] = await decodeAll(runtime, registration, [claim.message])
  if (message === undefined) throw new UndecodableFailure(undefined)
  const { clock, declaration, deadline, store } = runtime
  const startedMs = clock.now()
  const scope = new PublishScope(runtime.outgoing, message)
  const attempt = claim.attempts + 1
  const prepared = await ownFailure(async () => {
    await callWithin(
      {
        clock,
        timeoutMs: declaration.settings.externalTimeoutMs,
        signals: [lost, deadline],
        subject: subjectOf(message),
      },
      (own) => registration.handle(message, contextOf(runtime, message, scope, own, attempt)),
    )
    return scope.prepare()
  }).finally(() => scope.close())
  return async () => {
    point('external.beforeFinish')
    await store.transaction(
      async (tx) => {
        // Not ended by a drain: what the handler did outside is done, and should be written down.
        if (declaration.settings.inTransaction !== undefined) {
          await callInTransaction(runtime, message, tx, [lost], () => tellGroup(runtime, [message], tx, attempt))
        }
        await appendPrepared(store, tx, prepared, runtime.service, runtime.onScheduled)
        await completeClaim(runtime, tx, claim)
        point('external.beforeCommit')
      },
      { idleMs: idleMsOf(runtime) },
    )
    point('external.afterFinish')
    tellApplied(runtime, claim.message, message, attempt, startedMs)
  }
}

async function completeClaim<Tx>({ store, declaration }: GroupRuntime<Tx>, tx: Tx, claim: Claimed): Promise<void> {
  if (await store.parked.complete(tx, declaration.name, claim)) return
  throw new AcuseError(
    'ACUSE_LEASE_LOST',
    `message ${claim.message.type} ${claim.message.id}: group ${declaration.name} lost its lease before it was done; what it did is rolled back.`,
  )
}

async function decodeAll<Tx>(
  runtime: GroupRuntime<Tx>,
  registration: Registration<Tx>,
  wires: readonly WireMessage[],
): Promise<Message[]> {
  const messages: Message[] = []
  for (const wire of wires) {
    try {
      messages.push(await decode(wire, registration.type, runtime.codec))
    } catch (cause) {
      throw new UndecodableFailure(cause)
    }
  }
  return messages
}

/** Runs the handler of fresh messages and appends what it publishes, all in `tx`. */
async function runHandler<Tx>(
  runtime: GroupRuntime<Tx>,
  registration: Registration<Tx>,
  messages: readonly Message[],
  tx: Tx,
  attempt: number,
  signals: readonly AbortSignal[],
): Promise<void> {
  const calls = registration.mode === 'batch' ? byTenant(messages) : messages.map((message) => [message])
  for (const call of calls) await runCall(runtime, registration, call, tx, attempt, signals)
}

/** A batch handler sees one tenant at a time: what it publishes, and what `inTransaction` sets, is of one tenant. */
function byTenant(messages: readonly Message[]): Message[][] {
  return [...Map.groupBy(messages, ({ tenant }) => tenant).values()]
}

async function runCall<Tx>(
  runtime: GroupRuntime<Tx>,
  registration: Registration<Tx>,
  messages: readonly Message[],
  tx: Tx,
  attempt: number,
  signals: readonly AbortSignal[],
): Promise<void> {
  const [first] = messages
  if (first === undefined) return
  const scope = new PublishScope(runtime.outgoing, first)
  const handle = (own: CallSignal): HandlerResult =>
    registration.mode === 'batch'
      ? registration.handle(messages, batchContext(scope, own, tx))
      : registration.handle(first, Object.assign(contextOf(runtime, first, scope, own, attempt), { tx }))
  const isTold = runtime.declaration.settings.inTransaction !== undefined
  await callInTransaction(runtime, first, tx, [...signals, runtime.deadline], (own) =>
    isTold ? tellGroup(runtime, messages, tx, attempt).then(() => handle(own)) : handle(own),
  ).finally(() => scope.close())
  if (scope.empty) return
  try {
    const prepared = await scope.prepare()
    await appendPrepared(runtime.store, tx, prepared, runtime.service, runtime.onScheduled)
  } catch (error) {
    throw new HandlerFailure(error, !runtime.store.isTransaction(tx))
  }
}

/** What a handler gets. What hardly any handler asks for is made when it does. */
function contextOf<Tx>(
  runtime: GroupRuntime<Tx>,
  message: Message,
  { publish }: PublishScope,
  own: CallSignal,
  attempt: number,
): ExternalContext {
  return {
    publish,
    attempt,
    get signal(): AbortSignal {
      return own.signal
    },
    get idempotencyKey(): string {
      return derivedId(runtime.declaration.name, message.id)
    },
  }
}

function batchContext<Tx>(
  { publish }: PublishScope,
  own: CallSignal,
  tx: Tx,
): Parameters<BatchHandler<unknown, Tx>>[1] {
  return {
    publish,
    tx,
    get signal(): AbortSignal {
      return own.signal
    },
  }
}

/** Runs the application's code within its time in `tx`; what it throws is a `HandlerFailure`. */
async function callInTransaction<Tx>(
  { clock, declaration, store }: GroupRuntime<Tx>,
  message: Message,
  tx: Tx,
  signals: readonly AbortSignal[],
  call: (own: CallSignal) => HandlerResult,
): Promise<void> {
  try {
    await callWithin({ clock, timeoutMs: declaration.settings.timeoutMs, signals, subject: subjectOf(message) }, call)
  } catch (error) {
    // The code may still be using the client: nobody else may ever get it.
    if (isAbandoned(error, signals)) store.abort(tx)
    throw new HandlerFailure(error, !store.isTransaction(tx))
  }
}

/** Lets the group's `inTransaction` see the messages whose effects `tx` holds. */
async function tellGroup<Tx>(
  { declaration }: GroupRuntime<Tx>,
  messages: readonly Message[],
  tx: Tx,
  attempt: number,
): Promise<void> {
  const { inTransaction } = declaration.settings
  if (inTransaction === undefined) return
  for (const message of messages) await inTransaction(message, { group: declaration.name, tx, attempt })
}

function isAbandoned(error: unknown, signals: readonly AbortSignal[]): boolean {
  if (error instanceof AcuseError && error.code === 'ACUSE_HANDLER_TIMEOUT') return true
  return signals.some((signal) => signal.aborted && signal.reason === error)
}

async function ownFailure<R>(work: () => Promise<R>): Promise<R> {
  try {
    return await work()
  } catch (error) {
    throw new HandlerFailure(error, false)
  }
}

function subjectOf(message: Message): string {
  return `message ${message.type} ${message.id}`
}

function tellApplied<Tx>(
  runtime: GroupRuntime<Tx>,
  wire: WireMessage,
  message: Message | undefined,
  attempts: number,
  startedMs: number,
): void {
  const parkedForMs = message === undefined ? undefined : runtime.declaration.parkedBy.get(message)
  if (parkedForMs !== undefined) runtime.onParked(parkedForMs)
  const now = runtime.clock.now()
  const latencyMs = message === undefined ? 0 : now - message.time.getTime()
  tell('applied', { ...about(wire, runtime), attempts, durationMs: now - startedMs, latencyMs })
}
