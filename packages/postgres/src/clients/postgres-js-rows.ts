import type { Sql, TransactionSql } from 'postgres'
import { ownTypes } from '../db-types.ts'
import type { ResultRow } from '../sql-client.ts'

type AnyTypes = Record<string, unknown>

/** The OID of the type "unknown": the server finds out the type as if none were said, and postgres.js has no serializer for it. */
const unknownType = 705

/**
 * Runs one statement with values written and read Acuse's way, whatever `types` and `transform` the application has set:
 * postgres.js would make JSON of text for a jsonb column, and cut microseconds off.
 */
export async function runInPostgresJs(
  tx: TransactionSql<AnyTypes>,
  options: Sql<AnyTypes>['options'],
  text: string,
  values: readonly unknown[],
): Promise<readonly ResultRow[]> {
  const parameters = values.map((value) => tx.typed(textOf(value), unknownType))
  const result = await tx.unsafe(text, parameters, { prepare: true }).raw()
  const names = namesIn(text, options.transform.column.from)
  return [...result].map((fields) =>
    Object.fromEntries(
      result.columns.flatMap(({ name, type }, at) => {
        const value = read(fields[at], type)
        return names(name).map((own) => [own, value])
      }),
    ),
  )
}

function read(field: unknown, type: number): unknown {
  return field instanceof Uint8Array ? ownTypes.getTypeParser(type, 'text')(Buffer.from(field).toString()) : null
}

/** A value as PostgreSQL reads it. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return `{${value.map(elementOf).join(',')}}`
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function elementOf(value: unknown): string {
  const text = textOf(value)
  if (text === null) return 'NULL'
  return Array.isArray(value) ? text : `"${text.replaceAll(/[\\"]/g, String.raw`\$&`)}"`
}

/**
 * The names that a column may have had before postgres.js renamed it (`transform.column`), which cannot be told for each statement.
 * All names are words of the statement.
 */
function namesIn(text: string, rename: ((name: string) => string) | undefined): (column: string) => readonly string[] {
  if (rename === undefined) return (column) => [column]
  const words = new Set(text.match(/[a-z_][a-z0-9_]*/gi))
  return (column) => [column, ...[...words].filter((word) => rename(word) === column)]
}
