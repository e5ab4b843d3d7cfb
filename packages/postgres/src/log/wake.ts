import { type Clock, point } from '@acuse/core'
import type { Db } from '../db.ts'
import { Alarm } from './alarm.ts'
import type { Reporter } from './report.ts'

/** NOTIFY inside every transaction makes commits queue (4,749 became 784 a second), so a process does it this often at most. */
const quietMs = 50
const longestWatchMs = 1_000
/** Beyond this many open transactions the oldest are left to the readers' polling, and one that stays open for about ten minutes too. */
const mostWatched = 1_000
const mostLooks = 600

/** Where readers of a log are woken. */
export function logChannel(schemaName: string): string {
  return `${schemaName}_log`
}

/**
 * Tells readers that something was appended. In the appending transaction itself while this process appends slowly;
 * for what it kept quiet about, from a connection of its own once the transaction has ended.
 */
export class Notifier {
  readonly #db: Db
  readonly #channel: string
  readonly #mayClaim: boolean
  readonly #alarm: Alarm
  /** How often each transaction was found still open. */
  readonly #watched = new Map<string, number>()
  #lastAt = Number.NEGATIVE_INFINITY
  #watchMs = quietMs

  constructor(db: Db, clock: Clock, reporter: Reporter, mayClaim: boolean) {
    this.#db = db
    this.#mayClaim = mayClaim
    this.#channel = logChannel(db.schemaName)
    this.#alarm = new Alarm(
      clock,
      () => this.#tell(),
      (error) => {
        reporter.failed('waking readers of the log', error)
        this.#alarm.ring(longestWatchMs)
      },
    )
  }

  /** The channel to notify within the append, or null for not now. */
  claim(): string | null {
    if (!this.#mayClaim || performance.now() - this.#lastAt < quietMs) return null
    this.#lastAt = performance.now()
    return this.#channel
  }

  /** Was not told of within the transaction `xid`: readers are told when it has ended. */
  owe(xid: string): void {
    if (this.#watched.size >= mostWatched) {
      const [oldest] = this.#watched.keys()
      if (oldest !== undefined) this.#watched.delete(oldest)
    }
    this.#watched.set(xid, 0)
    this.#watchMs = quietMs
    this.#alarm.ring(quietMs)
  }

  async stop(): Promise<void> {
    await this.#alarm.stop()
    if (this.#watched.size > 0) await this.#tell().catch(() => undefined)
  }

  async #tell(): Promise<void> {
    const xids = [...this.#watched.keys()]
    point('log.beforeNotify')
    const [row] = await this.#db.query<{ ended: string[] | null }>(
      `with done as materialized (
         select x.xid from unnest($1::text[]) x(xid) where pg_visible_in_snapshot(x.xid::xid8, pg_current_snapshot())
       )
       select (select json_agg(xid) from done) as ended,
         case when exists (select from done) then pg_notify($2, '') end`,
      [xids, this.#channel],
    )
    point('log.afterNotify')
    const ended = row?.ended ?? []
    if (ended.length > 0) this.#lastAt = performance.now()
    for (const xid of ended) this.#watched.delete(xid)
    for (const xid of xids) this.#lookedAt(xid)
    if (this.#watched.size === 0) return
    this.#alarm.ring(this.#watchMs)
    this.#watchMs = Math.min(this.#watchMs * 2, longestWatchMs)
  }

  #lookedAt(xid: string): void {
    const looks = this.#watched.get(xid)
    if (looks === undefined) return
    if (looks < mostLooks) this.#watched.set(xid, looks + 1)
    else this.#watched.delete(xid)
  }
}
