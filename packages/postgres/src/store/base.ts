import type { Db, RunQuery } from '../db.ts'
import type { SqlClient } from '../sql-client.ts'
import type { Groups } from './groups.ts'
import { keyLock } from './key-hash.ts'

/** What every part of the store works with. */
export interface StoreBase<Tx> {
  /** The user's client, for what belongs to the user's transaction. */
  readonly client: SqlClient<Tx>
  /** Acuse's own connections, for all else. */
  readonly db: Db
  readonly groups: Groups
}

/** Runs statements in the user's transaction, in the form `Db` has. */
export function runIn<Tx>(base: Pick<StoreBase<Tx>, 'client'>, tx: Tx): RunQuery {
  // The caller states its own statement's columns, as with `Db.query`.
  return async <R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> =>
    [...(await base.client.query(tx, text, values))] as R[]
}

/**
 * Waits for the key's lock, held to the end of the transaction. It must be a statement of its own:
 * the next one then sees whatever the holder before committed.
 */
export async function lockKey(run: RunQuery, db: Db, grp: number, hash: string): Promise<void> {
  await run('select pg_advisory_xact_lock($1::bigint)', [keyLock(db.schemaName, grp, hash)])
}

/** The milliseconds from the database's now until `moment`, an SQL expression; null stays null. */
export function msUntil(moment: string): string {
  return `(extract(epoch from ${moment} - clock_timestamp()) * 1000)::float8`
}

/** The moment `parameter` ms from the database's now. */
export function msFromNow(parameter: string): string {
  return `clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`
}

/** The milliseconds from `moment` to the database's now; null stays null. */
export function msSince(moment: string): string {
  return `(extract(epoch from clock_timestamp() - ${moment}) * 1000)::float8`
}

/**
 * When to look again. What is due now but was not given is in somebody else's hands for a moment:
 * asking again at once would only spin.
 */
export function nextDueInMs(untilMs: number | null): number | null {
  return untilMs === null ? null : Math.max(untilMs, leastPauseMs)
}

const leastPauseMs = 20
