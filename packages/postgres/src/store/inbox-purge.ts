import type { Db } from '../db.ts'

/**
 * Deletes inbox rows taken more than `olderThanMs` ago, at most `limit`. Rows of what is parked, dead or being replayed stay
 * whatever their age: dedupe lasts as long as a message can still come back.
 */
export async function purgeInbox(db: Db, olderThanMs: number, limit: number): Promise<number> {
  const [row] = await db.query<{ purged: number }>(
    `with old as (
       select b.ctid as place
       from ${db.schema}.inbox b
       where b.at <= (select clock_timestamp() - $1::float8 * interval '1 millisecond')
         and not exists (select from ${db.schema}.parked p where p.grp = b.grp and p.id = b.id)
         and not exists (
           select from ${db.schema}.dead_letter d
           where d.grp = b.grp and d.id = b.id and d.state in ('dead', 'replaying')
         )
       order by b.at
       limit $2
       for update skip locked
     ), gone as (
       delete from ${db.schema}.inbox b using old where b.ctid = old.place returning b.grp
     )
     select count(*)::int as purged from gone`,
    [olderThanMs, limit],
  )
  return row?.purged ?? 0
}
