import type { Pool, PoolClient } from 'pg'
import { ConfigurationError, type StoreFactory } from '@acuse/core'
import { ownTypes } from '../db-types.ts'
import type { ResultRow, SqlClient } from '../sql-client.ts'
import { createSqlStore, type StoreOptions } from '../store/create-store.ts'
import { assertCommitted, assertStillOpen, connectionOf, isInTransaction, isPgClient, runOn } from './pg-client.ts'
import { type WatchedPool, watchPool } from './watch-pool.ts'

/**
 * A store in the pg pool an application already has. Handlers get a `PoolClient` inside a transaction;
 * COMMIT and ROLLBACK are Acuse's.
 */
export function pg(pool: Pool, options: StoreOptions = {}): StoreFactory<PoolClient> {
  return (context) => {
    const watched = watchPool(assertPool(pool, 'pg'), context.onError)
    const open = createSqlStore(pgClient(pool, watched), {
      ...options,
      connection: options.connection ?? connectionOf(pool.options),
      clientOf: (tx) => tx,
      onDispose: () => watched[Symbol.dispose](),
    })
    return open(context)
  }
}

/** pg's pool as a `SqlClient`. */
function pgClient(pool: Pool, watched: WatchedPool): SqlClient<PoolClient> {
  return {
    name: 'pg',
    maxConnections: pool.options.max,
    transaction: (work, opening) => transaction(pool, work, opening),
    query: runOn,
    isTransaction: (candidate): candidate is PoolClient =>
      isPgClient(candidate) && watched.isUsable(candidate) && isInTransaction(candidate),
  }
}

async function transaction<R>(
  pool: Pool,
  work: (tx: PoolClient, opened?: readonly ResultRow[]) => Promise<R>,
  opening: string | undefined,
): Promise<R> {
  const client = await pool.connect()
  try {
    const opened = await begin(client, opening)
    const result = await work(client, opened)
    assertStillOpen(client)
    const { command } = await client.query('commit')
    assertCommitted(command)
    return result
  } catch (error) {
    // Where this fails too the connection is broken, and thrown away below.
    if (isInTransaction(client)) await client.query('rollback').catch(() => undefined)
    throw error
  } finally {
    client.release(client.getTransactionStatus() !== 'I')
  }
}

/** In one message: where BEGIN fails the server does not go on to what follows. */
async function begin(client: PoolClient, opening: string | undefined): Promise<readonly ResultRow[] | undefined> {
  const text = 'begin isolation level read committed'
  if (opening === undefined) {
    await client.query(text)
    return undefined
  }
  // pg gives an array for several statements, and says so nowhere in its types.
  const results: unknown = await client.query({ text: `${text}; ${opening}`, types: ownTypes })
  return (results as readonly { readonly rows: readonly ResultRow[] }[])[1]?.rows
}

/** JavaScript has no compiler to tell a pool from a client. */
export function assertPool(candidate: unknown, adapter: string): Pool {
  if (isPool(candidate)) return candidate
  throw new ConfigurationError(
    `${adapter} needs the pool of pg that the application's transactions come from, but there is none.`,
  )
}

/** By shape: the application may have another copy of pg. */
export function isPool(candidate: unknown): candidate is Pool {
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    'options' in candidate &&
    'totalCount' in candidate &&
    'connect' in candidate
  )
}
