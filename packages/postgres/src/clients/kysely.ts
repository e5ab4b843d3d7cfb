import type { Kysely, Transaction } from 'kysely'
import type { Pool } from 'pg'
import type { StoreFactory } from '@acuse/core'
import type { SqlClient } from '../sql-client.ts'
import { createSqlStore, type StoreOptions } from '../store/create-store.ts'
import { isKyselyOpen, isKyselyTransaction, passOnAborted, runInKysely } from './kysely-transaction.ts'
import { withLentClient } from './lent-client.ts'
import { throughMapper } from './mapper-transaction.ts'
import { connectionOf, runOn } from './pg-client.ts'
import { assertPool } from './pg.ts'
import { createUses, type Uses } from './uses.ts'
import { watchPool } from './watch-pool.ts'

/**
 * A store in the Kysely database an application already has, made with the `PostgresDialect` on a pg pool. Handlers get a
 * `Transaction` of that very database, with its tables and plugins.
 *
 * Kysely shows neither its pool nor the connection of a transaction, so the pool is passed as well. It must be the one the
 * dialect was made on: otherwise the bus does not start, with `ACUSE_CONFIGURATION`.
 */
export function kysely<DB>(
  database: Kysely<DB>,
  pool: Pool,
  options: StoreOptions = {},
): StoreFactory<Transaction<DB>> {
  return (context) => {
    const watched = watchPool(assertPool(pool, 'kysely'), context.onError)
    const uses = createUses(watched)
    const open = createSqlStore(kyselyClient(database, pool, uses), {
      ...options,
      connection: options.connection ?? connectionOf(pool.options),
      clientOf: (tx) => uses.clientOf(tx),
      onDispose: () => watched[Symbol.dispose](),
    })
    return open(context)
  }
}

/** A Kysely database as a `SqlClient`. */
function kyselyClient<DB>(database: Kysely<DB>, pool: Pool, uses: Uses): SqlClient<Transaction<DB>> {
  return {
    name: 'kysely',
    maxConnections: pool.options.max,
    transaction: (work) =>
      withLentClient(pool, (lent) =>
        throughMapper(
          (run: (tx: Transaction<DB>) => Promise<void>) =>
            database.transaction().setIsolationLevel('read committed').execute(run).catch(passOnAborted),
          lent,
          (tx, client) => {
            uses.begin(tx, client)
            return work(tx)
          },
        ),
      ),
    query: (tx, text, values) => {
      const client = uses.clientOf(tx)
      return client === undefined ? runInKysely(tx, text, values) : runOn(client, text, values)
    },
    isTransaction: (candidate): candidate is Transaction<DB> =>
      isKyselyTransaction(candidate) && (uses.isOpen(candidate) ?? isKyselyOpen(candidate)),
  }
}
