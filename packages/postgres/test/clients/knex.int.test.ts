import createKnex, { type Knex } from 'knex'
import { expect, it, onTestFinished } from 'vitest'
import { testStore } from '@acuse/testing/conformance'
import { knex } from '../../src/clients/knex.ts'
import { createTestDatabase } from '../database.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

testAdapter<Knex.Transaction>('knex', async (database, { max, connectionTimeoutMillis }, onDispose) => {
  const instance = createKnex({
    client: 'pg',
    connection: database.url,
    pool: { min: 0, max: max ?? 10 },
    ...(connectionTimeoutMillis === undefined ? {} : { acquireConnectionTimeout: connectionTimeoutMillis }),
    log: { warn: () => undefined },
  })
  const store = await knex(instance)(storeContext({ effectConnections: 1 }))
  onDispose(async () => {
    await store[Symbol.asyncDispose]()
    await instance.destroy()
  })
  return {
    store,
    outside: [instance, instance.client],
    run: async (tx, text) => (await tx.raw<{ rows: unknown[] }>(text)).rows,
    ownTransaction: (work) => instance.transaction(work),
  }
})

it('a transaction that the work commits itself is refused, and nobody else’s is taken for it', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  // A pg pool that the application owns is as good as one of Knex.
  const instance = createKnex({ client: 'pg', connectionPool: database.pool({ max: 1 }) })
  const store = await knex(instance)(storeContext({ effectConnections: 1 }))
  onTestFinished(() => store[Symbol.asyncDispose]())
  const [committed, other] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const first = store.transaction(async (tx) => {
    await tx.commit()
    committed.resolve()
    await other.promise
  })
  first.catch(() => undefined)
  await committed.promise
  // It has the connection of the first, which is about to be looked at.
  await store.transaction(async (tx) => {
    await tx.raw('select 1')
    other.resolve()
    await expect(first).rejects.toMatchObject({ code: 'ACUSE_TRANSACTION_ABORTED' })
  })
})

testStore(
  'knex',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    await database.query('create table harness (id text primary key, value text)')
    const instances: Knex[] = []
    const connect = (max: number): Knex => {
      const instance = createKnex({ client: 'pg', connection: database.url, pool: { min: 0, max } })
      instances.push(instance)
      return instance
    }
    return {
      open: (instance) => knex(connect(8))(storeContext({ instance, groups: [] })),
      outside: connect(2),
      write: async (tx, id, value) => {
        await tx('harness').insert({ id, value }).onConflict('id').merge()
      },
      read: async (id) => {
        const [row] = await database.query<{ value: string }>('select value from harness where id = $1', [id])
        return row?.value
      },
      advance,
      dispose: async () => {
        await Promise.all(instances.map((instance) => instance.destroy()))
        await database[Symbol.asyncDispose]()
      },
    }
  },
  { concurrent: true },
)
