import { randomBytes } from 'node:crypto'

import { Client } from 'pg'
import { inject, onTestFinished } from 'vitest'

import { openDatabase } from '../../src/database/database.ts'
import type { Database } from '../../src/database/database.ts'

/** An empty database of the test's own, dropped after it. */
export async function temporaryDatabase(): Promise<Database> {
  const adminUrl = inject('adminUrl')
  const name = `marketplace_test_${randomBytes(6).toString('hex')}`
  const admin = new Client({ connectionString: adminUrl })
  await admin.connect()
  await admin.query(`create database ${name}`)
  const url = new URL(adminUrl)
  url.pathname = name
  const database = openDatabase(url.href)
  onTestFinished(async () => {
    await database.close()
    await admin.query(`drop database ${name} with (force)`)
    await admin.end()
  })
  return database
}
