import { Pool, type PoolClient, type PoolConfig, type QueryResult } from 'pg'
import { AcuseError, type Clock, messageOf, systemClock } from '@acuse/core'
import { lastingBackendOf } from './backend.ts'
import { isUnavailable, sqlStateOf, withoutClient } from './db-errors.ts'
import { createListener, type Listener } from './db-listen.ts'
import { schemaIdent } from './db-names.ts'
import { ownTypes } from './db-types.ts'
import { OwnClient } from './own-client.ts'
import { runPrepared } from './prepared.ts'

/** A row, by column name. bigint, xid8 and pg_snapshot come as strings, timestamptz as Date, bytea as Buffer. */
export type Row = object

/** Runs one statement where its maker says, and gives its rows. */
export type RunQuery = <R extends Row = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<R[]>

export interface TransactionOptions {
  /** For each statement in it. Default 10,000. */
  readonly statementTimeoutMs?: number
}

/** Acuse's own small connection pool, apart from the application's. */
export interface Db extends AsyncDisposable {
  /** The schema's name as it stands in SQL, quoted: `${db.schema}.log`. */
  readonly schema: string
  /** The schema's name as it was given. */
  readonly schemaName: string
  /** The most connections it holds at once, the one that listens included. */
  readonly connections: number
  /** Whether each connection has a backend of its own: behind a pooler in transaction mode it has one for a transaction at a time. */
  isDirect(): Promise<boolean>
  /** How many of `connections` the server's own limits are about: those through a pooler are the pooler's to share out. */
  connectionsOnServer(): Promise<number>
  /** One statement, committed by itself. */
  query: RunQuery
  /**
   * Runs `work` in a READ COMMITTED transaction; commits when it resolves, rolls back when it rejects.
   * Throws `ACUSE_TRANSACTION_ABORTED` when `work` swallowed an error and the server rolled back at COMMIT.
   */
  transaction<R>(work: (run: RunQuery) => Promise<R>, options?: TransactionOptions): Promise<R>
  /**
   * Calls back on each NOTIFY of `channel`, and once after every reconnect, as what was missed is unknown.
   * All channels share one connection. Resolves also while the server is away; gives a function that stops it.
   * Behind a pooler nothing is ever heard, unless `listenConnection` leads past it.
   */
  listen(channel: string, onNotify: () => void): Promise<() => Promise<void>>
}

export interface DbOptions {
  /** Where Acuse's tables are: lower-case letters, digits and `_`, at most 40. */
  readonly schema: string
  /** The most pooled connections; the one that listens comes on top, once something listens. */
  readonly connections: number
  /** How the connection that listens reaches the database. Default: as the others, unless those go through a pooler. */
  readonly listenConnection?: PoolConfig | string | undefined
  /** The service's name, seen in pg_stat_activity as `acuse:<service>`. */
  readonly service?: string
  readonly clock?: Clock
  /** Told what goes wrong in the background. */
  readonly onError: (error: AcuseError) => void
}

const connectTimeoutMs = 5_000
const statementTimeoutMs = 10_000
/** A transaction whose client is lost while its connection looks alive ends after this. Between two statements of ours nothing is waited for. */
const idleInTransactionMs = 10_000
/** The server should be the one to stop a statement; this is for when it cannot be heard any more. */
const silenceMs = 2_000
const disposeTimeoutMs = 5_000

/** Opens nothing yet: connections are made as they are needed. Throws `ACUSE_CONFIGURATION` for a schema name that cannot be. */
export function openDb(connection: PoolConfig | string, options: DbOptions): Db {
  return new PooledDb(connection, options)
}

class PooledDb implements Db {
  readonly schema: string
  readonly schemaName: string
  readonly connections: number
  readonly #onError: (error: AcuseError) => void
  #config: PoolConfig
  #pool: Pool
  readonly #listener: Listener
  readonly #listensApart: boolean

  constructor(connection: PoolConfig | string, options: DbOptions) {
    this.schema = schemaIdent(options.schema)
    this.schemaName = options.schema
    this.connections = options.connections + 1
    this.#onError = options.onError
    this.#config = { ...configOf(connection, options), max: options.connections, min: 0 }
    this.#pool = this.#newPool()
    const { clock = systemClock, onError, listenConnection } = options
    const listening = listenConnection === undefined ? undefined : configOf(listenConnection, options)
    this.#listensApart = listening !== undefined
    this.#listener = createListener(() => withoutLimits(listening ?? this.#config), {
      clock,
      onError,
      onlyIfDirect: !this.#listensApart,
    })
  }

  async isDirect(): Promise<boolean> {
    return this.#withClient(isDirect)
  }

  async connectionsOnServer(): Promise<number> {
    if (await this.isDirect()) return this.connections
    return this.#listensApart ? 1 : 0
  }

  async query<R extends Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<R[]> {
    return this.#withClient((client) => runnerOf(client, statementTimeoutMs)<R>(text, values))
  }

  async transaction<R>(work: (run: RunQuery) => Promise<R>, options: TransactionOptions = {}): Promise<R> {
    const timeoutMs = options.statementTimeoutMs ?? statementTimeoutMs
    return this.#withClient(async (client) => {
      // A pooler may have ignored the settings that the connection was opened with.
      const isAsOpened = timeoutMs === this.#config.statement_timeout && (await isDirect(client))
      await client.query(isAsOpened ? begin : `${begin}; ${limitsOf(timeoutMs)}`)
      try {
        const result = await work(runnerOf(client, timeoutMs))
        await commit(client)
        return result
      } catch (error) {
        // The connection is thrown away: a rollback would wait for an answer as long again.
        if (isUnavailable(error)) throw error
        await client.query('rollback').catch((cause: unknown) => {
          throw new BrokenClient(error, cause)
        })
        throw error
      }
    })
  }

  listen(channel: string, onNotify: () => void): Promise<() => Promise<void>> {
    return this.#listener.listen(channel, onNotify)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]()
    if (this.#pool.ending) return
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, disposeTimeoutMs)
    })
    await Promise.race([this.#pool.end(), deadline]).finally(() => clearTimeout(timer))
  }

  #newPool(): Pool {
    const pool = new Pool({ ...this.#config, Client: OwnClient })
    // An idle connection that breaks says so here, and without a listener would end the process.
    pool.on('error', (error) => this.#onError(lostConnection(error)))
    // The same for one that breaks while it is held between two statements: the next statement fails and tells the caller.
    pool.on('connect', (client) => client.on('error', () => undefined))
    return pool
  }

  async #connect(): Promise<PoolClient> {
    const pool = this.#pool
    try {
      return await pool.connect()
    } catch (error) {
      if (!refusesTimeout(error)) throw error
      if (this.#pool === pool) {
        this.#config = withoutLimits(this.#config)
        this.#pool = this.#newPool()
        await pool.end()
      }
      return this.#pool.connect()
    }
  }

  async #withClient<R>(work: (client: PoolClient) => Promise<R>): Promise<R> {
    const client = await this.#connect()
    let broken = false
    try {
      return await work(client)
    } catch (error) {
      // A connection with a statement still running on it, or none that answers, must not go back to the pool.
      broken = error instanceof BrokenClient || isUnavailable(error)
      throw error instanceof BrokenClient ? error.first : error
    } finally {
      client.release(broken)
    }
  }
}

/** Carries the error that counts out of a transaction whose connection is to be thrown away. */
class BrokenClient extends Error {
  readonly first: unknown

  constructor(first: unknown, cause: unknown) {
    super('rollback failed', { cause })
    this.first = first
  }
}

/** PgBouncer takes no settings with a connection unless it is told to ignore them (08P01). Transactions set theirs then, and all are watched from here. */
function refusesTimeout(error: unknown): boolean {
  return sqlStateOf(error) === '08P01' && /statement_timeout|idle_in_transaction_session_timeout/.test(messageOf(error))
}

async function isDirect(client: PoolClient): Promise<boolean> {
  return (await lastingBackendOf(client)) !== undefined
}

const begin = 'begin isolation level read committed'

/** For one transaction: what a connection behind a pooler is set to stays with the backend, for whoever has it next. */
function limitsOf(timeoutMs: number): string {
  return `set local statement_timeout = ${Math.ceil(timeoutMs)}; set local idle_in_transaction_session_timeout = ${idleInTransactionMs}`
}

async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query('commit')
  if (command === 'COMMIT') return
  throw new AcuseError(
    'ACUSE_TRANSACTION_ABORTED',
    `The transaction was rolled back at COMMIT (the server answered ${command}): a statement in it had failed and its error was not passed on.`,
  )
}

function runnerOf(client: PoolClient, timeoutMs: number): RunQuery {
  return async <R extends Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<R[]> => {
    const config = {
      text,
      query_timeout: timeoutMs + silenceMs,
      ...(values === undefined ? {} : { values: [...values] }),
    }
    // Several statements in one text (a migration) give an array of results; the last one's rows are meant.
    const result: QueryResult<R> | QueryResult<R>[] = await runPrepared<R>(client, config).catch((error: unknown) => {
      throw isSilence(error) ? new SilentServerError(timeoutMs + silenceMs, error) : error
    })
    return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows
  }
}

/** What pg says when nothing came back in time; it has no code for it. */
function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** Looks like what the network says of a peer that is gone, and is taken for that everywhere. */
class SilentServerError extends Error {
  readonly code = 'ETIMEDOUT'

  constructor(waitedMs: number, cause: unknown) {
    super(`the database did not answer within ${waitedMs} ms`, { cause })
  }
}

function configOf(connection: PoolConfig | string, options: DbOptions): PoolConfig {
  const given: PoolConfig = typeof connection === 'string' ? { connectionString: connection } : connection
  return {
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    query_timeout: statementTimeoutMs + silenceMs,
    keepAlive: true,
    ...given,
    application_name: `acuse:${options.service ?? 'unnamed'}`,
    types: ownTypes,
  }
}

function withoutLimits(config: PoolConfig): PoolConfig {
  const { statement_timeout: _statement, idle_in_transaction_session_timeout: _idle, ...rest } = config
  return rest
}

function lostConnection(error: unknown): AcuseError {
  return new AcuseError('ACUSE_STORE_UNAVAILABLE', `A database connection was lost: ${messageOf(error)}`, {
    cause: withoutClient(error),
  })
}
