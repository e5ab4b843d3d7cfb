import type { Database } from '../database/database.ts'
import type { Summary } from '../display/summary-type.ts'

/**
 * How long messages took, from commit to effect: from `at` in the publishing service's own log, which its transaction
 * wrote just before it committed, to `applied_at`, which the effect's transaction wrote. Both are the clock of the one
 * database server. The way through the relay and the bus is in it, and so are retries, outages and, for a charge, the
 * time the gateway took.
 */
export async function measureLatency(audit: Database): Promise<Summary['latencyMs']> {
  const [row] = await audit.query<Record<'p50' | 'p95' | 'p99' | 'max', number | null> & { count: string }>(
    `select count(*) as count, max(ms) as max, percentile_cont(0.5) within group (order by ms) as p50,
       percentile_cont(0.95) within group (order by ms) as p95, percentile_cont(0.99) within group (order by ms) as p99
     from (
       select extract(epoch from a.applied_at - c.at)::double precision * 1000 as ms
       from applied a join (select id, min(at) as at from committed group by id) c on c.id = a.message_id
     ) q`,
  )
  const rounded = (ms: number | null | undefined): number => Math.round((ms ?? 0) * 100) / 100
  return {
    p50: rounded(row?.p50),
    p95: rounded(row?.p95),
    p99: rounded(row?.p99),
    max: rounded(row?.max),
    count: Number(row?.count ?? 0),
  }
}
