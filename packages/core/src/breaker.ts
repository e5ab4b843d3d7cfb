import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { AcuseError, messageOf } from './errors.ts'
import { checkAtLeast } from './names.ts'

export interface BreakerOptions {
  /** Failures within the window, with no success between them, that open it. Default 5. */
  readonly threshold?: number
  /** Older failures do not count, ms. Default 60,000. */
  readonly windowMs?: number
  /** How long it stays open before one call is let through, ms. Default 30,000. */
  readonly resetMs?: number
  /** Which errors count. Default: all. */
  readonly counts?: (error: unknown) => boolean
  readonly clock?: Clock
  readonly onChange?: (state: BreakerState) => void
}

export type BreakerState = 'closed' | 'open' | 'half-open'

/**
 * Stops calling what is down: after `threshold` failures it is open, after `resetMs` one call is tried, and its success closes it.
 *
 * Source: M. Nygard, Release It!, chapter "Circuit Breaker".
 */
export class Breaker {
  readonly name: string
  readonly #threshold: number
  readonly #windowMs: number
  readonly #resetMs: number
  readonly #counts: (error: unknown) => boolean
  readonly #clock: Clock
  readonly #onChange: (state: BreakerState) => void
  #state: BreakerState = 'closed'
  #failures: number[] = []
  #openedAt = 0
  #lastError = ''

  constructor(name: string, options: BreakerOptions = {}) {
    this.name = name
    this.#threshold = options.threshold ?? 5
    this.#windowMs = options.windowMs ?? 60_000
    this.#resetMs = options.resetMs ?? 30_000
    checkAtLeast(`breaker ${name}: threshold`, this.#threshold, 1)
    checkAtLeast(`breaker ${name}: windowMs`, this.#windowMs, 1)
    checkAtLeast(`breaker ${name}: resetMs`, this.#resetMs, 1)
    this.#counts = options.counts ?? ((): boolean => true)
    this.#clock = options.clock ?? systemClock
    this.#onChange = options.onChange ?? ((): void => undefined)
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Runs `work`, or throws `ACUSE_BREAKER_OPEN` at once while the breaker is open. */
  async run<R>(work: () => Promise<R>): Promise<R> {
    if (!this.tryEnter()) {
      throw new AcuseError(
        'ACUSE_BREAKER_OPEN',
        `${this.name} is not called: it failed ${this.#threshold} times (last: ${this.#lastError}). It is tried again in ${this.reopensInMs()} ms.`,
      )
    }
    try {
      const result = await work()
      this.succeeded()
      return result
    } catch (error) {
      this.failed(error)
      throw error
    }
  }

  /** Whether a call may begin now. When open long enough, answers true once and is half-open until that call's outcome is told. */
  tryEnter(): boolean {
    if (this.#state === 'closed') return true
    if (this.#state === 'half-open' || this.reopensInMs() > 0) return false
    this.#change('half-open')
    return true
  }

  /** How long until a call may be tried; 0 when one may now. */
  reopensInMs(): number {
    if (this.#state === 'closed') return 0
    const waitMs = this.#openedAt + this.#resetMs - this.#clock.now()
    // Longer than from the beginning: the clock was set back, and nobody is to wait until the old time comes again.
    return waitMs > this.#resetMs ? 0 : Math.max(0, waitMs)
  }

  succeeded(): void {
    this.#failures = []
    if (this.#state !== 'closed') this.#change('closed')
  }

  /** The call that was let in came to no outcome: another may be tried. */
  abandoned(): void {
    if (this.#state === 'half-open') this.#change('open')
  }

  /** Counts a failure, if it counts. One that does not is an answer all the same: the dependency is up. */
  failed(error: unknown): void {
    if (!this.#counts(error)) return this.succeeded()
    const now = this.#clock.now()
    this.#lastError = messageOf(error)
    this.#failures = [...this.#failures.filter((at) => at > now - this.#windowMs), now]
    if (this.#state === 'half-open' || this.#failures.length >= this.#threshold) {
      this.#failures = []
      this.#openedAt = now
      this.#change('open')
    }
  }

  #change(state: BreakerState): void {
    this.#state = state
    this.#onChange(state)
  }
}
