import { codeOf, ConfigurationError } from '@acuse/core'
import type { GroupSummary } from '@acuse/postgres'
import { type DatabaseOptions, storeUrl } from './database-options.ts'
import { loadPackage } from './optional-package.ts'

/** Every group that reads this database's log, or keeps its inbox here. */
export function readGroups(options: DatabaseOptions): Promise<readonly GroupSummary[]> {
  return onTables(options, async ({ listGroups }) => listGroups(storeUrl(options), options))
}

/** Forgets a group: its cursors, so that it holds nothing in the log, and what of it is parked. */
export function forgetGroup(options: DatabaseOptions, name: string): Promise<void> {
  return onTables(options, async ({ deleteGroup }) => deleteGroup(storeUrl(options), name, options))
}

async function onTables<R>(
  { schema }: DatabaseOptions,
  work: (postgres: typeof import('@acuse/postgres')) => Promise<R>,
): Promise<R> {
  try {
    return await work(await loadPackage('@acuse/postgres', () => import('@acuse/postgres')))
  } catch (error) {
    // 3F000 and 42P01: no such schema, no such table.
    if (codeOf(error) !== '3F000' && codeOf(error) !== '42P01') throw error
    throw new ConfigurationError(
      `Schema ${schema} has no tables of Acuse, or of an older version: see \`acuse migrate --verify\`.`,
    )
  }
}
