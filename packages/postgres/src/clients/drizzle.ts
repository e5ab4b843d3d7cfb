import type { ClientBase, Pool } from 'pg'
import { ConfigurationError, type StoreFactory } from '@acuse/core'
import type { SqlClient } from '../sql-client.ts'
import { createSqlStore, type StoreOptions } from '../store/create-store.ts'
import { withLentClient } from './lent-client.ts'
import { throughMapper } from './mapper-transaction.ts'
import { assertPool } from './pg.ts'
import { connectionOf, isPgClient, runOn } from './pg-client.ts'
import { createUses } from './uses.ts'
import { type WatchedPool, watchPool } from './watch-pool.ts'

/** What is needed of a database made by `drizzle-orm/node-postgres`; `Tx` is what its `transaction` gives. */
export interface DrizzleDatabase<Tx> {
  readonly $client: unknown
  readonly _: { readonly session: object }
  transaction<R>(work: (tx: Tx) => Promise<R>, config?: { isolationLevel?: 'read committed' }): Promise<R>
}

/**
 * A store in the Drizzle database an application already has (`drizzle-orm/node-postgres`, made on a pool).
 * Handlers get the transaction of that very database, with its schema.
 */
export function drizzle<Tx>(database: DrizzleDatabase<Tx>, options: StoreOptions = {}): StoreFactory<Tx> {
  return (context) => {
    const pool = assertPool(database.$client, 'drizzle')
    const watched = watchPool(pool, context.onError)
    const open = createSqlStore(drizzleClient(database, pool, watched), {
      ...options,
      connection: options.connection ?? connectionOf(pool.options),
      clientOf: connectionUnder,
      onDispose: () => watched[Symbol.dispose](),
    })
    return open(context)
  }
}

/** A Drizzle database as a `SqlClient`. */
export function drizzleClient<Tx>(database: DrizzleDatabase<Tx>, pool: Pool, watched: WatchedPool): SqlClient<Tx> {
  const uses = createUses(watched)
  return {
    name: 'drizzle',
    maxConnections: pool.options.max,
    transaction: (work) =>
      withLentClient(pool, () =>
        throughMapper(
          (run: (tx: Tx) => Promise<void>) => database.transaction(run, { isolationLevel: 'read committed' }),
          connectionUnder,
          (tx, client) => {
            const session = sessionOf(tx)
            if (session !== undefined) uses.begin(session, client)
            return work(tx)
          },
        ),
      ),
    query: (tx, text, values) => runOn(connectionUnder(tx), text, values),
    isTransaction: (candidate): candidate is Tx => {
      const client = findConnection(candidate)
      const session = sessionOf(candidate)
      if (client === undefined || session === undefined) return false
      // A transaction the application opened itself is seen here first.
      if (uses.clientOf(session) === undefined) uses.begin(session, client)
      return uses.isOpen(session) === true
    },
  }
}

function connectionUnder(tx: unknown): ClientBase {
  const client = findConnection(tx)
  if (client !== undefined) return client
  throw new ConfigurationError(
    'This version of drizzle-orm does not show the connection of a transaction where 0.44 and 0.45 do (tx._.session.client). Use one of those, or report it.',
  )
}

/** Drizzle declares it private, and gives no other way to learn whether the transaction is still open. */
function findConnection(tx: unknown): ClientBase | undefined {
  const session = sessionOf(tx)
  const client: unknown = session === undefined ? undefined : Reflect.get(session, 'client')
  return isPgClient(client) ? client : undefined
}

function sessionOf(tx: unknown): object | undefined {
  if (typeof tx !== 'object' || tx === null || !('_' in tx)) return undefined
  const inner = tx._
  if (typeof inner !== 'object' || inner === null || !('session' in inner)) return undefined
  return typeof inner.session === 'object' && inner.session !== null ? inner.session : undefined
}
