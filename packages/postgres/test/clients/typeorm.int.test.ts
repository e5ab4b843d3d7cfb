import { DataSource, type EntityManager } from 'typeorm'
import { testStore } from '@acuse/testing/conformance'
import { typeorm } from '../../src/clients/typeorm.ts'
import { createTestDatabase } from '../database.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

testAdapter<EntityManager>('typeorm', async (database, { max, connectionTimeoutMillis }, onDispose) => {
  const dataSource = new DataSource({
    type: 'postgres',
    url: database.url,
    ...(max === undefined ? {} : { poolSize: max }),
    ...(connectionTimeoutMillis === undefined ? {} : { connectTimeoutMS: connectionTimeoutMillis }),
  })
  await dataSource.initialize()
  const store = await typeorm(dataSource)(storeContext({ effectConnections: 1 }))
  onDispose(async () => {
    await store[Symbol.asyncDispose]()
    await dataSource.destroy()
  })
  return {
    store,
    outside: [dataSource, dataSource.manager, dataSource.createQueryRunner().manager],
    run: (entities, statement) => entities.query(statement),
    ownTransaction: (work) => dataSource.transaction(work),
  }
})

testStore(
  'typeorm',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    await database.query('create table harness (id text primary key, value text)')
    const dataSources: DataSource[] = []
    const connect = async (): Promise<DataSource> => {
      const dataSource = await new DataSource({ type: 'postgres', url: database.url, poolSize: 8 }).initialize()
      dataSources.push(dataSource)
      return dataSource
    }
    const outside = await connect()
    return {
      open: async (instance) => typeorm(await connect())(storeContext({ instance, groups: [] })),
      outside,
      write: async (entities, id, value) => {
        await entities.query('insert into harness values ($1, $2) on conflict (id) do update set value = $2', [
          id,
          value,
        ])
      },
      read: async (id) => {
        const [row] = await database.query<{ value: string }>('select value from harness where id = $1', [id])
        return row?.value
      },
      advance,
      dispose: async () => {
        await Promise.all(dataSources.map((dataSource) => dataSource.destroy()))
        await database[Symbol.asyncDispose]()
      },
    }
  },
  { concurrent: true },
)
