import type { PoolConfig } from 'pg'
import { NotInTransactionError, type Store, type StoreContext, type StoreFactory } from '@acuse/core'
import { addressOf } from '../address.ts'
import { type Db, openDb } from '../db.ts'
import { asUnreachable } from '../db-errors.ts'
import { type LogOptions, openLog } from '../log/transport.ts'
import type { MigrateMode } from '../migrate.ts'
import type { UnsafeSetting } from '../settings.ts'
import type { SqlClient } from '../sql-client.ts'
import { runIn, type StoreBase } from './base.ts'
import { classify } from './classify.ts'
import { createDeadLetters } from './dead-letters.ts'
import { openGroups } from './groups.ts'
import { createHistory } from './history.ts'
import { createInbox, openingOf } from './inbox.ts'
import { createParked } from './parked.ts'
import { prepareDatabase } from './prepare.ts'
import { createSagas } from './sagas.ts'
import { createSchedule } from './schedule.ts'
import { type ClientOf, createSessions } from './sessions.ts'

/** What every store on PostgreSQL can be told. */
export interface StoreOptions {
  /** Where Acuse's tables are. Default `acuse`: lower-case letters, digits and `_`, at most 40. */
  readonly schema?: string
  /** Default `auto`: pending migrations are applied at start. */
  readonly migrate?: MigrateMode
  /**
   * How Acuse's own connections reach the database. Default: as the application's do. Say it where those go through a pooler in
   * transaction mode: straight to the database, so that none of them waits for a connection that handlers hold.
   */
  readonly connection?: PoolConfig | string
  /**
   * How the one connection that listens for wake-ups reaches the database. Default: as Acuse's others do, unless those go through a
   * pooler; then nothing listens, and readers find messages by polling, within `log.pollMaxMs`. It has to lead to the database itself,
   * or through a pooler in session mode.
   */
  readonly listenConnection?: PoolConfig | string
  /** Acuse's own connections, without the one that listens. Default 4. */
  readonly connections?: number
  /** How the log keeps and reads messages. */
  readonly log?: LogOptions
  /** Settings of the server to live with although they lose messages. */
  readonly allowUnsafe?: readonly UnsafeSetting[]
}

/** What an adapter says of its client, beside the options of its user. */
export interface SqlStoreOptions<Tx> extends StoreOptions {
  readonly connection: PoolConfig | string
  /** pg's client under a transaction. Without it each transaction costs a round trip to learn which backend it has. */
  readonly clientOf?: ClientOf<Tx>
  /** Called when the store is disposed of, or could not be opened. */
  readonly onDispose?: () => void | Promise<void>
}

const defaultSchema = 'acuse'
const defaultConnections = 4

/**
 * A store on the application's own client. Opening it migrates, checks the server's settings and the connection budget.
 *
 * Opening throws `ACUSE_STORE_UNAVAILABLE`, `ACUSE_READ_ONLY`, `ACUSE_UNSAFE_SETTING`, `ACUSE_MIGRATION_PENDING`,
 * `ACUSE_MIGRATION_FAILED`, `ACUSE_CONNECTION_BUDGET` or `ACUSE_CONFIGURATION`.
 */
export function createSqlStore<Tx>(client: SqlClient<Tx>, options: SqlStoreOptions<Tx>): StoreFactory<Tx> {
  return async (context) => {
    const db = openDb(options.connection, {
      schema: options.schema ?? defaultSchema,
      connections: options.connections ?? defaultConnections,
      listenConnection: options.listenConnection,
      service: context.service,
      clock: context.clock,
      onError: context.onError,
    })
    const dispose = async (): Promise<void> => {
      await db[Symbol.asyncDispose]()
      await options.onDispose?.()
    }
    try {
      return await openStore(client, options, context, db, dispose)
    } catch (error) {
      await dispose()
      throw asUnreachable(error, 'ACUSE_STORE_UNAVAILABLE', addressOf(options.connection))
    }
  }
}

async function openStore<Tx>(
  client: SqlClient<Tx>,
  options: SqlStoreOptions<Tx>,
  context: StoreContext,
  db: Db,
  dispose: () => Promise<void>,
): Promise<Store<Tx>> {
  await prepareDatabase({
    client,
    clientOf: options.clientOf,
    db,
    context,
    migrate: options.migrate ?? 'auto',
    allowUnsafe: options.allowUnsafe ?? [],
    address: addressOf(options.connection),
  })
  const base: StoreBase<Tx> = { client, db, groups: await openGroups(db, context.groups) }
  const sessions = createSessions({ client, db, clientOf: options.clientOf, onError: context.onError })
  const log = await openLog(db, context, options.log)
  return {
    name: `postgres (${client.name})`,
    log,
    inbox: createInbox(base),
    parked: createParked(base),
    deadLetters: createDeadLetters(base),
    history: createHistory(base),
    sagas: createSagas(base),
    schedule: createSchedule(base, log),
    transaction: async (work, begins = {}) => {
      const opening = await openingOf(base, begins)
      return client.transaction(async (tx, opened) => {
        const rows = opening === undefined ? [] : (opened ?? (await client.query(tx, opening.text, [])))
        return sessions.hold(tx, () => work(tx, opening?.verdicts(rows)))
      }, opening?.text)
    },
    isTransaction: (candidate): candidate is Tx => client.isTransaction(candidate),
    append: async (tx, messages) => {
      // On a connection whose transaction is over the statement would commit by itself.
      if (!sessions.holds(tx) && !client.isTransaction(tx))
        throw new NotInTransactionError('a client that has none open')
      await log.append(runIn(base, tx), messages)
    },
    classify,
    abort: (tx) => sessions.abort(tx),
    [Symbol.asyncDispose]: async () => {
      await log[Symbol.asyncDispose]()
      await dispose()
    },
  }
}
