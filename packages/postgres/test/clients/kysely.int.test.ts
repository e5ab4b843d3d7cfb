import { CamelCasePlugin, Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import { Pool } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { testStore } from '@acuse/testing/conformance'
import { kysely } from '../../src/clients/kysely.ts'
import { createTestDatabase } from '../database.ts'
import { message } from '../messages.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

interface Tables {
  effect: { id: string; pid: number | null }
  harness: { id: string; value: string }
}

const open = (pool: Pool): Kysely<Tables> => new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })

testAdapter<Transaction<Tables>>('kysely', async (database, config, onDispose) => {
  const pool = new Pool({ connectionString: database.url, ...config })
  pool.on('error', () => undefined)
  const db = open(pool)
  const store = await kysely(db, pool)(storeContext({ effectConnections: 1 }))
  onDispose(async () => {
    await store[Symbol.asyncDispose]()
    await db.destroy()
  })
  return {
    store,
    outside: [pool, db, db.transaction()],
    run: async (tx, text) => (await sql.raw(text).execute(tx)).rows,
    ownTransaction: (work) => db.transaction().execute(work),
  }
})

it('a pool that the database was not made on is refused', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  const opening = kysely(open(database.pool()), database.pool())(storeContext({ effectConnections: 1 }))
  await expect(opening).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
})

it('plugins that rename columns do not reach what Acuse reads and writes', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  const pool = database.pool({ max: 6 })
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] })
  const store = await kysely(db, pool)(storeContext({ effectConnections: 1 }))
  onTestFinished(() => store[Symbol.asyncDispose]())
  await store.transaction((tx) => store.append(tx, [message()]))
  await db.transaction().execute((tx) => store.append(tx, [message()]))
  expect(await database.query('select count(*)::int as n from acuse.log')).toEqual([{ n: 2 }])
})

testStore(
  'kysely',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    await database.query('create table harness (id text primary key, value text)')
    return {
      open: (instance) => {
        const pool = database.pool({ max: 8 })
        return kysely(open(pool), pool)(storeContext({ instance, groups: [] }))
      },
      outside: open(database.pool({ max: 2 })),
      write: async (tx, id, value) => {
        await tx
          .insertInto('harness')
          .values({ id, value })
          .onConflict((on) => on.column('id').doUpdateSet({ value }))
          .execute()
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
