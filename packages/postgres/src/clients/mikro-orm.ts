import type { EntityManager, MikroORM } from '@mikro-orm/postgresql'
import type { Pool } from 'pg'
import { ConfigurationError, messageOf, NotInTransactionError, type StoreFactory } from '@acuse/core'
import type { ResultRow, SqlClient } from '../sql-client.ts'
import { createSqlStore, type StoreOptions } from '../store/create-store.ts'
import {
  isKyselyOpen,
  isKyselyTransaction,
  type KyselyTransaction,
  passOnAborted,
  runInKysely,
} from './kysely-transaction.ts'
import { withLentClient } from './lent-client.ts'
import { throughMapper } from './mapper-transaction.ts'
import { connectionOf, runOn } from './pg-client.ts'
import { assertPool } from './pg.ts'
import { createUses, type Uses } from './uses.ts'
import { watchPool } from './watch-pool.ts'

/**
 * A store in the MikroORM an application already has (`@mikro-orm/postgresql` 7). Handlers get an `EntityManager` of their own,
 * inside a transaction and with an empty identity map; the injected one leads to it too, as in `em.transactional`.
 *
 * Whatever Acuse writes in a transaction, it flushes the entities first, so that messages are appended after your rows.
 * Types cannot tell an `EntityManager` with a transaction from one without: that is `ACUSE_NOT_IN_TRANSACTION` at run time.
 */
export function mikroOrm(orm: MikroORM, options: StoreOptions = {}): StoreFactory<EntityManager> {
  return async (context) => {
    const pool = await poolOf(orm)
    const watched = watchPool(pool, context.onError)
    const uses = createUses(watched)
    const open = createSqlStore(mikroOrmClient(orm, pool, uses), {
      ...options,
      connection: options.connection ?? connectionOf(pool.options),
      clientOf: (tx) => uses.clientOf(tx),
      onDispose: () => watched[Symbol.dispose](),
    })
    return open(context)
  }
}

/** A MikroORM as a `SqlClient`. */
function mikroOrmClient(orm: MikroORM, pool: Pool, uses: Uses): SqlClient<EntityManager> {
  return {
    name: 'mikro-orm',
    maxConnections: pool.options.max,
    transaction: (work) =>
      withLentClient(pool, (lent) =>
        throughMapper(
          (run: (entities: EntityManager) => Promise<void>) =>
            orm.em.fork().transactional(run, { isolationLevel: readCommitted }).catch(passOnAborted),
          lent,
          (entities, client) => {
            uses.begin(entities, client)
            return work(entities)
          },
        ),
      ),
    query: (entities, text, values) => query(entities, uses, text, values),
    isTransaction: (candidate): candidate is EntityManager => {
      const transaction = transactionUnder(candidate)
      if (transaction === undefined) return false
      return uses.isOpen(candidate as EntityManager) ?? isKyselyOpen(transaction)
    },
  }
}

/** MikroORM's `IsolationLevel.READ_COMMITTED`, without loading MikroORM for it. */
const readCommitted = 'read committed' as import('@mikro-orm/core').IsolationLevel

async function query(
  entities: EntityManager,
  uses: Uses,
  text: string,
  values: readonly unknown[],
): Promise<readonly ResultRow[]> {
  await flush(entities)
  const client = uses.clientOf(entities)
  if (client !== undefined) return runOn(client, text, values)
  const transaction = transactionUnder(entities)
  if (transaction === undefined) throw new NotInTransactionError('an EntityManager that has none open')
  return runInKysely(transaction, text, values)
}

/** What is still only in the identity map is written now: its locks are to be held before messages get their place in the log. */
async function flush(entities: EntityManager): Promise<void> {
  try {
    await entities.flush()
  } catch (error) {
    // Who publishes from a lifecycle hook is within a flush.
    if (!/cannot call em\.flush\(\) from inside/.test(messageOf(error))) throw error
  }
}

/** The Kysely transaction that an `EntityManager` works in. */
function transactionUnder(candidate: unknown): KyselyTransaction | undefined {
  if (typeof candidate !== 'object' || candidate === null || !('getTransactionContext' in candidate)) return undefined
  if (typeof candidate.getTransactionContext !== 'function') return undefined
  const transaction: unknown = candidate.getTransactionContext()
  return isKyselyTransaction(transaction) ? transaction : undefined
}

async function poolOf(orm: MikroORM): Promise<Pool> {
  try {
    return assertPool(await orm.em.getConnection('write').getNativeClient(), 'mikroOrm')
  } catch (error) {
    throw new ConfigurationError(`mikroOrm needs a MikroORM that opens its own pg pool: ${messageOf(error)}`)
  }
}
