import { AcuseError, ConfigurationError, messageOf, type StoreContext } from '@acuse/core'
import { lastingBackendOf } from '../backend.ts'
import { assertBudget, readFree } from '../budget.ts'
import type { Db } from '../db.ts'
import { isAboutWho, sqlStateOf } from '../db-errors.ts'
import { type MigrateMode, migrateDb } from '../migrate.ts'
import { assertDurableCommit, assertLoggedTables, assertSafeServer, type UnsafeSetting } from '../settings.ts'
import type { SqlClient } from '../sql-client.ts'
import type { ClientOf } from './sessions.ts'

export interface Preparation<Tx> {
  readonly client: SqlClient<Tx>
  readonly clientOf: ClientOf<Tx> | undefined
  readonly db: Db
  readonly context: StoreContext
  readonly migrate: MigrateMode
  readonly allowUnsafe: readonly UnsafeSetting[]
  /** For errors: where the database should be. */
  readonly address: string
}

/** Everything that has to hold before the first message: the server, the schema, the connections, the application's own client. */
export async function prepareDatabase<Tx>({
  client,
  clientOf,
  db,
  context,
  migrate,
  allowUnsafe,
  address,
}: Preparation<Tx>): Promise<void> {
  await prepareServer({ db, context, migrate, allowUnsafe, address, unreachable: 'ACUSE_STORE_UNAVAILABLE' })
  // Read before the client opens a connection, which would be counted twice.
  const limits = await readFree(db)
  assertBudget({
    own: await db.connectionsOnServer(),
    effects: context.effectConnections,
    effectsArePooled: await isPooled(client, clientOf, db),
    clientMax: client.maxConnections,
    ...limits,
  })
  await assertClient(client, db, allowUnsafe)
}

/** Whether the application's client reaches the server through a pooler. Where it hides its connections they are taken to go the way of Acuse's own. */
async function isPooled<Tx>(client: SqlClient<Tx>, clientOf: ClientOf<Tx> | undefined, db: Db): Promise<boolean> {
  if (clientOf === undefined) return !(await db.isDirect())
  try {
    return await client.transaction(async (tx) => {
      const connection = await clientOf(tx)
      return connection !== undefined && (await lastingBackendOf(connection)) === undefined
    })
  } catch {
    // Where there is no connection left for it, the budget says more than this error.
    return false
  }
}

export interface ServerPreparation {
  readonly db: Db
  readonly context: Pick<StoreContext, 'clock' | 'onError'>
  readonly migrate: MigrateMode
  readonly allowUnsafe: readonly UnsafeSetting[]
  readonly address: string
  /** What it means when nobody answers there. */
  readonly unreachable: 'ACUSE_STORE_UNAVAILABLE' | 'ACUSE_TRANSPORT_UNAVAILABLE'
}

/** What has to hold of the server and the schema, be it a store's or a transport's. */
export async function prepareServer(preparation: ServerPreparation): Promise<void> {
  const { db, context, migrate, allowUnsafe, address, unreachable } = preparation
  await assertReachable(db, address, unreachable)
  await assertSafeServer(db, allowUnsafe)
  await migrateDb(db, migrate, { clock: context.clock, onBlocked: context.onError })
  await assertLoggedTables(db, allowUnsafe)
}

async function assertReachable(db: Db, address: string, unreachable: ServerPreparation['unreachable']): Promise<void> {
  try {
    await db.query('select 1')
  } catch (error) {
    // 3D000: there is no such database.
    const wrong = isAboutWho(error) || sqlStateOf(error) === '3D000'
    throw new AcuseError(
      wrong ? 'ACUSE_CONFIGURATION' : unreachable,
      `The database at ${address} ${wrong ? 'refuses the connection' : 'cannot be reached'}: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

const placeSql = `select (select system_identifier from pg_control_system())::text || '/' || d.oid::text as place
  from pg_database d where d.datname = current_database()`

/** Effects are committed by the application's client: to the same database, and durably. */
async function assertClient<Tx>(client: SqlClient<Tx>, db: Db, allowUnsafe: readonly UnsafeSetting[]): Promise<void> {
  const [own] = await db.query<{ place: string }>(placeSql)
  const [theirs] = await client.transaction((tx) =>
    client.query(tx, `select p.place, current_setting('synchronous_commit') as commit from (${placeSql}) p`, []),
  )
  if (theirs?.['place'] !== own?.place) {
    throw new ConfigurationError(
      `The application's ${client.name} client and Acuse's own connections lead to different databases, so they could not commit together. Look at the connection option.`,
    )
  }
  assertDurableCommit(String(theirs?.['commit']), allowUnsafe)
}
