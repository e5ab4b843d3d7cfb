import { readFile } from 'node:fs/promises'

import { appliedTable } from '@acuse-services/contracts'
import { Pool } from 'pg'

/** Handlers and the saga hold eight at most, so two are left for requests. */
const mostConnections = 10

/** Any number, as long as it is the same in every instance and in no other program on this database. */
const schemaLock = 4_001

/** Opens the service's database and makes its tables where they are missing. Several instances may do it at once. */
export async function openDatabase(url: string): Promise<Pool> {
  const pool = new Pool({ connectionString: url, max: mostConnections, connectionTimeoutMillis: 10_000 })
  // A connection that breaks while nobody uses it is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => undefined)
  try {
    const schema = await readFile(new URL('../schema.sql', import.meta.url), 'utf8')
    // Statements in one text are one transaction, and the lock is its first.
    await pool.query(`select pg_advisory_xact_lock(${schemaLock}); ${schema}; ${appliedTable}`)
    return pool
  } catch (error) {
    await pool.end()
    throw error
  }
}
