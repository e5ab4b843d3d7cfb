import { asUnavailable, type ClaimKeeper, runClaim } from './claims.ts'
import { point } from './diagnostics.ts'
import { Loop } from './loop.ts'
import type { Claimed } from './store.ts'
import type { GroupRuntime } from './work.ts'

/** How often a place for one more handler is looked for when all are taken. */
const fullPauseMs = 50

/** Runs the parked messages of a group when they are due. */
export class ParkedRunner<Tx> {
  readonly #runtime: GroupRuntime<Tx>
  readonly #keeper: ClaimKeeper<Tx>
  readonly #due: Loop
  readonly #crashed: Loop
  readonly #running = new Set<Promise<void>>()

  constructor(runtime: GroupRuntime<Tx>, keeper: ClaimKeeper<Tx>) {
    this.#runtime = runtime
    this.#keeper = keeper
    const onError = (cause: unknown): void => runtime.onError(asUnavailable(runtime, cause))
    this.#due = new Loop({ clock: runtime.clock, round: () => this.#runDue(), onError })
    this.#crashed = new Loop({ clock: runtime.clock, round: () => this.#runCrashed(), onError })
  }

  start(): void {
    this.#due.start()
    this.#crashed.start()
  }

  /** Looks for what is due, when it is: what was parked for longer than a pause between two looks is found by a later one. */
  wake(dueInMs = 0): void {
    if (dueInMs === 0) {
      this.#due.wake()
      this.#crashed.wake()
    } else if (dueInMs < this.#runtime.pollMs) {
      this.#due.wakeIn(dueInMs)
    }
  }

  /** Claims nothing more and waits for what runs. */
  async stop(): Promise<void> {
    await Promise.all([this.#due.stop(), this.#crashed.stop()])
    await Promise.all(this.#running)
  }

  async #runDue(): Promise<number> {
    const { breaker, places } = this.#runtime
    if (breaker !== undefined && breaker.state !== 'closed') return this.#runTrial()
    // At least one, also when fresh messages take every place: it waits in their line, so that retries never starve.
    const room = this.#runtime.declaration.settings.concurrency - this.#running.size
    if (room <= 0) return fullPauseMs
    const { claimed, nextDueInMs } = await this.#claim(Math.max(1, Math.min(room, places.free)), false)
    for (const claim of claimed) this.#run(claim)
    return claimed.length > 0 ? 0 : this.#waitFor(nextDueInMs)
  }

  /** One at a time, so that a crash is counted against the right message. */
  async #runCrashed(): Promise<number> {
    const { breaker } = this.#runtime
    if (breaker !== undefined && breaker.state !== 'closed') return this.#runtime.pollMs
    const { claimed, nextDueInMs } = await this.#claim(1, true)
    for (const claim of claimed) await this.#runInPlace(claim)
    if (claimed.length > 0) this.#due.wake()
    return claimed.length > 0 ? 0 : this.#waitFor(nextDueInMs)
  }

  /** While the breaker is open nothing runs; when it may be tried, one message is. */
  async #runTrial(): Promise<number> {
    const { breaker } = this.#runtime
    if (breaker === undefined) return 0
    if (breaker.reopensInMs() > 0) return breaker.reopensInMs()
    const { claimed } = await this.#claim(1, false)
    const [claim] = claimed
    if (claim === undefined) return this.#runtime.pollMs
    breaker.tryEnter()
    await this.#runInPlace(claim)
    return 0
  }

  async #claim(limit: number, crashed: boolean): Promise<{ claimed: readonly Claimed[]; nextDueInMs: number | null }> {
    const { store, declaration } = this.#runtime
    point('parked.beforeClaim')
    const result = await store.parked.claim(declaration.name, {
      limit,
      leaseMs: declaration.settings.leaseMs,
      crashed,
    })
    if (result.claimed.length > 0) point('parked.afterClaim')
    return result
  }

  /** Other processes park too, and their wake-ups do not reach us; a poll finds what they left. */
  #waitFor(nextDueInMs: number | null): number {
    const { pollMs } = this.#runtime
    return Math.max(1, Math.min(nextDueInMs ?? pollMs, pollMs))
  }

  #runInPlace(claim: Claimed): Promise<void> {
    return runClaim(this.#runtime, this.#keeper, claim, (work) => this.#runtime.places.run(work))
  }

  #run(claim: Claimed): void {
    const run = this.#runInPlace(claim).finally(() => {
      this.#running.delete(run)
      // Its removal may have let the next of its key go.
      this.#due.wake()
    })
    this.#running.add(run)
  }
}
