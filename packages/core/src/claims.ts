import { applyClaim, applyExternal } from './effect.ts'
import { point } from './diagnostics.ts'
import { AcuseError } from './errors.ts'
import { buryClaim, judge, recordClaim } from './failure.ts'
import type { Registration } from './group.ts'
import { Loop } from './loop.ts'
import { pause } from './clock.ts'
import type { Claimed } from './store.ts'
import { brief, type GroupRuntime } from './work.ts'

/** Without claims there is nothing to prolong; the first one wakes the loop. */
const idleMs = 3_600_000

/** Prolongs the leases of claims whose handlers run, and tells a handler when its lease is gone. */
export class ClaimKeeper<Tx> {
  readonly #runtime: GroupRuntime<Tx>
  readonly #held = new Map<string, { readonly claim: Claimed; readonly lost: AbortController }>()
  readonly #loop: Loop

  constructor(runtime: GroupRuntime<Tx>) {
    this.#runtime = runtime
    this.#loop = new Loop({
      clock: runtime.clock,
      round: () => this.#extend(),
      onError: (cause) => runtime.onError(asUnavailable(runtime, cause)),
    })
  }

  start(): void {
    this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async hold<R>(claim: Claimed, work: (lost: AbortSignal) => Promise<R>): Promise<R> {
    const held = { claim, lost: new AbortController() }
    // Claimed anew by this very process, as after a long outage: whoever held it before is told, as nobody else will.
    this.#held.get(claim.id)?.lost.abort(leaseLost(claim, this.#runtime.declaration.name))
    this.#held.set(claim.id, held)
    if (this.#held.size === 1) this.#loop.wake()
    try {
      return await work(held.lost.signal)
    } finally {
      if (this.#held.get(claim.id) === held) this.#held.delete(claim.id)
    }
  }

  async #extend(): Promise<number> {
    const { store, declaration } = this.#runtime
    const { leaseMs } = declaration.settings
    const held = [...this.#held.values()]
    if (held.length === 0) return idleMs
    point('parked.beforeExtend')
    const kept = new Set(
      await store.parked.extend(
        declaration.name,
        held.map(({ claim }) => claim),
        leaseMs,
      ),
    )
    point('parked.afterExtend')
    for (const { claim, lost } of held) {
      if (!kept.has(claim.id) && this.#held.get(claim.id)?.claim === claim)
        lost.abort(leaseLost(claim, declaration.name))
    }
    return leaseMs / 3
  }
}

function leaseLost(claim: Claimed, group: string): AcuseError {
  const { type, id } = claim.message
  return new AcuseError(
    'ACUSE_LEASE_LOST',
    `message ${type} ${id}: group ${group} lost its lease while the handler ran.`,
  )
}

/** Another owner has it: trying again cannot help, as the lease does not come back. */
function isLeaseLost(error: unknown): boolean {
  return error instanceof AcuseError && error.code === 'ACUSE_LEASE_LOST'
}

export function asUnavailable<Tx>({ declaration, store }: GroupRuntime<Tx>, cause: unknown): AcuseError {
  if (cause instanceof AcuseError) return cause
  return new AcuseError(
    'ACUSE_STORE_UNAVAILABLE',
    `group ${declaration.name}: store ${store.name} does not answer; it is tried again.`,
    { cause },
  )
}

/** Where a claim waits for its turn; at once, unless said otherwise. */
export type Place = (work: () => Promise<void>) => Promise<void>

/** A database that is away for longer than this part of the lease is not waited for: others may have the message by then. */
const shortestPauseMs = 50
const mostConflicts = 10

/**
 * Runs a claimed message until its outcome is written down, or its lease is lost.
 * Never rejects. What cannot be written down is claimed again when the lease is over, and counts as a crash.
 */
export async function runClaim<Tx>(
  runtime: GroupRuntime<Tx>,
  keeper: ClaimKeeper<Tx>,
  claim: Claimed,
  place: Place = (work) => work(),
): Promise<void> {
  try {
    // Held while it waits for its place too, or its lease would run out there and count as a crash.
    await keeper.hold(claim, (lost) => place(() => settleClaim(runtime, claim, lost)))
  } catch (error) {
    runtime.onError(asUnavailable(runtime, error))
  }
}

async function settleClaim<Tx>(runtime: GroupRuntime<Tx>, claim: Claimed, lost: AbortSignal): Promise<void> {
  const { declaration } = runtime
  const registration = declaration.registrationOf(claim.message)
  if (registration === undefined) {
    const error = new AcuseError(
      'ACUSE_UNKNOWN_TYPE',
      `group ${declaration.name} has no handler for ${claim.message.type} any more. Add it and replay.`,
    )
    await buryClaim(claim, 'not-retryable', error, claim.attempts, runtime)
    return
  }
  if (await buryIfSpent(runtime, registration, claim)) return
  await runRegistered(runtime, registration, claim, lost)
}

/** After a crash the attempt is spent: what has none left, or may not be begun twice, ends here. */
async function buryIfSpent<Tx>(
  runtime: GroupRuntime<Tx>,
  registration: Registration<Tx>,
  claim: Claimed,
): Promise<boolean> {
  if (!claim.crashed) return false
  const { type, id } = claim.message
  const error = new AcuseError(
    'ACUSE_CRASHED',
    `message ${type} ${id}: its process ended, or stood still beyond its lease, during attempt ${claim.attempts}.`,
  )
  const once = registration.mode === 'external' && registration.atMostOnce
  const policy = runtime.declaration.settings.retry(error, claim.attempts, runtime.random)
  if (!once && policy !== 'dead-letter') return false
  await buryClaim(claim, once ? 'at-most-once' : 'crashed', error, claim.attempts, runtime)
  return true
}

async function runRegistered<Tx>(
  runtime: GroupRuntime<Tx>,
  registration: Registration<Tx>,
  claim: Claimed,
  lost: AbortSignal,
): Promise<void> {
  const { breaker } = runtime
  try {
    if (registration.mode === 'external') {
      const finish = await applyExternal(runtime, registration, claim, lost)
      breaker?.succeeded()
      await persist(runtime, lost, finish)
    } else {
      await persist(runtime, lost, () => applyClaim(runtime, registration, claim, lost))
      breaker?.succeeded()
    }
  } catch (thrown) {
    const verdict = judge(thrown, runtime)
    const error = verdict.kind === 'conflict' ? thrown : verdict.error
    if (isLeaseLost(error)) return breaker?.abandoned()
    if (verdict.kind === 'failed') breaker?.failed(error)
    else breaker?.abandoned()
    const undecodable = verdict.kind === 'failed' && verdict.undecodable
    if (registration.mode === 'external' && registration.atMostOnce) {
      await persist(runtime, lost, () => buryClaim(claim, 'at-most-once', error, claim.attempts + 1, runtime))
    } else if (verdict.kind === 'unavailable') {
      await persist(runtime, lost, () => giveBack(runtime, claim))
    } else {
      await persist(runtime, lost, () => recordClaim(claim, error, undecodable, runtime))
    }
  }
}

function giveBack<Tx>({ store, declaration }: GroupRuntime<Tx>, claim: Claimed): Promise<boolean> {
  const reason = claim.reason === 'timeout' ? 'timeout' : 'retry'
  return store.transaction(
    (tx) => store.parked.reschedule(tx, declaration.name, claim, { reason, dueInMs: 1_000, attempts: claim.attempts }),
    brief,
  )
}

/** Repeats what only conflicts or an absent database stopped, until the lease is lost. */
async function persist<Tx, R>(runtime: GroupRuntime<Tx>, lost: AbortSignal, work: () => Promise<R>): Promise<R> {
  let conflicts = 0
  for (let round = 0; ; round++) {
    try {
      return await work()
    } catch (thrown) {
      const verdict = judge(thrown, runtime)
      const again = verdict.kind === 'unavailable' || (verdict.kind === 'conflict' && ++conflicts < mostConflicts)
      if (!again || isLeaseLost(thrown) || lost.aborted || runtime.deadline.aborted) throw thrown
      const longest = Math.min(shortestPauseMs * 2 ** Math.min(round, 6), runtime.declaration.settings.leaseMs / 3)
      await pause(runtime.clock, longest * (0.5 + 0.5 * runtime.random()), lost)
    }
  }
}
