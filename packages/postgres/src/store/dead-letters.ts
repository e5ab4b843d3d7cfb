import { crc32 } from 'node:zlib'
import type {
  DeadLetter,
  DeadLetterFilter,
  DeadLetterState,
  DeadLetterStore,
  Death,
  DeathReason,
  FailureRecord,
  WireMessage,
} from '@acuse/core'
import type { Db, RunQuery } from '../db.ts'
import { lockKey, runIn, type StoreBase } from './base.ts'
import { keyHash } from './key-hash.ts'
import { conditionOf, limitOf } from './letter-filter.ts'
import { insertLetter } from './letter-insert.ts'
import { discard, replay } from './letter-replay.ts'
import { messageColumns, type MessageRow, messageOfRow, messageSelect, messageValues } from './message-columns.ts'
import { deathValues } from './parked-settle.ts'

/** What could not be applied, until an operator decides. */
export function createDeadLetters<Tx>(base: StoreBase<Tx>): DeadLetterStore<Tx> {
  const { db, groups } = base
  return {
    bury: async (tx, group, message, death, { block }) =>
      buryNew(runIn(base, tx), db, await groups.idOf(group), message, death, block),
    list: (filter) => list(db, filter),
    replay: (filter, { force }) => replay(db, filter, force),
    discard: (filter) => discard(db, filter),
  }
}

/** A message that was not parked. Where it holds its key, a dead row takes its place among the parked ones. */
async function buryNew(
  run: RunQuery,
  db: Db,
  grp: number,
  message: WireMessage,
  death: Death,
  block: boolean,
): Promise<boolean> {
  const hash = keyHash(message)
  const blocking = block && hash !== null
  if (blocking) await lockKey(run, db, grp, hash)
  const [row] = await run<{ buried: boolean }>(
    `with message as materialized (
       select $1 as id, $2 as type, $3 as stream, $4 as key, $5::smallint as priority, $6::json as headers,
         $7::bytea as body, $8::int as grp, $10::bigint as key_hash
     ), taken as (
       insert into ${db.schema}.inbox (grp, id, crc) select grp, id, $9::int from message
       on conflict do nothing returning id
     ), dying as (
       select m.* from message m join taken on taken.id = m.id
     ), letter as (
       ${insertLetter(db.schema, 'dying', { error: '$11', fingerprint: '$12', attempts: '$13', reason: '$14', blocking: '$15' })}
     ), held as (
       insert into ${db.schema}.parked (${messageColumns}, grp, key_hash, reason, attempts, error, due_at)
       select ${messageColumns}, grp, key_hash, 'dead', $13::int, $11::json, 'infinity' from dying where $15::boolean
     )
     select exists (select from taken) as buried`,
    [...messageValues(message), grp, crc32(message.body) | 0, hash, ...deathValues(death), blocking],
  )
  return row?.buried ?? false
}

interface LetterRow extends MessageRow {
  readonly seq: string
  readonly grp_name: string
  readonly reason: DeathReason
  readonly error: string
  readonly fingerprint: string
  readonly attempts: number
  readonly state: DeadLetterState
  readonly blocking: boolean
  readonly died_at: Date
}

async function list(db: Db, filter: DeadLetterFilter): Promise<readonly DeadLetter[]> {
  const condition = conditionOf(filter, 2)
  const rows = await db.query<LetterRow>(
    `select d.seq::text, g.name as grp_name, ${messageSelect('d')}, d.reason, d.error::text as error, d.fingerprint, d.attempts,
       d.state, d.blocking, d.died_at
     from ${db.schema}.dead_letter d join ${db.schema}.inbox_group g on g.id = d.grp
     where ${condition.text}
     order by d.died_at, d.seq
     limit $1`,
    [limitOf(filter), ...condition.values],
  )
  return rows.map(letterOfRow)
}

function letterOfRow(row: LetterRow): DeadLetter {
  return {
    id: row.seq,
    group: row.grp_name,
    state: row.state,
    message: messageOfRow(row),
    diedAt: row.died_at,
    blocking: row.blocking,
    reason: row.reason,
    error: JSON.parse(row.error) as FailureRecord,
    fingerprint: row.fingerprint,
    attempts: row.attempts,
  }
}
