import { defineEntity, type EntityManager, MikroORM } from '@mikro-orm/postgresql'
import type { PoolConfig } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { testStore } from '@acuse/testing/conformance'
import { mikroOrm } from '../../src/clients/mikro-orm.ts'
import { createTestDatabase } from '../database.ts'
import { message } from '../messages.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

const Harness = defineEntity({
  name: 'Harness',
  tableName: 'harness',
  properties: (p) => ({ id: p.string().primary(), value: p.string() }),
})

const connect = (clientUrl: string, { max, connectionTimeoutMillis }: PoolConfig): Promise<MikroORM> =>
  MikroORM.init({
    clientUrl,
    entities: [Harness],
    pool: max === undefined ? {} : { max },
    driverOptions: connectionTimeoutMillis === undefined ? {} : { connectionTimeoutMillis },
    logger: () => undefined,
  })

testAdapter<EntityManager>('mikro-orm', async (database, config, onDispose) => {
  const orm = await connect(database.url, config)
  const store = await mikroOrm(orm)(storeContext({ effectConnections: 1 }))
  onDispose(async () => {
    await store[Symbol.asyncDispose]()
    await orm.close(true)
  })
  return {
    store,
    outside: [orm, orm.em, orm.em.fork()],
    run: (entities, text) => entities.execute(text),
    ownTransaction: (work) => orm.em.fork().transactional(work),
  }
})

it('entities that are only in the identity map are written before messages are appended', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  await database.query('create table harness (id text primary key, value text)')
  const orm = await connect(database.url, { max: 6 })
  onTestFinished(() => orm.close(true))
  const store = await mikroOrm(orm)(storeContext({ effectConnections: 1 }))
  onTestFinished(() => store[Symbol.asyncDispose]())
  const written = await store.transaction(async (em) => {
    em.create(Harness, { id: 'a', value: 'b' })
    await store.append(em, [message()])
    return em.execute('select id from harness')
  })
  expect(written).toEqual([{ id: 'a' }])
})

testStore(
  'mikro-orm',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    await database.query('create table harness (id text primary key, value text)')
    const orms: MikroORM[] = []
    const open = async (max: number): Promise<MikroORM> => {
      const orm = await connect(database.url, { max })
      orms.push(orm)
      return orm
    }
    const outside = await open(2)
    return {
      open: async (instance) => mikroOrm(await open(8))(storeContext({ instance, groups: [] })),
      outside: outside.em,
      write: async (entities, id, value) => {
        await entities.upsert(Harness, { id, value })
      },
      read: async (id) => {
        const [row] = await database.query<{ value: string }>('select value from harness where id = $1', [id])
        return row?.value
      },
      advance,
      dispose: async () => {
        await Promise.all(orms.map((orm) => orm.close(true)))
        await database[Symbol.asyncDispose]()
      },
    }
  },
  { concurrent: true },
)
