import type { ResultRow } from '../sql-client.ts'
import { failedInside } from './pg-client.ts'

/** What is needed of a transaction of Kysely, which MikroORM works through as well. */
export interface KyselyTransaction {
  readonly isTransaction: true
  getExecutor(): { stream(query: KyselyQuery, chunkSize: number): unknown }
  withoutPlugins(): { executeQuery(query: KyselyQuery): Promise<{ readonly rows: readonly unknown[] }> }
}

interface KyselyQuery {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly query: { readonly kind: 'RawNode'; readonly sqlFragments: readonly string[]; readonly parameters: [] }
  readonly queryId: { readonly queryId: string }
}

export function isKyselyTransaction(value: unknown): value is KyselyTransaction {
  return (
    typeof value === 'object' &&
    value !== null &&
    'isTransaction' in value &&
    value.isTransaction === true &&
    'getExecutor' in value &&
    'withoutPlugins' in value
  )
}

/**
 * Whether Kysely has neither committed it nor rolled it back. There is no property for that, but its executor throws at once when it
 * has. A stream is what it gives without doing anything: that begins only when somebody reads it.
 */
export function isKyselyOpen(transaction: KyselyTransaction): boolean {
  try {
    transaction.getExecutor().stream(queryOf('select 1', []), 1)
    return true
  } catch {
    return false
  }
}

/**
 * Runs one statement in a transaction whose connection is not known: one that the application opened itself.
 * Its plugins are left out, which rename columns; the application's type parsers remain.
 */
export async function runInKysely(
  transaction: KyselyTransaction,
  text: string,
  values: readonly unknown[],
): Promise<readonly ResultRow[]> {
  const { rows } = await transaction.withoutPlugins().executeQuery(queryOf(text, values))
  return rows as readonly ResultRow[]
}

function queryOf(text: string, values: readonly unknown[]): KyselyQuery {
  return {
    sql: text,
    parameters: [...values],
    query: { kind: 'RawNode', sqlFragments: [text], parameters: [] },
    queryId: { queryId: 'acuse' },
  }
}

/** From 0.29.7 on Kysely itself looks at what the server answers to COMMIT; before that only Acuse does. */
export function passOnAborted(error: unknown): never {
  if (error instanceof Error && error.name === 'AbortedTransactionError') throw failedInside(error)
  throw error
}
