import { AcuseError } from '@acuse/core'
import type { Db } from './db.ts'

/** What `allowUnsafe` can name. Each of these loses messages that were acknowledged, or does not work at all. */
export type UnsafeSetting =
  | 'fsync'
  | 'full_page_writes'
  | 'synchronous_commit'
  | 'unlogged'
  | 'server_version'
  | 'server_encoding'

interface Finding {
  readonly setting: UnsafeSetting
  readonly found: string
  readonly danger: string
  readonly mend: string
}

/** What the server says of itself. */
export interface ServerSettings {
  /** As in 180004. */
  readonly version: number
  readonly version_text: string
  readonly fsync: string
  readonly full_page_writes: string
  readonly synchronous_commit: string
  readonly server_encoding: string
  readonly in_recovery: boolean
  readonly read_only: string
}

const oldestVersion = 140_000

/** Reads the server's settings and refuses it where `assertSafe` does. */
export async function assertSafeServer(db: Db, allowed: readonly UnsafeSetting[]): Promise<void> {
  const [server] = await db.query<ServerSettings>(
    `select current_setting('server_version_num')::int as version, current_setting('server_version') as version_text,
       current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit, current_setting('server_encoding') as server_encoding,
       pg_is_in_recovery() as in_recovery, current_setting('transaction_read_only') as read_only`,
  )
  if (server !== undefined) assertSafe(server, allowed)
}

/**
 * Refuses a server that would lose what it has confirmed. Throws `ACUSE_READ_ONLY` for a standby or a read-only database and
 * `ACUSE_UNSAFE_SETTING` for every finding that `allowed` does not list.
 */
export function assertSafe(server: ServerSettings, allowed: readonly UnsafeSetting[]): void {
  if (server.in_recovery || server.read_only === 'on') {
    throw new AcuseError(
      'ACUSE_READ_ONLY',
      server.in_recovery
        ? 'This server is a standby: nothing can be written, and what is read may be behind. Connect to the primary.'
        : 'This database is read-only (default_transaction_read_only is on). Connect with a role, or to a server, that may write.',
    )
  }
  refuse(findings(server), allowed)
}

/** What the application's own client commits with: a pool can set it for each connection. Throws `ACUSE_UNSAFE_SETTING`. */
export function assertDurableCommit(synchronousCommit: string, allowed: readonly UnsafeSetting[]): void {
  if (synchronousCommit === 'off') refuse([lazyCommit("the application's connections")], allowed)
}

/** Throws `ACUSE_UNSAFE_SETTING` when a table of ours is emptied by a crash. */
export async function assertLoggedTables(db: Db, allowed: readonly UnsafeSetting[]): Promise<void> {
  const tables = await db.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind = 'r' and c.relpersistence = 'u' order by 1`,
    [db.schemaName],
  )
  refuse(
    tables.map(({ name }) => ({
      setting: 'unlogged' as const,
      found: `The table ${db.schemaName}.${name} is UNLOGGED`,
      danger: 'a crash of the server empties it',
      mend: `alter table ${db.schemaName}.${name} set logged`,
    })),
    allowed,
  )
}

function findings(server: ServerSettings): readonly Finding[] {
  const found: Finding[] = []
  if (server.version < oldestVersion) {
    found.push({
      setting: 'server_version',
      found: `The server is PostgreSQL ${server.version_text}`,
      danger: 'Acuse is made for 14 and later',
      mend: 'upgrade the server',
    })
  }
  if (server.fsync === 'off') {
    found.push({
      setting: 'fsync',
      found: 'fsync is off',
      danger: 'a power failure can destroy the whole database',
      mend: 'alter system set fsync = on; select pg_reload_conf()',
    })
  }
  if (server.full_page_writes === 'off') {
    found.push({
      setting: 'full_page_writes',
      found: 'full_page_writes is off',
      danger: 'a power failure can tear pages that nothing can repair',
      mend: 'alter system set full_page_writes = on; select pg_reload_conf()',
    })
  }
  if (server.synchronous_commit === 'off') found.push(lazyCommit('this role and database'))
  if (server.server_encoding !== 'UTF8') {
    found.push({
      setting: 'server_encoding',
      found: `The database is encoded in ${server.server_encoding}`,
      danger: 'most texts cannot be stored in it',
      mend: "create database … encoding 'UTF8' template template0",
    })
  }
  return found
}

function lazyCommit(whose: string): Finding {
  return {
    setting: 'synchronous_commit',
    found: `synchronous_commit is off for ${whose}`,
    danger: 'a crash loses the transactions that were committed last, after their messages were acknowledged',
    mend: 'alter role … set synchronous_commit = on (look at alter database, alter role and the connection options)',
  }
}

function refuse(found: readonly Finding[], allowed: readonly UnsafeSetting[]): void {
  const refused = found.filter(({ setting }) => !allowed.includes(setting))
  if (refused.length === 0) return
  throw new AcuseError(
    'ACUSE_UNSAFE_SETTING',
    refused
      .map(
        ({ setting, found: what, danger, mend }) =>
          `${what}: ${danger}. Mend it with: ${mend}. Or accept it with allowUnsafe: ['${setting}'].`,
      )
      .join('\n'),
  )
}
