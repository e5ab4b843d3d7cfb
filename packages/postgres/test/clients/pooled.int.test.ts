import { type PgBouncer, startPgBouncer } from '@acuse-proof/servers'
import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { testStore } from '@acuse/testing/conformance'
import { pg } from '../../src/clients/pg.ts'
import { createTestDatabase, runUrl } from '../database.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

let pooler: PgBouncer
beforeAll(async () => {
  pooler = await startPgBouncer({ upstream: runUrl })
})
afterAll(() => pooler[Symbol.asyncDispose]())

testAdapter<PoolClient>('pg through PgBouncer', async (database, config, onDispose) => {
  const pool = new Pool({ connectionString: pooler.urlOf(database.name), ...config })
  pool.on('error', () => undefined)
  const store = await pg(pool)(storeContext({ effectConnections: 1 }))
  onDispose(async () => {
    await store[Symbol.asyncDispose]()
    await pool.end()
  })
  return {
    store,
    outside: [pool],
    run: async (tx, text) => (await tx.query(text)).rows,
    ownTransaction: async (work) => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        await work(client)
        await client.query('commit')
      } finally {
        client.release()
      }
    },
  }
})

testStore(
  'pg through PgBouncer',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    const connectionString = pooler.urlOf(database.name)
    const outside = database.pool({ max: 20, connectionString })
    await database.query('create table harness (id text primary key, value text)')
    return {
      open: (instance) => pg(database.pool({ max: 8, connectionString }))(storeContext({ instance, groups: [] })),
      outside,
      write: async (tx, id, value) => {
        await tx.query('insert into harness values ($1, $2) on conflict (id) do update set value = $2', [id, value])
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
