import { crc32 } from 'node:zlib'
import type { WireMessage } from '@acuse/core'
import type { Db } from '../db.ts'
import { keyHash, keyLock } from './key-hash.ts'
import { messageColumns, messageValues } from './message-columns.ts'

export interface HistoryParking {
  readonly grp: number
  readonly messages: readonly WireMessage[]
  readonly ordered: boolean
  readonly again: boolean
}

/**
 * Parks messages of the log in their order, each behind what waits of its key, in one transaction. Gives how many.
 * Left out: what the inbox knows, unless `again`; and whatever waits or is dead.
 */
export async function parkHistory(db: Db, { grp, messages, ordered, again }: HistoryParking): Promise<number> {
  // Published twice under one id, it is one message.
  const firsts = [...new Map(messages.toReversed().map((message) => [message.id, message])).values()].toReversed()
  const hashes = firsts.map((message) => (ordered ? keyHash(message) : null))
  const locks = new Set(hashes.filter((hash) => hash !== null).map((hash) => keyLock(db.schemaName, grp, hash)))
  const columns = transposed(firsts.map(messageValues))
  return db.transaction(async (run) => {
    // Sorted, so that two operators at once do not wait for each other in a circle. A statement of its own: the next one sees what
    // their holders committed.
    await run('select pg_advisory_xact_lock(k) from unnest($1::bigint[]) k', [[...locks].toSorted()])
    const [row] = await run<{ count: number }>(
      `with item as materialized (
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::json[], $7::bytea[], $8::int[],
           $9::bigint[]) with ordinality i (${messageColumns}, crc, key_hash, n)
       ), taken as (
         insert into ${db.schema}.inbox (grp, id, crc) select $10::int, id, crc from item order by id
         on conflict do nothing returning id
       ), chosen as (
         select i.*, row_number() over (partition by i.key_hash order by i.n) as place
         from item i
         where ($11::boolean or exists (select from taken t where t.id = i.id))
           and not exists (select from ${db.schema}.parked p where p.grp = $10 and p.id = i.id)
           and not exists (
             select from ${db.schema}.dead_letter d
             where d.grp = $10 and d.id = i.id and d.state in ('dead', 'replaying')
           )
       ), parked as (
         insert into ${db.schema}.parked (${messageColumns}, grp, key_hash, reason, attempts, due_at)
         select ${messageColumns}, $10, c.key_hash, 'replay', 0, case
           when c.key_hash is null then clock_timestamp()
           when c.place > 1 or exists (
             select from ${db.schema}.parked q
             where q.grp = $10 and q.key_hash = c.key_hash and q.key_hash is not null
           ) then 'infinity'
           else clock_timestamp() end
         from chosen c
         order by c.n
         on conflict on constraint parked_message do nothing
         returning seq
       )
       select count(*)::int as count from parked`,
      [...columns, firsts.map(({ body }) => crc32(body) | 0), hashes, grp, again],
    )
    return row?.count ?? 0
  })
}

function transposed(rows: readonly (readonly unknown[])[]): unknown[][] {
  const width = rows[0]?.length ?? 0
  return Array.from({ length: width }, (_, column) => rows.map((row) => row[column]))
}
