import type { Knex } from 'knex'
import type { ClientBase, Pool, PoolConfig } from 'pg'
import { ConfigurationError, NotInTransactionError, type StoreFactory } from '@acuse/core'
import type { SqlClient } from '../sql-client.ts'
import { createSqlStore, type StoreOptions } from '../store/create-store.ts'
import { throughMapper } from './mapper-transaction.ts'
import { connectionOf, isPgClient, runOn } from './pg-client.ts'
import { isPool } from './pg.ts'
import { createUses, type Uses } from './uses.ts'
import { watchOnce, type WatchedPool, watchPool } from './watch-pool.ts'

/** A transaction of Knex, with the record and result types of the instance it comes from. */
export type KnexTransaction<TRecord extends object, TResult> = Knex.Transaction<TRecord, TResult>

/**
 * A store in the Knex instance an application already has (client `pg`; made with `connection` or, from 3.3 on, with a pg pool as
 * `connectionPool`). Handlers get a `Knex.Transaction`; its `commit` and `rollback` are Acuse's to call.
 *
 * Where `connection` is a function, say in `options` how Acuse's own connections reach the database.
 */
export function knex<TRecord extends object, TResult>(
  instance: Knex<TRecord, TResult>,
  options: StoreOptions = {},
): StoreFactory<KnexTransaction<TRecord, TResult>> {
  return async (context) => {
    const pool = poolOf(instance)
    const connection = options.connection ?? pool.connection
    if (connection === undefined) {
      throw new ConfigurationError(
        'knex is given its connection by a function: say in options.connection how Acuse’s own connections reach the database.',
      )
    }
    const watched = pool.watch(context.onError)
    const uses = createUses(watched)
    const open = createSqlStore(knexClient(instance, pool.max, uses), {
      ...options,
      connection,
      clientOf: connectionUnder,
      onDispose: () => watched[Symbol.dispose](),
    })
    return open(context)
  }
}

/** A Knex instance as a `SqlClient`. */
function knexClient<TRecord extends object, TResult>(
  instance: Knex<TRecord, TResult>,
  maxConnections: number | undefined,
  uses: Uses,
): SqlClient<KnexTransaction<TRecord, TResult>> {
  type Tx = KnexTransaction<TRecord, TResult>
  return {
    name: 'knex',
    maxConnections,
    transaction: (work) =>
      throughMapper(
        (run: (tx: Tx) => Promise<void>) =>
          instance.transaction((tx) => run(tx as unknown as Tx), { isolationLevel: 'read committed' }),
        connectionUnder,
        (tx, client) => {
          uses.begin(tx, client)
          return work(tx)
        },
      ),
    query: async (tx, text, values) => runOn(await connectionUnder(tx), text, values),
    isTransaction: (candidate): candidate is Tx =>
      isKnexTransaction(candidate) && !candidate.isCompleted() && uses.isOpen(candidate) !== false,
  }
}

/** A transaction of Knex has one connection, and gives it to whoever asks. */
async function connectionUnder(tx: { readonly client: unknown }): Promise<ClientBase> {
  const client: unknown = await acquireOf(tx.client)?.()
  if (isPgClient(client)) return client
  throw new NotInTransactionError('a Knex transaction without a connection of pg')
}

function acquireOf(client: unknown): (() => Promise<unknown>) | undefined {
  if (typeof client !== 'object' || client === null || !('acquireConnection' in client)) return undefined
  return client.acquireConnection as () => Promise<unknown>
}

function isKnexTransaction(value: unknown): value is { isCompleted(): boolean } & object {
  return (
    typeof value === 'function' &&
    'isTransaction' in value &&
    value.isTransaction === true &&
    'isCompleted' in value &&
    typeof value.isCompleted === 'function'
  )
}

interface KnexPool {
  readonly max: number | undefined
  /** How Knex connects, where it says. */
  readonly connection: PoolConfig | undefined
  watch(onError: Parameters<typeof watchPool>[1]): WatchedPool
}

/** What is needed of the pools that Knex makes itself (of tarn). */
interface TarnPool {
  readonly max: number
  on(event: 'acquireSuccess', listener: (id: number, client: ClientBase) => void): void
  on(event: 'release', listener: (client: object) => void): void
}

function poolOf(instance: object): KnexPool {
  const client: unknown = Reflect.get(instance, 'client')
  if (typeof client !== 'object' || client === null || Reflect.get(client, 'driverName') !== 'pg') {
    throw new ConfigurationError('knex needs an instance with the client pg.')
  }
  const native: unknown = Reflect.get(Object(Reflect.get(client, 'config')), 'connectionPool')
  if (isPool(native)) return nativePool(native)
  const pool: unknown = Reflect.get(client, 'pool')
  if (!isTarnPool(pool)) throw new ConfigurationError('knex needs an instance with a pool: this one has none.')
  const settings: unknown = Reflect.get(client, 'connectionSettings')
  const connection = typeof settings === 'object' && settings !== null ? connectionOf(settings) : undefined
  return { max: pool.max, connection, watch: () => watchTarn(pool) }
}

function nativePool(pool: Pool): KnexPool {
  return { max: pool.options.max, connection: connectionOf(pool.options), watch: (onError) => watchPool(pool, onError) }
}

function isTarnPool(value: unknown): value is TarnPool {
  return typeof value === 'object' && value !== null && 'max' in value && 'on' in value
}

/** Errors of its idle connections Knex hears itself. */
function watchTarn(pool: TarnPool): WatchedPool {
  const watch = watchOnce(pool, ({ onAcquire, onRelease }) => {
    pool.on('acquireSuccess', (_id, client) => onAcquire(client))
    pool.on('release', onRelease)
  })
  return { ...watch, [Symbol.dispose]: () => undefined }
}
