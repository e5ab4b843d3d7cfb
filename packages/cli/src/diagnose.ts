import { codeOf } from '@acuse/core'
import type { UnsafeSetting } from '@acuse/postgres'
import { type DatabaseOptions, storeUrl } from './database-options.ts'
import { type Failure, failureOf } from './failure.ts'
import { openStore } from './open-store.ts'
import { loadPackage } from './optional-package.ts'

export type Finding = Failure

export interface Diagnosis {
  /** What the server says of itself; empty where it cannot be reached. */
  readonly settings: Readonly<Record<string, string>>
  readonly findings: readonly Finding[]
}

const shownSettings = [
  'server_version',
  'server_encoding',
  'fsync',
  'full_page_writes',
  'synchronous_commit',
  'max_connections',
  'wal_level',
  'default_transaction_read_only',
  'idle_in_transaction_session_timeout',
]

const unsafeSettings: readonly UnsafeSetting[] = [
  'fsync',
  'full_page_writes',
  'synchronous_commit',
  'unlogged',
  'server_version',
  'server_encoding',
]

/** Opens the database as a service would, and tells all that would stop one. */
export async function diagnose(options: DatabaseOptions): Promise<Diagnosis> {
  const findings: Finding[] = []
  const settings = await readSettings(options).catch((error: unknown) => {
    findings.push(failureOf(error))
    return {}
  })
  if (findings.length > 0) return { settings, findings }
  // Opening stops at what it finds first. Unsafe settings can be passed over, to see what else there is.
  const refused = await whyNot(options, [])
  if (refused !== undefined) findings.push(failureOf(refused))
  if (codeOf(refused) === 'ACUSE_UNSAFE_SETTING') {
    const more = await whyNot(options, unsafeSettings)
    if (more !== undefined) findings.push(failureOf(more))
  }
  return { settings, findings }
}

async function whyNot(options: DatabaseOptions, allowUnsafe: readonly UnsafeSetting[]): Promise<unknown> {
  try {
    const store = await openStore({ ...options, allowUnsafe, service: 'acuse', onError: () => undefined })
    await store[Symbol.asyncDispose]()
    return undefined
  } catch (error) {
    return error
  }
}

async function readSettings(options: DatabaseOptions): Promise<Record<string, string>> {
  const pg = await loadPackage('pg', () => import('pg'))
  const connectionString = storeUrl(options)
  const client = new pg.Client({ connectionString, application_name: 'acuse', connectionTimeoutMillis: 10_000 })
  try {
    await client.connect()
    const { rows } = await client.query<{ name: string; setting: string }>(
      'select name, setting from pg_settings where name = any ($1) order by array_position($1, name)',
      [shownSettings],
    )
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
  } finally {
    await client.end()
  }
}
