/**
 * The common table expression that lets the next message of each key go, where `gone` names one with
 * (seq, grp, key_hash) of what this very statement removes. A dead one holds its key until an operator decides.
 * Only under the locks of these keys.
 */
export function promoteNext(schema: string, gone: string): string {
  return `update ${schema}.parked p set due_at = clock_timestamp()
    where p.due_at = 'infinity' and p.reason <> 'dead' and p.seq in (
      select (
        select q.seq from ${schema}.parked q
        where q.grp = g.grp and q.key_hash = g.key_hash and q.key_hash is not null
          and q.seq not in (select seq from ${gone})
        order by q.seq limit 1
      ) from (select distinct grp, key_hash from ${gone} where key_hash is not null) g
    )`
}
