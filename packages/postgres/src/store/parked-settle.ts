import type { Claimed, Death, Reschedule } from '@acuse/core'
import type { Db, RunQuery } from '../db.ts'
import { lockKey, msFromNow } from './base.ts'
import { insertLetter } from './letter-insert.ts'
import { keyHash } from './key-hash.ts'
import { messageColumns } from './message-columns.ts'
import { promoteNext } from './promote.ts'
import { cut, failureJson, storable } from './texts.ts'

/** See `Parked.complete`. The key's lock is taken here, after the effects, so it is held only while the transaction ends. */
export async function complete(run: RunQuery, db: Db, grp: number, claim: Claimed): Promise<boolean> {
  await lockClaim(run, db, grp, claim)
  return counted(
    await run<Counted>(
      `with gone as (
         delete from ${db.schema}.parked where seq = $1 and token = $2 returning seq, grp, id, key_hash
       ), settled as (
         update ${db.schema}.dead_letter d set state = 'replayed', blocking = false
         from gone where d.grp = gone.grp and d.id = gone.id and d.state = 'replaying'
       ), next as (${promoteNext(db.schema, 'gone')})
       select count(*)::int as count from gone`,
      [claim.id, claim.token],
    ),
  )
}

/** See `Parked.reschedule`. It keeps its place, so its key needs no lock. */
export async function reschedule(run: RunQuery, db: Db, claim: Claimed, outcome: Reschedule): Promise<boolean> {
  return counted(
    await run<Counted>(
      `with changed as (
         update ${db.schema}.parked set
           reason = $3,
           attempts = $4::int,
           due_at = ${msFromNow('$5')},
           token = null,
           error = coalesce($6::json, error),
           failing_since = coalesce(failing_since, case when $6::json is null then null else clock_timestamp() end)
         where seq = $1 and token = $2
         returning seq
       )
       select count(*)::int as count from changed`,
      [
        claim.id,
        claim.token,
        outcome.reason,
        outcome.attempts,
        outcome.dueInMs,
        outcome.error === undefined ? null : failureJson(outcome.error),
      ],
    ),
  )
}

/** See `Parked.bury`. Where it keeps holding its key the row stays as it stands, dead, and with it its place. */
export async function bury(
  run: RunQuery,
  db: Db,
  grp: number,
  claim: Claimed,
  death: Death,
  block: boolean,
): Promise<boolean> {
  await lockClaim(run, db, grp, claim)
  const blocking = block && claim.ordered
  const taken = blocking
    ? `update ${db.schema}.parked set reason = 'dead', due_at = 'infinity', token = null, attempts = $5::int, error = $3::json
       where seq = $1 and token = $2`
    : `delete from ${db.schema}.parked where seq = $1 and token = $2`
  return counted(
    await run<Counted>(
      `with gone as (${taken} returning seq, grp, key_hash, ${messageColumns}),
       letter as (${insertLetter(db.schema, 'gone', { error: '$3', fingerprint: '$4', attempts: '$5', reason: '$6', blocking: '$7' })}),
       next as (${blocking ? 'select' : promoteNext(db.schema, 'gone')})
       select count(*)::int as count from gone`,
      [claim.id, claim.token, ...deathValues(death), blocking],
    ),
  )
}

/** The values of `error`, `fingerprint`, `attempts` and `reason`. */
export function deathValues(death: Death): unknown[] {
  return [failureJson(death.error), cut(death.fingerprint, longestFingerprintBytes), death.attempts, death.reason]
}

const longestFingerprintBytes = 1_024

/**
 * See `Parked.remove`. What holds its key as a dead letter is not removed here: it is replayed or discarded.
 * A replay that is removed is a dead letter again, so that nothing is lost.
 */
export async function remove(run: RunQuery, db: Db, grp: number, messageId: string): Promise<boolean> {
  const id = storable(messageId)
  const [row] = await run<{ key_hash: string | null }>(
    `select key_hash::text from ${db.schema}.parked where grp = $1 and id = $2`,
    [grp, id],
  )
  if (row === undefined) return false
  if (row.key_hash !== null) await lockKey(run, db, grp, row.key_hash)
  return counted(
    await run<Counted>(
      `with gone as (
         delete from ${db.schema}.parked
         where grp = $1 and id = $2 and reason <> 'dead' and (token is null or due_at <= clock_timestamp())
         returning seq, grp, id, key_hash
       ), undone as (
         update ${db.schema}.dead_letter d set state = 'dead', blocking = false
         from gone where d.grp = gone.grp and d.id = gone.id and d.state = 'replaying'
       ), next as (${promoteNext(db.schema, 'gone')})
       select count(*)::int as count from gone`,
      [grp, id],
    ),
  )
}

async function lockClaim(run: RunQuery, db: Db, grp: number, claim: Claimed): Promise<void> {
  const hash = claim.ordered ? keyHash(claim.message) : null
  if (hash !== null) await lockKey(run, db, grp, hash)
}

interface Counted {
  readonly count: number
}

function counted(rows: readonly Counted[]): boolean {
  return (rows[0]?.count ?? 0) > 0
}
