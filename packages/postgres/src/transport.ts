import type { PoolConfig } from 'pg'
import type { Transport, TransportFactory } from '@acuse/core'
import { addressOf } from './address.ts'
import { openDb } from './db.ts'
import { asUnreachable } from './db-errors.ts'
import { type LogOptions, openLog } from './log/transport.ts'
import type { MigrateMode } from './migrate.ts'
import type { UnsafeSetting } from './settings.ts'
import { prepareServer } from './store/prepare.ts'

export interface TransportOptions extends LogOptions {
  /** The database that services share for their messages. */
  readonly connection: PoolConfig | string
  /**
   * How the one connection that listens for wake-ups reaches it. Default: as the others do, unless those go through a pooler; then nothing
   * listens, and readers find messages by polling, within `pollMaxMs`. It has to lead to the database itself, or through a pooler in
   * session mode.
   */
  readonly listenConnection?: PoolConfig | string
  /** Where Acuse's tables are. Default `acuse`. */
  readonly schema?: string
  /** Default `auto`: pending migrations are applied at start. */
  readonly migrate?: MigrateMode
  /** Connections at most, without the one that listens. Default 4. */
  readonly connections?: number
  /** Settings of the server to live with although they lose messages. */
  readonly allowUnsafe?: readonly UnsafeSetting[]
}

/**
 * PostgreSQL as the transport between services that have a database each. Where it is a store's own database, no relay runs.
 *
 * Opening throws `ACUSE_TRANSPORT_UNAVAILABLE` (and is tried again in the background), `ACUSE_READ_ONLY`, `ACUSE_UNSAFE_SETTING`,
 * `ACUSE_MIGRATION_PENDING`, `ACUSE_MIGRATION_FAILED` or `ACUSE_CONFIGURATION`.
 */
export function postgres(options: TransportOptions): TransportFactory {
  const { connection, listenConnection, schema = 'acuse', migrate = 'auto', connections = 4, ...rest } = options
  const { allowUnsafe = [], ...logOptions } = rest
  return async (context) => {
    const { service, clock, onError } = context
    const db = openDb(connection, { schema, connections, listenConnection, service, clock, onError })
    try {
      const address = addressOf(connection)
      await prepareServer({ db, context, migrate, allowUnsafe, address, unreachable: 'ACUSE_TRANSPORT_UNAVAILABLE' })
      const log = await openLog(db, context, logOptions)
      return closing(log, async () => {
        await db[Symbol.asyncDispose]()
      })
    } catch (error) {
      await db[Symbol.asyncDispose]()
      throw asUnreachable(error, 'ACUSE_TRANSPORT_UNAVAILABLE', addressOf(connection))
    }
  }
}

/** A transport that closes what was opened for it. */
function closing(transport: Transport, close: () => Promise<void>): Transport {
  const { name, identity, capabilities } = transport
  return {
    name,
    identity,
    capabilities,
    publish: (batch, signal) => transport.publish(batch, signal),
    consume: (source, sink) => transport.consume(source, sink),
    [Symbol.asyncDispose]: async () => {
      await transport[Symbol.asyncDispose]()
      await close()
    },
  }
}
