import type { ClientBase } from 'pg'
import type { DataSource, EntityManager } from 'typeorm'
import { ConfigurationError, NotInTransactionError, type StoreFactory } from '@acuse/core'
import type { SqlClient } from '../sql-client.ts'
import { createSqlStore, type StoreOptions } from '../store/create-store.ts'
import { throughMapper } from './mapper-transaction.ts'
import { assertPool } from './pg.ts'
import { connectionOf, isPgClient, runOn } from './pg-client.ts'
import { type WatchedPool, watchPool } from './watch-pool.ts'

/**
 * A store in the TypeORM data source an application already has. Handlers get an `EntityManager` inside a transaction.
 * The data source must be initialized before the bus starts.
 */
export function typeorm(dataSource: DataSource, options: StoreOptions = {}): StoreFactory<EntityManager> {
  return async (context) => {
    const pool = assertPool(poolOf(dataSource), 'typeorm')
    const watched = watchPool(pool, context.onError)
    const open = createSqlStore(typeormClient(dataSource, pool.options.max, watched), {
      ...options,
      connection: options.connection ?? connectionOf(pool.options),
      clientOf: connectionUnder,
      onDispose: () => watched[Symbol.dispose](),
    })
    return open(context)
  }
}

/** A data source as a `SqlClient`. */
export function typeormClient(
  dataSource: DataSource,
  maxConnections: number,
  watched: WatchedPool,
): SqlClient<EntityManager> {
  const connections = new WeakMap<object, ClientBase>()
  return {
    name: 'typeorm',
    maxConnections,
    transaction: (work) =>
      throughMapper(
        (run) => dataSource.transaction('READ COMMITTED', run),
        connectionUnder,
        (entities, client) => {
          if (entities.queryRunner !== undefined) connections.set(entities.queryRunner, client)
          return work(entities)
        },
      ),
    query: async (entities, text, values) => runOn(await connectionUnder(entities), text, values),
    isTransaction: (candidate): candidate is EntityManager => {
      const runner = openRunner(candidate, dataSource)
      if (runner === undefined) return false
      const client = connections.get(runner)
      return client === undefined || watched.isUsable(client)
    },
  }
}

/** The query runner's own connection; it has one from the moment its transaction began. */
async function connectionUnder(entities: EntityManager): Promise<ClientBase> {
  const client: unknown = await entities.queryRunner?.connect()
  if (isPgClient(client)) return client
  throw new NotInTransactionError('an EntityManager without a query runner')
}

/** The query runner of entities whose transaction is open. */
function openRunner(candidate: unknown, dataSource: DataSource): object | undefined {
  if (typeof candidate !== 'object' || candidate === null || !('queryRunner' in candidate)) return undefined
  const runner = candidate.queryRunner
  if (typeof runner !== 'object' || runner === null) return undefined
  // Up to 0.3 the data source is called connection.
  const source: unknown = Reflect.get(runner, 'dataSource') ?? Reflect.get(runner, 'connection')
  const open =
    source === dataSource &&
    Reflect.get(runner, 'isTransactionActive') === true &&
    Reflect.get(runner, 'isReleased') === false
  return open ? runner : undefined
}

function poolOf(dataSource: DataSource): unknown {
  if (dataSource.options.type !== 'postgres') {
    throw new ConfigurationError(`typeorm needs a data source of type postgres, not ${dataSource.options.type}.`)
  }
  if (!dataSource.isInitialized) {
    throw new ConfigurationError(
      'The data source is not initialized: await dataSource.initialize() before the bus starts.',
    )
  }
  return Reflect.get(dataSource.driver, 'master')
}
