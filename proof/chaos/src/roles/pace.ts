import type { Pool } from 'pg'

const lookEveryMs = 1_000
/** Messages come in bursts, as from a service that works in batches: one by one, each would cost a transaction everywhere. */
const burst = 40

export interface PaceOptions {
  readonly pool: Pool
  /** What all producers together aim at. */
  readonly ratePerSecond: number
  readonly producers: number
  /** Since when, ms since the epoch. */
  readonly startedAtMs: number
  /** For how long; what comes after it only has to be passed by now and then. */
  readonly forMs: number
}

/** Of the rate, once the time is over: a run that is not enough yet would else be given more than it can find an end for. */
const afterwards = 0.1

/** Lets a producer write its share of what the run aims at: what was missed while it or the database was away is made up for at once. */
export class Pace {
  readonly #options: PaceOptions
  readonly #timer: NodeJS.Timeout
  /** Messages it may write now, and until when time has been counted. */
  #allowed = 0
  #countedAtMs = performance.now()
  #isBursting = false
  /** Too much of what is written waits to be applied. */
  #isHeld = false

  constructor(options: PaceOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.#look(), lookEveryMs)
    void this.#look()
  }

  mayWrite(): boolean {
    const { producers, startedAtMs, forMs } = this.#options
    const now = performance.now()
    const rate = this.#options.ratePerSecond * (Date.now() - startedAtMs > forMs ? afterwards : 1)
    this.#allowed += ((now - this.#countedAtMs) / 1_000) * (rate / producers)
    this.#countedAtMs = now
    this.#isBursting = this.#allowed > (this.#isBursting ? 0 : burst)
    return this.#isBursting && !this.#isHeld
  }

  wrote(messages: number): void {
    this.#allowed -= messages
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Compares what all producers have committed in all their lives with what the time that has passed asks for. */
  async #look(): Promise<void> {
    const { pool, ratePerSecond, producers, startedAtMs, forMs } = this.#options
    try {
      const { rows } = await pool.query<{ committed: number; hold: boolean }>(
        'select (select count(*)::int from committed) as committed, hold from pace',
      )
      const sinceMs = Date.now() - startedAtMs
      const wanted = ((Math.min(sinceMs, forMs) + Math.max(0, sinceMs - forMs) * afterwards) / 1_000) * ratePerSecond
      this.#allowed = (wanted - (rows[0]?.committed ?? 0)) / producers
      this.#isHeld = rows[0]?.hold === true
    } catch {
      // The database is away; nothing can be written meanwhile either.
    }
  }
}
