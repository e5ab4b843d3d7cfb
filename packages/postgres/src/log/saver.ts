import { type Clock, point } from '@acuse/core'
import type { Db } from '../db.ts'
import { Alarm } from './alarm.ts'
import { type CursorSave, saveCursors } from './cursors.ts'
import type { Incarnation } from './incarnation.ts'
import type { Lease } from './lease.ts'
import type { StoredPart } from './members.ts'
import type { Reporter } from './report.ts'

/** An unrelated open transaction keeps every version of a cursor row: 20,000 saves made 1 MB of one. */
const everyMs = 100
const acksBetween = 500
const retryMs = 500
/** Beyond this a message that never settles stops its part, so that memory stays bounded. */
const mostBegun = 10_000

/** Out of order acks that every save stores too; letting go stores them all. More would make the row's versions large. */
const fewDone = 64

export interface SaverOptions {
  readonly db: Db
  readonly clock: Clock
  readonly reporter: Reporter
  readonly group: string
  readonly prefetch: number
  /** How soon an advance over nothing is stored, so that retention can move. */
  readonly idleSaveMs: number
  readonly incarnation: () => Incarnation
  readonly leases: () => Iterable<Lease>
  /** Something was saved: more may be delivered. */
  readonly onSaved: () => void
  /** Somebody else owns it now. */
  readonly onLost: (lease: Lease) => void
}

/** How many messages of a part may be begun past a stored cursor before it is stored again. */
export function allowanceOf(prefetch: number): number {
  return prefetch + Math.min(Math.max(prefetch, 50), acksBetween)
}

/** Stores cursors in batches, one statement at a time, so that versions follow each other. */
export class CursorSaver {
  readonly #options: SaverOptions
  readonly #allowance: number
  readonly #alarm: Alarm
  #turn: Promise<unknown> = Promise.resolve()
  #acks = 0

  constructor(options: SaverOptions) {
    this.#options = options
    this.#allowance = allowanceOf(options.prefetch)
    this.#alarm = new Alarm(
      options.clock,
      () => this.#saveDue(),
      (error) => {
        options.reporter.failed('saving how far the log is read', error)
        this.#alarm.ring(retryMs)
      },
    )
    this.#alarm.ring(options.idleSaveMs)
  }

  acked(): void {
    this.#acks++
    this.#alarm.ring(this.#acks >= acksBetween ? 0 : everyMs)
  }

  /** Messages of this lease were delivered: the promise of how many may have been begun may need to grow. */
  delivered({ window }: Lease): void {
    if (window.headroom < this.#allowance / 2 && window.begun < mostBegun)
      this.#alarm.ring(window.headroom <= 0 ? 0 : everyMs)
  }

  /** Stores where a lease ended and lets go of it. */
  async release(leases: readonly Lease[]): Promise<void> {
    await this.#inTurn(() => this.#save(leases, true))
  }

  async stop(): Promise<void> {
    await this.#alarm.stop()
  }

  async #saveDue(): Promise<void> {
    this.#acks = 0
    await this.#inTurn(async () => {
      const due = [...this.#options.leases()].filter((lease) => this.#isDue(lease))
      if (due.length > 0) await this.#save(due, false)
    })
    this.#options.reporter.recovered('saving how far the log is read')
    this.#alarm.ring(this.#options.idleSaveMs)
  }

  #isDue(lease: Lease): boolean {
    const { window, saved, savedAcks, savedAtMs, state } = lease
    if (state === 'gone' || state === 'revoked') return false
    if (window.acks > savedAcks) return true
    if (window.headroom < this.#allowance / 2 && window.begun < mostBegun) return true
    const moved = window.low.prev !== saved.prev || window.low.after !== saved.after || window.low.gen !== saved.gen
    return moved && performance.now() - savedAtMs >= this.#options.idleSaveMs
  }

  async #save(leases: readonly Lease[], release: boolean): Promise<void> {
    const { db, group, incarnation } = this.#options
    const pending = leases.filter(({ state }) => state !== 'gone')
    if (pending.length === 0) return
    const saves = pending.map((lease) => ({
      lease,
      finished: lease.window.finished,
      acks: lease.window.acks,
      save: this.#saveOf(lease, release),
    }))
    point('log.beforeSave')
    const stored = await saveCursors(
      db,
      group,
      incarnation(),
      saves.map(({ save }) => save),
    )
    point('log.afterSave')
    for (const { lease, finished, acks, save } of saves) {
      const ver = stored.get(lease.part)
      if (ver === undefined) continue
      if (release) lease.state = 'gone'
      Object.assign(lease, { ver, saved: save.point, savedAcks: acks, savedAtMs: performance.now() })
      lease.window.saved(finished, save.reach)
    }
    const missed = pending.filter(({ part }) => !stored.has(part))
    if (missed.length > 0) await this.#explain(missed)
    this.#options.onSaved()
  }

  #saveOf({ part, epoch, ver, window, unsettled }: Lease, release: boolean): CursorSave {
    const { low, begun, suspects } = window
    const cursor = { part, epoch, ver, point: low, release, done: window.doneAhead(release ? mostBegun : fewDone) }
    if (release) {
      const reach = unsettled > 0 ? Math.max(begun, suspects) : suspects
      return { ...cursor, reach, clean: reach === 0 }
    }
    const reach = Math.max(Math.min(begun + this.#allowance, mostBegun), begun, suspects)
    return { ...cursor, reach, clean: false }
  }

  /** What was not stored was taken over, or an earlier save whose answer was lost has counted the version up. */
  async #explain(leases: readonly Lease[]): Promise<void> {
    const { db, group, onLost } = this.#options
    const rows = await db.query<StoredPart>(
      `select part, owner, epoch, ver from ${db.schema}.cursor where grp = $1 and part = any ($2::integer[])`,
      [group, leases.map(({ part }) => part)],
    )
    const byPart = new Map(rows.map((row) => [row.part, row]))
    for (const lease of leases) {
      const row = byPart.get(lease.part)
      if (row?.epoch !== lease.epoch || row.owner === null) onLost(lease)
      else lease.ver = row.ver
    }
    this.#alarm.ring(everyMs)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work, work)
    this.#turn = turn
    return turn
  }
}
