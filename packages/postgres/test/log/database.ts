import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AcuseError, systemClock, type TransportContext } from '@acuse/core'
import { type Db, openDb } from '../../src/db.ts'
import { startEmbedded, type EmbeddedServer } from '../../src/embedded/index.ts'
import { type LogOptions, openLog, type PostgresLog } from '../../src/log/transport.ts'

/** A PostgreSQL server for one test file, in a folder of its own. */
export interface TestServer extends AsyncDisposable {
  readonly server: EmbeddedServer
  /** A new database with the log's migration applied; gives its address. */
  newDatabase(): Promise<string>
}

/** Another major version: a folder with its `bin` and `lib`. */
export const binaries = process.env['ACUSE_TEST_BINARIES']

export async function startServer(settings: Record<string, string> = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-log-'))
  const server = await startEmbedded({ folder, settings, ...(binaries === undefined ? {} : { binaries }) })
  let count = 0
  return {
    server,
    async newDatabase() {
      const url = await server.createDatabase(`log_${++count}`)
      await using db = openTestDb(url)
      await migrateLog(db)
      return url
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function migrateLog(db: Db): Promise<void> {
  const sql = await readFile(new URL('../../migrations/0001-log.sql', import.meta.url), 'utf8')
  await db.query(`create schema ${db.schema}`)
  await db.query(sql.replaceAll('@schema@', db.schema))
}

export function openTestDb(url: string, connections = 4): Db {
  return openDb(url, { schema: 'acuse', connections, service: 'test', onError: () => undefined })
}

/** One process' worth of log: its own pool, and what it reported. */
export interface TestLog extends AsyncDisposable {
  readonly db: Db
  readonly log: PostgresLog
  readonly errors: AcuseError[]
}

let instances = 0

export async function openTestLog(
  url: string,
  options: LogOptions = {},
  through: (db: Db) => Db = (db) => db,
): Promise<TestLog> {
  const errors: AcuseError[] = []
  const onError = (error: AcuseError): void => {
    errors.push(error)
  }
  const db = through(openDb(url, { schema: 'acuse', connections: 4, service: 'test', onError }))
  const context: TransportContext = { service: 'test', instance: `test-${++instances}`, clock: systemClock, onError }
  const log = await openLog(db, context, options)
  return {
    db,
    log,
    errors,
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      await db[Symbol.asyncDispose]()
    },
  }
}
