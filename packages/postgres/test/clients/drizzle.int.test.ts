import { sql } from 'drizzle-orm'
import { drizzle as openDatabase, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { Pool } from 'pg'
import { testStore } from '@acuse/testing/conformance'
import { drizzle } from '../../src/clients/drizzle.ts'
import { createTestDatabase } from '../database.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

const effect = pgTable('effect', { id: text().primaryKey(), pid: integer() })
const schema = { effect }
type Database = NodePgDatabase<typeof schema>
type Tx = Parameters<Parameters<Database['transaction']>[0]>[0]

testAdapter<Tx>('drizzle', async (database, config, onDispose) => {
  const pool = new Pool({ connectionString: database.url, ...config })
  pool.on('error', () => undefined)
  const db = openDatabase(pool, { schema })
  const store = await drizzle(db)(storeContext({ effectConnections: 1 }))
  onDispose(async () => {
    await store[Symbol.asyncDispose]()
    await pool.end()
  })
  return {
    store,
    outside: [pool, db],
    run: async (tx, statement) => (await tx.execute(sql.raw(statement))).rows,
    ownTransaction: (work) => db.transaction(work),
  }
})

const harness = pgTable('harness', { id: text().primaryKey(), value: text() })

testStore(
  'drizzle',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    await database.query('create table harness (id text primary key, value text)')
    const outside = openDatabase(database.pool({ max: 2 }), { schema: { harness } })
    return {
      open: (instance) =>
        drizzle(openDatabase(database.pool({ max: 8 }), { schema: { harness } }))(
          storeContext({ instance, groups: [] }),
        ),
      outside,
      write: async (tx, id, value) => {
        await tx.insert(harness).values({ id, value }).onConflictDoUpdate({ target: harness.id, set: { value } })
      },
      read: async (id) => {
        const [row] = await database.query<{ value: string }>('select value from harness where id = $1', [id])
        return row?.value
      },
      advance,
      dispose: async () => {
        await database[Symbol.asyncDispose]()
      },
    }
  },
  { concurrent: true },
)
