import { AcuseError, type Clock } from '@acuse/core'
import type { Db } from '../db.ts'
import { sqlStateOf } from '../db-errors.ts'
import { Alarm } from './alarm.ts'
import type { Reporter } from './report.ts'
import { maintainRing, type RetentionSettings } from './retention.ts'

const longestPauseMs = 60_000
const turning = 'turning the ring of the log'

/** Turns the ring of the log now and then, and tells when a group holds it up. */
export class Keeper {
  readonly #db: Db
  readonly #settings: RetentionSettings
  readonly #reporter: Reporter
  readonly #alarm: Alarm

  constructor(db: Db, clock: Clock, reporter: Reporter, settings: RetentionSettings) {
    this.#db = db
    this.#settings = settings
    this.#reporter = reporter
    this.#alarm = new Alarm(
      clock,
      () => this.#turn(),
      (error) => {
        // A role that may only publish leaves it to others.
        if (sqlStateOf(error) === '42501') return
        reporter.failed(turning, error)
        this.#alarm.ring(this.#pauseMs)
      },
    )
  }

  start(): void {
    this.#alarm.ring(this.#pauseMs)
  }

  async stop(): Promise<void> {
    await this.#alarm.stop()
  }

  get #pauseMs(): number {
    return Math.min(longestPauseMs, Math.max(50, this.#settings.rotateAfterMs / 10))
  }

  async #turn(): Promise<void> {
    const { held } = await maintainRing(this.#db, this.#settings)
    this.#reporter.recovered(turning)
    const groups = [...new Set(held.flatMap((leaf) => leaf.groups))]
    for (const group of groups) {
      const text =
        `group ${group} has not read messages that are older than the retention (${this.#settings.retentionMs} ms): ` +
        `the log keeps them and grows. Start the group, or delete it if it is gone for good.`
      this.#reporter.report(`held by ${group}`, new AcuseError('ACUSE_CONFIGURATION', text))
    }
    this.#alarm.ring(this.#pauseMs)
  }
}
