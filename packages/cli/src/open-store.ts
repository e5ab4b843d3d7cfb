import { hostname } from 'node:os'
import { type AcuseError, type Store, systemClock } from '@acuse/core'
import type { StoreOptions, UnsafeSetting } from '@acuse/postgres'
import type { PoolClient } from 'pg'
import { type DatabaseOptions, storeUrl } from './database-options.ts'
import { loadPackage } from './optional-package.ts'

export interface OpenStoreOptions extends DatabaseOptions {
  readonly service: string
  readonly onError: (error: AcuseError) => void
  readonly allowUnsafe?: readonly UnsafeSetting[]
  /** Transactions at once. Default 2. */
  readonly poolSize?: number
}

/** How long the log is kept is for the service to say: a command that knows nothing of it must never empty it. A hundred years. */
const neverMs = 100 * 365 * 86_400_000

/** Names this process among those that read and write a database. */
export const instance: string = `acuse@${hostname()}:${process.pid}`

/** Opens a service's store to operate it: nothing is migrated and no log is emptied. Throws as `pg(pool)` does. */
export async function openStore(options: OpenStoreOptions): Promise<Store<PoolClient>> {
  const { service, onError, schema, allowUnsafe = [], poolSize = 2 } = options
  const connectionString = storeUrl(options)
  const { pg } = await loadPackage('@acuse/postgres', () => import('@acuse/postgres'))
  const { Pool } = await loadPackage('pg', () => import('pg'))
  const pool = new Pool({ connectionString, max: poolSize, application_name: 'acuse' })
  const storeOptions: StoreOptions = {
    schema,
    migrate: 'verify',
    connections: 2,
    allowUnsafe,
    log: { retentionMs: neverMs, rotateAfterMs: neverMs },
  }
  const context = { service, instance, clock: systemClock, groups: [], effectConnections: poolSize, onError }
  try {
    const store = await pg(pool, storeOptions)(context)
    return {
      ...store,
      [Symbol.asyncDispose]: async () => {
        await store[Symbol.asyncDispose]()
        await pool.end()
      },
    }
  } catch (error) {
    await pool.end()
    throw error
  }
}
