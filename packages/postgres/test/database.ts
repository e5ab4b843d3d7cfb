import { randomUUID } from 'node:crypto'
import { Client, Pool, type PoolConfig } from 'pg'
import { inject } from 'vitest'

/** A database of a test's own on the run's server. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** A pool that is ended with the database. */
  pool(config?: PoolConfig): Pool
  /** One statement as superuser on a connection of its own. */
  query<R extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<R[]>
}

/** Another server to test on, e.g. an older major version. */
export const runUrl = process.env['ACUSE_TEST_POSTGRES'] ?? inject('adminUrl')

/** The address of a database on the run's server. */
export function urlOf(database: string, credentials?: { readonly user: string; readonly password: string }): string {
  const url = new URL(runUrl)
  url.pathname = `/${database}`
  if (credentials !== undefined) {
    url.username = credentials.user
    url.password = credentials.password
  }
  return url.href
}

/** Creates a database, with `options` as in `owner "bob" connection limit 3`. */
export async function createTestDatabase(options = ''): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await onServer(`create database ${name} ${options}`)
  const url = urlOf(name)
  const pools: Pool[] = []
  return {
    name,
    url,
    pool: (config = {}) => {
      const pool = new Pool({ connectionString: url, ...config })
      pool.on('error', () => undefined)
      pools.push(pool)
      return pool
    },
    query: (text, values) => runOnce(url, text, values),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(pools.filter((pool) => !pool.ending).map((pool) => pool.end()))
      await onServer(`drop database if exists ${name} with (force)`)
    },
  }
}

/** One statement on the server's own database, as superuser. */
export async function onServer(text: string): Promise<void> {
  await runOnce(runUrl, text)
}

async function runOnce<R extends object>(url: string, text: string, values: readonly unknown[] = []): Promise<R[]> {
  const client = new Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<R>(text, [...values])
    return rows
  } finally {
    await client.end()
  }
}
