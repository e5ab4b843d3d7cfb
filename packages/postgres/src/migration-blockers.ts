import type { Db } from './db.ts'

interface Blocker {
  readonly pid: number
  readonly tables: string
  readonly application: string | null
  readonly since: string | null
}

const mostNamed = 5

/** Who holds locks on Acuse's tables, longest transaction first: `, by backend 4711 (app, in a transaction for 312 s: acuse.log)`. */
export async function describeBlockers(db: Db): Promise<string> {
  const blockers = await db
    .query<Blocker>(
      `select l.pid, string_agg(distinct c.relname, ', ') as tables, max(a.application_name) as application,
         round(extract(epoch from clock_timestamp() - min(a.xact_start)))::text as since
       from pg_locks l
       join pg_class c on c.oid = l.relation
       join pg_namespace n on n.oid = c.relnamespace
       left join pg_stat_activity a on a.pid = l.pid
       where l.database = (select oid from pg_database where datname = current_database())
         and n.nspname = $1 and c.relkind in ('r', 'p') and l.granted and l.pid <> pg_backend_pid()
       group by l.pid order by min(a.xact_start) limit ${mostNamed}`,
      [db.schemaName],
    )
    .catch(() => [])
  if (blockers.length === 0) return ''
  return `, by ${blockers.map(describe).join(' and by ')}`
}

function describe({ pid, tables, application, since }: Blocker): string {
  const who = application === null || application === '' ? '' : `${application}, `
  const long = since === null ? '' : `in a transaction for ${since} s, `
  return `backend ${pid} (${who}${long}holding ${tables})`
}
