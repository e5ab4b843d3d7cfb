import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type MigrationFile, readMigrations, sqlFor, versionTable } from '../src/migration-files.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { contractOf, expansionFaults } from './expansion.ts'
import { dumpSchema } from './schema-dump.ts'

const migrations = readMigrations()
/** The schemas of released versions, as `schema-0002.sql`: written once, at the release, and never changed. */
const released = new URL('released/', import.meta.url)

async function schemaWith(files: readonly Pick<MigrationFile, 'sql'>[]): Promise<TestDatabase> {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  await database.query('create schema acuse')
  await database.query(versionTable('acuse'))
  for (const file of files) await apply(database, file.sql)
  return database
}

async function apply(database: TestDatabase, sql: string): Promise<void> {
  await database.query(sqlFor({ number: 0, name: '', checksum: '', sql }, 'acuse'))
}

async function releasedSchemas(): Promise<{ number: number; schema: string }[]> {
  const files = (await readdir(released)).filter((name) => name.endsWith('.sql'))
  return Promise.all(
    files.map(async (name) => ({
      number: Number(/^schema-(\d{4})\.sql$/.exec(name)?.[1]),
      schema: await readFile(new URL(name, released), 'utf8'),
    })),
  )
}

describe('the version before', () => {
  it('can live with every migration, unless that takes away what a released version has replaced', async () => {
    const database = await schemaWith([])
    const newest = Math.max(0, ...(await releasedSchemas()).map(({ number }) => number))
    for (const { name, sql } of migrations) {
      const before = await dumpSchema(database, 'acuse')
      await apply(database, sql)
      const contract = contractOf(sql)
      const faults = expansionFaults(before, await dumpSchema(database, 'acuse'))
      if (contract === undefined) expect(faults, name).toEqual([])
      else
        expect(contract, `${name}: what it takes away has been replaced in no released version`).toBeLessThanOrEqual(
          newest,
        )
    }
  })

  it('finds the schema that was released with it', async () => {
    for (const { number, schema } of await releasedSchemas()) {
      const database = await schemaWith(migrations.filter((file) => file.number <= number))
      expect(await dumpSchema(database, 'acuse'), `migrations up to ${number} were changed after their release`).toBe(
        schema,
      )
    }
  })
})

const refused: readonly (readonly [what: string, sql: string, fault: RegExp])[] = [
  ['a table that is dropped', 'drop table @schema@.cron', /takes away or changes: table cron/],
  ['a column that is dropped', 'alter table @schema@.inbox drop column at', /changes: column inbox.at/],
  [
    'a column that is renamed',
    'alter table @schema@.parked rename column reason to why',
    /changes: column parked.reason/,
  ],
  [
    'a column of another type',
    'alter table @schema@.saga alter column version type bigint',
    /changes: column saga.version/,
  ],
  [
    'a column that must be written',
    'alter table @schema@.saga add column owner text not null',
    /cannot write rows without: column saga.owner/,
  ],
  [
    'a column that was optional and is not any more',
    'alter table @schema@.parked alter column key set not null',
    /changes: column parked.key text/,
  ],
  [
    'a constraint on a table in use',
    'alter table @schema@.saga add constraint short check (length(id) < 100)',
    /knows nothing of: constraint saga.short/,
  ],
  [
    'an index on a table in use',
    'create index late on @schema@.inbox (crc)',
    /waits until it is built: CREATE INDEX late ON acuse.inbox/,
  ],
  [
    'a function with another result',
    'drop function @schema@.log_incarnation(); create function @schema@.log_incarnation() returns integer language sql as $$ select 1 $$',
    /signature of: acuse.log_incarnation/,
  ],
  [
    'two tables in use at once',
    'alter table @schema@.saga add column a int; alter table @schema@.cron add column b int',
    /more than one table in use: cron, saga/,
  ],
]

const allowed: readonly (readonly [what: string, sql: string])[] = [
  [
    'a new table with everything it needs',
    'create table @schema@.note (id int primary key, text text not null unique)',
  ],
  ['an optional column', 'alter table @schema@.saga add column owner text'],
  ['a column with a default', "alter table @schema@.inbox add column note text not null default ''"],
  ['a new function', 'create function @schema@.twice(n integer) returns integer language sql as $$ select 2 * n $$'],
  [
    'another body of a function',
    'create or replace function @schema@.log_incarnation() returns text language sql stable as $$ select null $$',
  ],
]

describe('a migration', () => {
  it.each(refused)('with %s is refused', async (_what, sql, fault) => {
    const database = await schemaWith(migrations)
    const before = await dumpSchema(database, 'acuse')
    await apply(database, sql)
    expect(expansionFaults(before, await dumpSchema(database, 'acuse')).join('\n')).toMatch(fault)
  })

  it.each(allowed)('with %s is allowed', async (_what, sql) => {
    const database = await schemaWith(migrations)
    const before = await dumpSchema(database, 'acuse')
    await apply(database, sql)
    expect(expansionFaults(before, await dumpSchema(database, 'acuse'))).toEqual([])
  })

  it('says in its first line what it is the contract of', () => {
    expect(contractOf('-- contract of 0003: the old column\nalter table x drop column y')).toBe(3)
    expect(contractOf('alter table x drop column y -- contract of 0003')).toBeUndefined()
  })
})
