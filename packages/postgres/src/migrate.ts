import type { PoolConfig } from 'pg'
import { AcuseError, type Clock, messageOf, pause, systemClock } from '@acuse/core'
import { type Db, openDb, type RunQuery } from './db.ts'
import { sqlStateOf } from './db-errors.ts'
import { describeBlockers } from './migration-blockers.ts'
import { type MigrationFile, readMigrations, recordOf, shippedFolder, sqlFor, versionTable } from './migration-files.ts'

/**
 * `auto` applies what is pending, `verify` throws `ACUSE_MIGRATION_PENDING` instead, `off` looks at nothing.
 */
export type MigrateMode = 'auto' | 'verify' | 'off'

export interface MigrateOptions {
  /** Default `acuse`. */
  readonly schema?: string
  /** Default `auto`. */
  readonly mode?: Exclude<MigrateMode, 'off'>
  readonly clock?: Clock
  /** Told who holds a migration up, about once a minute. */
  readonly onBlocked?: (error: AcuseError) => void
  /** Where the migrations are; those shipped with the package unless said otherwise. */
  readonly folder?: URL
  /** How long to try while others hold the tables, in ms. Default 15 minutes. */
  readonly giveUpAfterMs?: number
}

/**
 * A statement waits this long for a table that somebody uses. Whoever wants to publish queues behind it meanwhile,
 * so it must stay well below the 50 ms that a publish may be delayed.
 */
const lockTimeoutMs = 10
/** Between two tries: those who queued get through, and the wait is a small part of the time. */
const retryEveryMs = 500
const giveUpAfterMs = 15 * 60_000
const reportEveryMs = 60_000
/** For what a migration itself takes; they are written to take far less. */
const statementTimeoutMs = 10 * 60_000

/**
 * Applies Acuse's migrations to a database, or verifies that they are applied; gives the names of those it applied.
 * Needs CREATE on the database, or an empty schema that the role owns; no superuser and no extension.
 *
 * Throws `ACUSE_MIGRATION_PENDING` (mode `verify`), `ACUSE_MIGRATION_FAILED`, and `ACUSE_CONFIGURATION` for a schema name that cannot be used.
 */
export async function migrate(
  connection: PoolConfig | string,
  options: MigrateOptions = {},
): Promise<readonly string[]> {
  const { schema = 'acuse', mode = 'auto', clock = systemClock } = options
  // Not `await using`: the tests' processes run this file as it is, and Node 22 cannot read that.
  const db = openDb(connection, { schema, connections: 1, service: 'migrate', clock, onError: () => undefined })
  try {
    return await migrateDb(db, mode, { ...options, clock })
  } finally {
    await db[Symbol.asyncDispose]()
  }
}

/** `migrate` on connections that are there. When everything is applied it takes no lock and writes nothing. */
export async function migrateDb(
  db: Db,
  mode: MigrateMode,
  options: Omit<MigrateOptions, 'schema' | 'mode'> & { readonly clock: Clock },
): Promise<readonly string[]> {
  if (mode === 'off') return []
  const files = readMigrations(options.folder ?? shippedFolder)
  const pending = pendingOf(files, await readApplied(db.query.bind(db), db))
  if (pending.length === 0) return []
  if (mode === 'verify') throw pendingError(db, pending)
  return applyAll(db, files, options)
}

interface AppliedRow {
  readonly number: number
  readonly name: string
  readonly checksum: string
}

async function readApplied(run: RunQuery, db: Db): Promise<readonly AppliedRow[]> {
  // Not by to_regclass: what it remembers from before another process has migrated it may still believe within this transaction.
  const [found] = await run<{ exists: boolean }>(
    `select exists (
       select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = 'schema_version'
     ) as exists`,
    [db.schemaName],
  )
  if (found?.exists !== true) return []
  return run<AppliedRow>(`select number, name, checksum from ${db.schema}.schema_version order by number`)
}

/** What a newer version has applied beyond ours is left alone: migrations only ever add what the version before can live with. */
function pendingOf(files: readonly MigrationFile[], applied: readonly AppliedRow[]): readonly MigrationFile[] {
  const byNumber = new Map(applied.map((row) => [row.number, row]))
  for (const file of files) {
    const row = byNumber.get(file.number)
    if (row === undefined || row.checksum === file.checksum) continue
    throw new AcuseError(
      'ACUSE_MIGRATION_FAILED',
      `Migration ${file.name} was applied as ${row.name} with another content (checksum ${row.checksum.slice(0, 12)}…, here ${file.checksum.slice(0, 12)}…). ` +
        `An applied migration is never changed: restore the file of the version that applied it, or find out who ran what.`,
    )
  }
  return files.filter((file) => !byNumber.has(file.number))
}

function pendingError(db: Db, pending: readonly MigrationFile[]): AcuseError {
  return new AcuseError(
    'ACUSE_MIGRATION_PENDING',
    `The schema ${db.schemaName} lacks ${pending.map(({ name }) => name).join(', ')}. ` +
      `Apply them with \`acuse migrate\`, with migrate() of @acuse/postgres, with your own tool from exportMigrations('${db.schemaName}'), or open the store with migrate: 'auto'.`,
  )
}

async function applyAll(
  db: Db,
  files: readonly MigrationFile[],
  options: Omit<MigrateOptions, 'schema' | 'mode'> & { readonly clock: Clock },
): Promise<readonly string[]> {
  const { clock } = options
  const deadline = clock.now() + (options.giveUpAfterMs ?? giveUpAfterMs)
  const names: string[] = []
  let reportAt = clock.now() + reportEveryMs
  for (;;) {
    const outcome = await applyNext(db, files)
    if (outcome.state === 'done') return names
    if (outcome.state === 'applied') {
      names.push(outcome.name)
      continue
    }
    if (clock.now() >= deadline) throw outcome.error
    if (clock.now() >= reportAt) {
      reportAt = clock.now() + reportEveryMs
      options.onBlocked?.(outcome.error)
    }
    await pause(clock, retryEveryMs)
  }
}

type Outcome =
  | { readonly state: 'done' }
  | { readonly state: 'applied'; readonly name: string }
  | { readonly state: 'blocked'; readonly error: AcuseError }

/** One migration in one transaction, under a lock that admits one process at a time. */
async function applyNext(db: Db, files: readonly MigrationFile[]): Promise<Outcome> {
  let current: MigrationFile | undefined
  try {
    return await db.transaction(
      async (run) => {
        const [lock] = await run<{ taken: boolean }>(
          `select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as taken`,
          [`acuse migrate ${db.schemaName}`],
        )
        if (lock?.taken !== true) return blocked('another process is migrating', db)
        current = pendingOf(files, await readApplied(run, db))[0]
        if (current === undefined) return { state: 'done' }
        await prepareSchema(run, db)
        await run(atOnce(current, db.schemaName))
        return { state: 'applied', name: current.name }
      },
      { statementTimeoutMs },
    )
  } catch (error) {
    if (error instanceof AcuseError) throw error
    const name = current?.name ?? 'a migration'
    // 55P03 lock_not_available; 40P01 a deadlock with somebody's own order of tables.
    if (['55P03', '40P01'].includes(sqlStateOf(error) ?? '')) {
      return blocked(`${name} waits for a table that is in use${await describeBlockers(db)}`, db, error)
    }
    throw new AcuseError(
      'ACUSE_MIGRATION_FAILED',
      `${name} failed in schema ${db.schemaName} and was rolled back: ${messageOf(error)}${hintFor(error, db)}`,
      { cause: error },
    )
  }
}

async function prepareSchema(run: RunQuery, db: Db): Promise<void> {
  const [schema] = await run<{ exists: boolean }>(
    'select exists (select from pg_namespace where nspname = $1) as exists',
    [db.schemaName],
  )
  // CREATE SCHEMA IF NOT EXISTS asks for the right to create one even where it exists.
  if (schema?.exists !== true) await run(`create schema ${db.schema}`)
  await run(versionTable(db.schemaName))
}

/**
 * A migration as one message, COMMIT included: from the first table it locks until it lets go, nobody waits for this process,
 * which may stand still, nor for the disk. If the server crashes before the disk has it, it has not been applied.
 */
function atOnce(migration: MigrationFile, schema: string): string {
  return [
    `set local lock_timeout = ${lockTimeoutMs}; set local synchronous_commit = off;`,
    sqlFor(migration, schema),
    `; ${recordOf(migration, schema)} commit;`,
  ].join('\n')
}

function blocked(why: string, db: Db, cause?: unknown): Outcome {
  const message = `The migration of schema ${db.schemaName} has to wait: ${why}.`
  return { state: 'blocked', error: new AcuseError('ACUSE_MIGRATION_FAILED', message, { cause }) }
}

function hintFor(error: unknown, db: Db): string {
  if (sqlStateOf(error) !== '42501') return ''
  return ` The role needs CREATE on the database (grant create on database … to …), or a schema of its own (create schema ${db.schemaName} authorization …).`
}
