import { Client, type QueryResultRow } from 'pg'
import type { Committed, Effect, Flow } from './checker.ts'
import type { Fate, Kind } from './messages.ts'

/** What the producers' transactions say they have committed. */
export async function readCommitted(url: string): Promise<{ committed: Committed[]; flows: Flow[] }> {
  const rows = await rowsOf<{
    id: string
    kind: Kind
    key: string | null
    sequence: number | null
    fate: Fate
    delay_ms: number | null
    flow: string | null
    at_ms: number
  }>(url, `select *, (extract(epoch from at) * 1000)::float8 as at_ms from committed`)
  const flows = await rowsOf<Flow & QueryResultRow>(url, 'select id, events, amount from flow')
  const committed = rows.map(({ delay_ms, at_ms, ...row }) => ({ ...row, delayMs: delay_ms, atMs: at_ms }))
  return { committed, flows: flows.map(({ id, events, amount }) => ({ id, events, amount })) }
}

export async function readEffects(url: string): Promise<Effect[]> {
  const rows = await rowsOf<{
    id: string
    message: string
    kind: Kind
    key: string | null
    sequence: number | null
    amount: number | null
    round: number
    process: string
    at_ms: number
  }>(
    url,
    `select id, message, kind, key, sequence, amount, round, process, (extract(epoch from at) * 1000)::float8 as at_ms from effects order by id`,
  )
  return rows.map(({ id, at_ms, ...row }) => ({ ...row, id: Number(id), atMs: at_ms }))
}

/** How many messages a table of the run holds, each counted once; of some kinds, where they are named. */
export async function countRows(
  url: string,
  table: 'committed' | 'effects' | 'flow',
  kinds?: readonly Kind[],
): Promise<number> {
  const id = table === 'effects' ? 'message' : 'id'
  const where = kinds === undefined ? '' : 'where kind = any ($1)'
  const values = kinds === undefined ? [] : [kinds]
  const [row] = await rowsOf<{ count: number }>(
    url,
    `select count(*)::int as count from (select ${id} from ${table} ${where} group by ${id}) t`,
    values,
  )
  return row?.count ?? 0
}

async function rowsOf<Row extends QueryResultRow>(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 3_000, query_timeout: 30_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query<Row>(text, [...values])).rows
  } finally {
    await client.end().catch(() => undefined)
  }
}
