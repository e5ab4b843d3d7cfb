import { crc32 } from 'node:zlib'
import type { Claimed, ParkRequest, WireMessage } from '@acuse/core'
import type { Db, RunQuery } from '../db.ts'
import { lockKey, msFromNow, msSince } from './base.ts'
import { keyHash } from './key-hash.ts'
import { messageColumns, messageValues } from './message-columns.ts'
import { failureJson } from './texts.ts'

interface ParkedRow {
  readonly seq: string
  readonly token: string | null
  readonly failing_for: number | null
}

/** See `Parked.park`. A message of a key that others wait for goes behind them, also where a lease was asked for. */
export async function park(
  run: RunQuery,
  db: Db,
  grp: number,
  request: ParkRequest,
): Promise<Claimed | 'parked' | null> {
  const { message } = request
  const hash = request.ordered ? keyHash(message) : null
  if (hash !== null) await lockKey(run, db, grp, hash)
  const [row] = await run<ParkedRow>(
    `with taken as (
       insert into ${db.schema}.inbox (grp, id, crc) values ($8, $1, $9) on conflict do nothing returning id
     ), place as (
       select exists (
         select from ${db.schema}.parked p where p.grp = $8 and p.key_hash = $10::bigint and p.key_hash is not null
       ) as behind
     )
     insert into ${db.schema}.parked (
       ${messageColumns}, grp, key_hash, reason, attempts, error, failing_since, token, due_at
     )
     select $1, $2, $3, $4, $5::smallint, $6::json, $7::bytea, $8, $10::bigint, $11, $12::int, $13::json,
       case when $13::json is null then null else clock_timestamp() end,
       case when place.behind or $14::float8 is null then null else gen_random_uuid() end,
       case when place.behind then 'infinity' else ${msFromNow('coalesce($14, $15::float8)')} end
     from taken cross join place
     returning seq::text, token::text, ${msSince('failing_since')} as failing_for`,
    [
      ...messageValues(message),
      grp,
      crc32(message.body) | 0,
      hash,
      request.reason,
      request.attempts,
      request.error === undefined ? null : failureJson(request.error),
      request.leaseMs ?? null,
      request.dueInMs,
    ],
  )
  if (row === undefined) return null
  if (row.token === null) return 'parked'
  return {
    id: row.seq,
    token: row.token,
    message,
    reason: request.reason,
    ordered: hash !== null,
    attempts: request.attempts,
    crashed: false,
    failingForMs: row.failing_for,
  }
}

/** See `Parked.parkBehind`. Under the key's lock nothing of the key can leave between the count and the insert. */
export async function parkBehind(
  run: RunQuery,
  db: Db,
  grp: number,
  message: WireMessage,
  limit: number,
): Promise<'parked' | 'duplicate' | 'free' | 'full'> {
  const hash = keyHash(message)
  if (hash === null) return 'free'
  await lockKey(run, db, grp, hash)
  const [row] = await run<{ answer: 'parked' | 'duplicate' | 'free' | 'full' }>(
    `with waiting as materialized (
       select count(*)::int as n from (
         select from ${db.schema}.parked p
         where p.grp = $8 and p.key_hash = $10::bigint and p.key_hash is not null
         limit greatest($11::int, 1)
       ) w
     ), seen as materialized (
       select id from ${db.schema}.inbox where grp = $8 and id = $1
     ), taken as (
       insert into ${db.schema}.inbox (grp, id, crc)
       select $8, $1, $9 from waiting
       where n > 0 and n < $11::int and not exists (select from seen)
       on conflict do nothing returning id
     ), stored as (
       insert into ${db.schema}.parked (${messageColumns}, grp, key_hash, reason, attempts, due_at)
       select $1, $2, $3, $4, $5::smallint, $6::json, $7::bytea, $8, $10::bigint, 'behind', 0, 'infinity' from taken
     )
     select case
       when exists (select from taken) then 'parked'
       when exists (select from seen) then 'duplicate'
       when n = 0 then 'free'
       when n >= $11::int then 'full'
       else 'duplicate' end as answer
     from waiting`,
    [...messageValues(message), grp, crc32(message.body) | 0, hash, limit],
  )
  return row?.answer ?? 'free'
}
