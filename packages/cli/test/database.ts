import { randomUUID } from 'node:crypto'
import { Client, Pool } from 'pg'
import { inject, onTestFinished } from 'vitest'

/** A database of a test's own on the run's server. */
export interface TestDatabase {
  readonly url: string
  readonly pool: Pool
}

/** Creates a database; it is dropped when the test ends. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await onServer(`create database ${name}`)
  const url = new URL(inject('adminUrl'))
  url.pathname = `/${name}`
  const pool = new Pool({ connectionString: url.href, max: 12 })
  pool.on('error', () => undefined)
  onTestFinished(async () => {
    await pool.end()
    await onServer(`drop database if exists ${name} with (force)`)
  })
  return { url: url.href, pool }
}

/** Runs a statement as the server's operator. */
export async function onServer(text: string): Promise<void> {
  const client = new Client(inject('adminUrl'))
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}
