import { Pool, type PoolClient } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { testStore } from '@acuse/testing/conformance'
import { pg } from '../../src/clients/pg.ts'
import { createTestDatabase } from '../database.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

testAdapter<PoolClient>('pg', async (database, config, onDispose) => {
  const pool = new Pool({ connectionString: database.url, ...config })
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

it('a client is a transaction from BEGIN to COMMIT, and never once it was released', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  const pool = database.pool({ max: 1 })
  const store = await pg(pool)(storeContext({ effectConnections: 1 }))
  onTestFinished(() => store[Symbol.asyncDispose]())
  const client = await pool.connect()
  const open = (): boolean => store.isTransaction(client)
  expect(open()).toBe(false)
  await client.query('begin')
  expect(open()).toBe(true)
  await client.query('savepoint s')
  await client.query('selct 1').catch(() => undefined)
  expect(open()).toBe(true)
  await client.query('rollback to s')
  await client.query('commit')
  expect(open()).toBe(false)
  await client.query('begin')
  client.release()
  expect(open()).toBe(false)
})

testStore(
  'pg',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    const outside = database.pool({ max: 20 })
    await database.query('create table harness (id text primary key, value text)')
    return {
      open: (instance) => pg(database.pool({ max: 8 }))(storeContext({ instance, groups: [] })),
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
