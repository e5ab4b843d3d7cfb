import { readFile, writeFile } from 'node:fs/promises'
import { expect, it, onTestFinished } from 'vitest'
import { migrate } from '../src/migrate.ts'
import { createTestDatabase } from './database.ts'
import { dumpSchema } from './schema-dump.ts'

const golden = new URL('schema.sql', import.meta.url)

it('all migrations together make the schema that was reviewed (UPDATE_GOLDEN=1 writes it anew)', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  await migrate(database.url)
  const schema = await dumpSchema(database, 'acuse')
  if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(golden, schema)
  expect(schema).toBe(await readFile(golden, 'utf8'))
})
