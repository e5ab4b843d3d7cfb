import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { schemaIdent } from './db-names.ts'

/** A numbered SQL file, with `@schema@` for the quoted name of the schema. */
export interface MigrationFile {
  readonly number: number
  /** Without the ending: `0001-log`. */
  readonly name: string
  readonly sql: string
  /** SHA-256 of the text as it is shipped. */
  readonly checksum: string
}

/** Shipped with the package; the same folder from src and from dist. */
export const shippedFolder: URL = new URL('../migrations/', import.meta.url)

/** All migrations of a folder, in order. */
export function readMigrations(folder: URL = shippedFolder): readonly MigrationFile[] {
  return readdirSync(folder)
    .filter((file) => /^\d{4}-.+\.sql$/.test(file))
    .toSorted()
    .map((file) => {
      // A checkout may have turned line ends around.
      const sql = readFileSync(new URL(file, folder), 'utf8').replaceAll('\r\n', '\n')
      const checksum = createHash('sha256').update(sql).digest('hex')
      return { number: Number(file.slice(0, 4)), name: file.slice(0, -'.sql'.length), sql, checksum }
    })
}

/** What a migration runs, for a schema. */
export function sqlFor(migration: MigrationFile, schema: string): string {
  return migration.sql.replaceAll('@schema@', schemaIdent(schema))
}

/** The table that says which migrations are applied; the first of them makes it. */
export function versionTable(schema: string): string {
  return `create table if not exists ${schemaIdent(schema)}.schema_version (
  number integer primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default clock_timestamp()
)`
}

/** Notes that a migration is applied. Its name is that of a file of ours. */
export function recordOf({ number, name, checksum }: MigrationFile, schema: string): string {
  const quotedName = `'${name.replaceAll("'", "''")}'`
  return `insert into ${schemaIdent(schema)}.schema_version (number, name, checksum) values (${number}, ${quotedName}, '${checksum}');`
}

/** A migration as other tools can run it. */
export interface ExportedMigration {
  readonly name: string
  /** To be run as a whole in one transaction. It records itself, so that `migrate: 'verify'` finds it applied. */
  readonly sql: string
}

/** The migrations for a migration tool of your own. Throws `ACUSE_CONFIGURATION` for a schema name that cannot be used. */
export function exportMigrations(schema = 'acuse'): readonly ExportedMigration[] {
  const quoted = schemaIdent(schema)
  return readMigrations().map((migration, index) => ({
    name: migration.name,
    sql: [
      ...(index === 0 ? [`create schema if not exists ${quoted};`, `${versionTable(schema)};`] : []),
      sqlFor(migration, schema),
      recordOf(migration, schema),
      '',
    ].join('\n'),
  }))
}
