import type { Database } from '../database/database.ts'

/** Rows of a few hundred bytes: a page is some megabytes. */
const PAGE = 10_000

/** Copies what a query gives in one database into a table of another; columns go by their names. */
export async function copyRows(from: Database, query: string, to: Database, table: string): Promise<void> {
  // As JSON made by the server: numbers beyond 2^53 and microseconds pass through unread.
  for await (const rows of from.pages<{ row: string }>(`select row_to_json(q)::text as row from (${query}) q`, PAGE)) {
    await insertJson(to, table, `[${rows.map(({ row }) => row).join(',')}]`)
  }
}

/** Puts values into a table, a page at a time. */
export async function insertRows(to: Database, table: string, rows: readonly object[]): Promise<void> {
  for (let start = 0; start < rows.length; start += PAGE) {
    await insertJson(to, table, JSON.stringify(rows.slice(start, start + PAGE)))
  }
}

async function insertJson(to: Database, table: string, json: string): Promise<void> {
  await to.queryOnce(`insert into ${table} select * from json_populate_recordset(null::${table}, $1)`, [json])
}
