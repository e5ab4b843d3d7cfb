import { randomUUID } from 'node:crypto'
import { Client } from 'pg'

/** Creates a database for an example on the run's own server; gives its URL. It goes with the server. */
export async function databaseFor(example: string, adminUrl: string): Promise<string> {
  const name = `example_${example}_${randomUUID().slice(0, 8)}`
  const admin = new Client({ connectionString: adminUrl })
  await admin.connect()
  try {
    await admin.query(`create database "${name}"`)
  } finally {
    await admin.end()
  }
  const url = new URL(adminUrl)
  url.pathname = name
  return url.href
}
