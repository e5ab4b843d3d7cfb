import { Pool, type PoolClient } from 'pg'
import type { StoreFactory } from '@acuse/core'
import type { EmbeddedOptions } from '../embedded/index.ts'
import type { StoreOptions } from '../store/create-store.ts'
import { pg } from './pg.ts'

/** How the embedded server runs, and what the store on it can be told. */
export interface EmbeddedStoreOptions extends Omit<StoreOptions, 'connection'>, EmbeddedOptions {
  /** The database on the embedded server, created if there is none. Default: the service's name. */
  readonly database?: string
  /** Connections of the pool that handlers write through. Default: what the groups need at once, and 5 for the application. */
  readonly poolSize?: number
}

export interface OpenEmbeddedOptions extends EmbeddedStoreOptions {
  readonly database: string
}

/** An embedded server in use, with a pool for the application's own tables. */
export interface OpenEmbedded extends AsyncDisposable {
  readonly url: string
  /** The application's pool: hand it to migrations and queries of your own. */
  readonly pool: Pool
  /** A store in that pool, for `createBus`. */
  readonly store: StoreFactory<PoolClient>
}

const defaultPoolSize = 20
/** What an application does beside its handlers: requests that publish, health checks. */
const applicationConnections = 5

/**
 * A store on a PostgreSQL that comes with the application: started in a folder, shared by the processes that name the same one, and durable.
 * It is said, never guessed. For a pool to write your own tables through, use `openEmbedded`.
 *
 * Opening throws `ACUSE_EMBEDDED_SERVER` or `ACUSE_MISSING_PACKAGE`, and what `pg` throws.
 */
export function embedded(options: EmbeddedStoreOptions = {}): StoreFactory<PoolClient> {
  return async (context) => {
    const server = await openEmbedded({
      ...options,
      database: options.database ?? context.service,
      poolSize: options.poolSize ?? context.effectConnections + applicationConnections,
    })
    try {
      const store = await server.store(context)
      return {
        ...store,
        [Symbol.asyncDispose]: async () => {
          await store[Symbol.asyncDispose]()
          await server[Symbol.asyncDispose]()
        },
      }
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }
}

/**
 * Starts or joins an embedded server and opens a pool to a database on it, which it creates if there is none.
 * Disposing ends the pool and leaves the server, which stops when its last user has left. Stop the bus first.
 */
export async function openEmbedded(options: OpenEmbeddedOptions): Promise<OpenEmbedded> {
  // Loaded when it is used: most installs have a server elsewhere and no binaries here.
  const { startEmbedded } = await import('../embedded/index.ts')
  const server = await startEmbedded(options)
  try {
    const url = await server.createDatabase(options.database)
    const pool = new Pool({ connectionString: url, max: options.poolSize ?? defaultPoolSize })
    // An idle connection that breaks says so here, and without a listener would end the process.
    pool.on('error', () => undefined)
    return {
      url,
      pool,
      store: pg(pool, options),
      [Symbol.asyncDispose]: async () => {
        if (!pool.ending) await pool.end()
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}
