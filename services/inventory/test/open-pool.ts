import type { Pool } from 'pg'
import { onTestFinished } from 'vitest'

import { openDatabase } from '../src/database.ts'
import type { Databases } from './databases.ts'

let opened = 0

/** The service's tables, empty, in a database of one test's own. */
export async function openPool(server: Databases): Promise<Pool> {
  opened += 1
  const pool = await openDatabase(await server.url(`of test ${opened}`))
  onTestFinished(() => pool.end())
  return pool
}
