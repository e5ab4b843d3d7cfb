import { Pool } from 'pg'
import type { WorkerConfig } from './worker-config.ts'
import type { WriteLine } from './worker-log.ts'

/** A connection that does not answer for so long is given up; pg itself would wait for ever. */
const silenceMs = 8_000

/**
 * The service's own pool, as an application would make it. `idleMs` is how long its transactions may stand idle: one whose client is
 * lost to a black hole would hold its keys for the rest of the run. Those of handlers have a limit of Acuse's.
 */
export function openPool({ storeUrl, name }: WorkerConfig, max: number, write: WriteLine, idleMs = 0): Pool {
  const pool = new Pool({
    connectionString: storeUrl,
    max,
    application_name: name,
    connectionTimeoutMillis: 5_000,
    statement_timeout: silenceMs - 1_000,
    query_timeout: silenceMs,
    idle_in_transaction_session_timeout: idleMs,
    keepAlive: true,
  })
  pool.on('error', (error) => write({ event: 'connection lost', text: error.message }))
  return pool
}
