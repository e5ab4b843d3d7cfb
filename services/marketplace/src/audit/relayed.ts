/**
 * Whether a service's relay is past a row `l` of the service's log. Read from the service's own database, so that it holds for every
 * transport: the relay stores how far it is once the transport has confirmed.
 */
export const RELAYED: string = `exists (
  select from acuse.cursor c where c.grp = '$relay' and c.part = l.part and (c.gen > l.gen or c.gen = l.gen and (
    pg_visible_in_snapshot(l.xid, c.prev)
    or coalesce(pg_visible_in_snapshot(l.xid, c.target), false) and (l.pos <= c.after or l.pos = any (c.done)))))`

/** Whether the relay has given up a row `l` because no transport would take it. */
export const REFUSED: string = `exists (
  select from acuse.dead_letter d join acuse.inbox_group g on g.id = d.grp where g.name = '$relay' and d.id = l.id)`
