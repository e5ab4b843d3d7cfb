import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import type { PoolConfig } from 'pg'
import type { Sql, TransactionSql } from 'postgres'
import { AcuseError, type Clock, ConfigurationError, type StoreFactory } from '@acuse/core'
import type { SqlClient } from '../sql-client.ts'
import { createSqlStore, type StoreOptions } from '../store/create-store.ts'
import { endedByWork, failedInside } from './pg-client.ts'
import { isConnectionLost, type PostgresJsUses, watchBegin } from './postgres-js-gate.ts'
import { runInPostgresJs } from './postgres-js-rows.ts'

type AnyTypes = Record<string, unknown>

/**
 * A store in the postgres.js instance an application already has. Handlers get the `TransactionSql` that `sql.begin` gives.
 * Acuse's own connections are of pg, to the same server.
 *
 * postgres.js shows neither the state of a transaction nor what the server answers to COMMIT, and reuses a connection as soon as its
 * transaction is over. So `sql.begin` is replaced by one whose `TransactionSql` refuses statements once it is over, and COMMIT or
 * ROLLBACK written by hand; and before each COMMIT of a handler's transaction one more statement asks whether it still stands.
 *
 * A transaction waits for a free connection as long as `connect_timeout` says (30 s unless set), which postgres.js itself does not bound.
 */
export function postgresJs<TTypes extends AnyTypes>(
  sql: Sql<TTypes>,
  options: StoreOptions = {},
): StoreFactory<TransactionSql<TTypes>> {
  return async (context) => {
    const own = sql as unknown as Sql<AnyTypes>
    if (own.options.transform.row.from !== undefined) {
      throw new ConfigurationError(
        'postgresJs cannot read rows through `transform.row`: transform columns or values instead.',
      )
    }
    const uses = watchBegin(own)
    const open = createSqlStore(postgresJsClient(own, uses, context.clock), {
      ...options,
      connection: options.connection ?? connectionOf(own.options),
    })
    return (await open(context)) as never
  }
}

/** postgres.js as a `SqlClient`. */
function postgresJsClient(sql: Sql<AnyTypes>, uses: PostgresJsUses, clock: Clock): SqlClient<TransactionSql<AnyTypes>> {
  return {
    name: 'postgres-js',
    maxConnections: sql.options.max,
    transaction: (work) => transaction(sql, uses, clock, work),
    query: (tx, text, values) => runInPostgresJs(tx, sql.options, text, values),
    isTransaction: (candidate): candidate is TransactionSql<AnyTypes> => uses.of(candidate)?.state === 'open',
  }
}

/**
 * Begins again once where the connection turns out to be gone before the work began: postgres.js fails the first transaction on a
 * connection that it opened anew with what ended the one before.
 */
async function transaction<R>(
  sql: Sql<AnyTypes>,
  uses: PostgresJsUses,
  clock: Clock,
  work: (tx: TransactionSql<AnyTypes>) => Promise<R>,
): Promise<R> {
  try {
    return await begin(sql, uses, clock, work)
  } catch (error) {
    if (!(error instanceof NotBegun)) throw error
    if (!isConnectionLost(error.cause)) throw error.cause
  }
  return begin(sql, uses, clock, work).catch((error: unknown) => {
    throw error instanceof NotBegun ? error.cause : error
  })
}

class NotBegun extends Error {}

async function begin<R>(
  sql: Sql<AnyTypes>,
  uses: PostgresJsUses,
  clock: Clock,
  work: (tx: TransactionSql<AnyTypes>) => Promise<R>,
): Promise<R> {
  const connected = limit(sql, clock)
  let running: Promise<R> | undefined
  let failure: { readonly error: unknown } | undefined
  const run = async (tx: TransactionSql<AnyTypes>): Promise<R> => {
    try {
      connected.reached()
      const mark = leaveMark(tx)
      const result = await work(tx)
      await assertStanding(tx, uses, mark)
      return result
    } catch (error) {
      failure = { error }
      throw error
    }
  }
  const opened = sql.begin('isolation level read committed', (tx) => (running = run(tx))) as Promise<R>
  try {
    return await Promise.race([opened, connected.tooLate])
  } catch (error) {
    if (running === undefined) throw new NotBegun('The transaction was not begun.', { cause: error })
    // postgres.js rejects as soon as the connection is gone, while the work may still be at something else.
    await running.catch(() => undefined)
    throw failure === undefined ? error : failure.error
  } finally {
    connected.cancel()
  }
}

/** A setting that ends with the transaction. It is not awaited: the answer comes with that of the statement after it. */
function leaveMark(tx: TransactionSql<AnyTypes>): string {
  const mark = randomUUID()
  tx.unsafe(`select set_config('acuse.transaction', '${mark}', true)`).catch(() => undefined)
  return mark
}

/** Fails unless COMMIT, which is what postgres.js sends next, will commit what was begun. */
async function assertStanding(tx: TransactionSql<AnyTypes>, uses: PostgresJsUses, mark: string): Promise<void> {
  const use = uses.of(tx)
  if (use?.state !== 'open')
    throw new AcuseError('ACUSE_STORE_UNAVAILABLE', 'The connection of this transaction was lost.')
  // From here on the work can send nothing that would come between the answer and COMMIT.
  use.state = 'over'
  const found = await use.raw
    .unsafe<{ mark: string | null }[]>(`select current_setting('acuse.transaction', true) as mark`)
    .values()
    .catch((error: unknown) => {
      throw Reflect.get(Object(error), 'code') === '25P02' ? failedInside(error) : error
    })
  if (found[0]?.[0] !== mark) throw endedByWork()
}

interface Limit {
  readonly tooLate: Promise<never>
  /** Throws where it comes too late, when nobody waits any more: by that the transaction is rolled back. */
  reached(): void
  cancel(): void
}

/** How long a transaction waits for a connection. */
function limit(sql: Sql<AnyTypes>, clock: Clock): Limit {
  const seconds = sql.options.connect_timeout
  let late: AcuseError | undefined
  let cancel = (): void => undefined
  const tooLate = new Promise<never>((_resolve, reject) => {
    if (!(seconds > 0)) return
    cancel = clock.after(seconds * 1_000, () => {
      const message = `No connection of postgres.js was free within ${seconds} s (connect_timeout).`
      late = new AcuseError('ACUSE_STORE_UNAVAILABLE', message)
      reject(late)
    })
  })
  return {
    tooLate,
    cancel: () => cancel(),
    reached: () => {
      cancel()
      if (late !== undefined) throw late
    },
  }
}

/** What of postgres.js's options says where and how to connect. Of several hosts it is the first. */
function connectionOf(options: Sql<AnyTypes>['options']): PoolConfig {
  const { host, port, path, user, database, pass } = options as unknown as PostgresJsOptions
  return {
    host: typeof path === 'string' ? dirname(path) : (host[0] ?? 'localhost'),
    port: Number(port[0]),
    user,
    database,
    ssl: sslOf(options.ssl),
    ...(pass === null ? {} : { password: pass }),
  }
}

/** As it is, which the types of postgres.js tell only in part. */
interface PostgresJsOptions {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly path: string | false
  readonly user: string
  readonly database: string
  readonly pass: string | (() => string | Promise<string>) | null
}

function sslOf(ssl: Sql<AnyTypes>['options']['ssl']): NonNullable<PoolConfig['ssl']> {
  if (ssl === 'allow' || ssl === 'prefer') {
    throw new ConfigurationError(
      `pg has no ssl: '${ssl}'. Say in options.connection whether Acuse’s own connections are encrypted.`,
    )
  }
  if (ssl === 'require') return { rejectUnauthorized: false }
  return ssl === 'verify-full' ? true : (ssl ?? false)
}
