import { setTimeout as delay } from 'node:timers/promises'

import { Pool } from 'pg'
import type { QueryResultRow } from 'pg'

/** How long a query waits for a server that is away: a restart takes about a second, on a busy machine ten. */
const AWAY_MS = 30_000

/** One database of the run, looked at from outside its service. */
export interface Database {
  readonly url: string
  /** Runs a statement; again, while the server is away. So it must be one that may run twice. */
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Runs a statement that must not run twice. */
  queryOnce: (text: string, values?: readonly unknown[]) => Promise<void>
  /** Reads a result of any size in pages, all of it as of one moment. */
  pages<Row extends QueryResultRow>(text: string, size: number): AsyncGenerator<Row[]>
  close: () => Promise<void>
}

export function openDatabase(url: string, connections = 2): Database {
  const pool = new Pool({
    connectionString: url,
    max: connections,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 10_000,
  })
  // Idle connections end with the server; the next query opens another.
  pool.on('error', () => undefined)
  return {
    url,
    async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
      const { rows } = await whileAway(() => pool.query<Row>(text, [...values]))
      return rows
    },
    async queryOnce(text, values = []) {
      await pool.query(text, [...values])
    },
    async *pages<Row extends QueryResultRow>(text: string, size: number): AsyncGenerator<Row[]> {
      const client = await pool.connect()
      try {
        await client.query('begin isolation level repeatable read read only')
        await client.query(`declare pages no scroll cursor for ${text}`)
        for (;;) {
          const { rows } = await client.query<Row>(`fetch ${size} from pages`)
          if (rows.length === 0) return
          yield rows
        }
      } finally {
        await client.query('rollback').catch(() => undefined)
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

async function whileAway<Result>(work: () => Promise<Result>): Promise<Result> {
  const endsAt = performance.now() + AWAY_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isAway(error) || performance.now() >= endsAt) throw error
    }
    await delay(200)
  }
}

/** Whether the server, rather than the statement, is what failed. */
function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // 57P01 to 57P03: it shuts down or starts up; 08: the connection; 53300: none is free. Without an SQLSTATE it is the socket.
  if (/^(57P0[1-3]|08.{3}|53300)$/.test(code)) return true
  return /^E[A-Z]+$/.test(code) || /terminated|timeout exceeded/i.test(error.message)
}
