import { AcuseError, type DeadLetterFilter } from '@acuse/core'
import type { Db, RunQuery } from '../db.ts'
import { keyLock } from './key-hash.ts'
import { conditionOf, limitOf } from './letter-filter.ts'
import { messageColumns } from './message-columns.ts'
import { promoteNext } from './promote.ts'

/**
 * Letters a transaction takes at most: each may hold a key's lock, and the lock table, which the whole server shares,
 * has room for about 6,400 by default. Much larger transactions were seen to fill it.
 */
const chunkSize = 200

/** See `DeadLetterStore.replay`. Nothing is taken when one of them is refused. */
export async function replay(db: Db, filter: DeadLetterFilter, force: boolean): Promise<number> {
  if (!force) await refuseForgotten(db, filter)
  const remembered = force ? 'true' : inInbox(db)
  return inChunks(db, filter, remembered, resume)
}

/** See `DeadLetterStore.discard`. */
export async function discard(db: Db, filter: DeadLetterFilter): Promise<number> {
  return inChunks(db, filter, 'true', letGo)
}

/** The purge never takes the row of a dead letter; somebody else may have. */
function inInbox({ schema }: Db): string {
  return `exists (select from ${schema}.inbox b where b.grp = d.grp and b.id = d.id)`
}

/** Without its inbox row nobody can say whether a message has been applied since, and its transport may bring it again. */
async function refuseForgotten(db: Db, filter: DeadLetterFilter): Promise<void> {
  const condition = conditionOf(filter, 2)
  const [row] = await db.query<{ forgotten: number; grp: string; died_at: Date }>(
    `select count(*)::int as forgotten, min(name) as grp, min(died_at) as died_at
     from (
       select g.name, d.died_at, ${inInbox(db)} as remembered
       from ${db.schema}.dead_letter d join ${db.schema}.inbox_group g on g.id = d.grp
       where d.state = 'dead' and ${condition.text}
       order by d.died_at, d.seq
       limit $1
     ) letter where not remembered`,
    [limitOf(filter), ...condition.values],
  )
  if (row === undefined || row.forgotten === 0) return
  throw new AcuseError(
    'ACUSE_REPLAY_REFUSED',
    `${row.forgotten} of these dead letters (of ${row.grp}; the oldest died at ${row.died_at.toISOString()}) are not in the inbox any more: ` +
      `somebody deleted their rows, and whether they have been applied since cannot be told. ` +
      `Replay them with force where applying a message twice does no harm.`,
  )
}

type Work = (run: RunQuery, schema: string, letters: readonly string[]) => Promise<number>

/** Works through what matches and is dead, oldest first, a chunk in a transaction; what is done is no longer dead. */
async function inChunks(db: Db, filter: DeadLetterFilter, also: string, work: Work): Promise<number> {
  const limit = limitOf(filter)
  let done = 0
  while (done < limit) {
    const count = await db.transaction((run) => chunk(run, db, filter, also, Math.min(chunkSize, limit - done), work))
    if (count === 0) break
    done += count
  }
  return done
}

async function chunk(
  run: RunQuery,
  db: Db,
  filter: DeadLetterFilter,
  also: string,
  limit: number,
  work: Work,
): Promise<number> {
  const condition = conditionOf(filter, 2)
  const letters = await run<{ seq: string; grp: number; key_hash: string | null }>(
    `select d.seq::text, d.grp, d.key_hash::text
     from ${db.schema}.dead_letter d join ${db.schema}.inbox_group g on g.id = d.grp
     where d.state = 'dead' and ${also} and ${condition.text}
     order by d.died_at, d.seq
     limit $1
     for no key update of d`,
    [limit, ...condition.values],
  )
  if (letters.length === 0) return 0
  const locks = letters.flatMap(({ grp, key_hash }) =>
    key_hash === null ? [] : [keyLock(db.schemaName, grp, key_hash)],
  )
  // Sorted, so that two operators at once do not wait for each other in a circle.
  await run('select pg_advisory_xact_lock(k) from unnest($1::bigint[]) k', [[...new Set(locks)].toSorted()])
  return work(
    run,
    db.schema,
    letters.map((letter) => letter.seq),
  )
}

/**
 * Parks the letters' messages: one that held its key runs in the place it kept, the others behind what waits of their key,
 * in the order they died.
 */
async function resume(run: RunQuery, schema: string, letters: readonly string[]): Promise<number> {
  const rows = await run<{ count: number }>(
    `with letter as (
       update ${schema}.dead_letter set state = 'replaying', blocking = false
       where seq = any($1::bigint[]) and state = 'dead'
       returning seq, grp, key_hash, died_at, ${messageColumns}
     ), resumed as (
       update ${schema}.parked p set reason = 'replay', attempts = 0, error = null, failing_since = null,
         due_at = case when exists (
           select from ${schema}.parked q
           where q.grp = p.grp and q.key_hash = p.key_hash and q.key_hash is not null and q.seq < p.seq
         ) then 'infinity' else clock_timestamp() end
       from letter l where p.grp = l.grp and p.id = l.id and p.reason = 'dead'
       returning p.grp, p.id
     ), fresh as (
       select l.*, row_number() over (partition by l.grp, l.key_hash order by l.died_at, l.seq) as place
       from letter l
       where not exists (select from resumed r where r.grp = l.grp and r.id = l.id)
     ), parked as (
       insert into ${schema}.parked (${messageColumns}, grp, key_hash, reason, attempts, due_at)
       select ${messageColumns}, f.grp, f.key_hash, 'replay', 0, case
         when f.key_hash is null then clock_timestamp()
         when f.place > 1 or exists (
           select from ${schema}.parked q
           where q.grp = f.grp and q.key_hash = f.key_hash and q.key_hash is not null
         ) then 'infinity'
         else clock_timestamp() end
       from fresh f
       order by f.died_at, f.seq
     )
     select count(*)::int as count from letter`,
    [letters],
  )
  return rows[0]?.count ?? 0
}

/** Marks the letters discarded and frees the keys they hold. */
async function letGo(run: RunQuery, schema: string, letters: readonly string[]): Promise<number> {
  const rows = await run<{ count: number }>(
    `with letter as (
       update ${schema}.dead_letter set state = 'discarded', blocking = false
       where seq = any($1::bigint[]) and state = 'dead'
       returning grp, id
     ), gone as (
       delete from ${schema}.parked p using letter l
       where p.grp = l.grp and p.id = l.id and p.reason = 'dead'
       returning p.seq, p.grp, p.key_hash
     ), next as (${promoteNext(schema, 'gone')})
     select count(*)::int as count from letter`,
    [letters],
  )
  return rows[0]?.count ?? 0
}
