import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Client, Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { pg } from '../src/clients/pg.ts'
import { type Db, openDb } from '../src/db.ts'
import { migrate, migrateDb } from '../src/migrate.ts'
import { exportMigrations, readMigrations, shippedFolder } from '../src/migration-files.ts'
import { createTestDatabase, onServer, type TestDatabase, urlOf } from './database.ts'
import { message } from './messages.ts'
import { storeContext } from './store/store-fixture.ts'

let database: TestDatabase
const names = readMigrations().map(({ name }) => name)

beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(async () => {
  await database[Symbol.asyncDispose]()
})

/** The shipped migrations and one more. */
async function folderWith(file: string, sql: string): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-migrations-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await cp(shippedFolder, folder, { recursive: true })
  await writeFile(join(folder, file), sql)
  return pathToFileURL(`${folder}/`)
}

/** A role that can log in and nothing else, and the database's address for it. */
async function plainRole(): Promise<{ role: string; url: string }> {
  const role = database.name.replace('test_', 'role_')
  await onServer(`create role ${role} login password 'secret'`)
  onTestFinished(() => onServer(`drop role ${role}`))
  onTestFinished(() => database[Symbol.asyncDispose]())
  return { role, url: urlOf(database.name, { user: role, password: 'secret' }) }
}

const applied = (): Promise<{ name: string }[]> =>
  database.query<{ name: string }>('select name from acuse.schema_version order by number')

describe('migrate', () => {
  it('makes the schema, says what it applied, and the second time does nothing', async () => {
    expect(await migrate(database.url)).toEqual(names)
    expect(await migrate(database.url)).toEqual([])
    expect(await applied()).toEqual(names.map((name) => ({ name })))
  })

  it('applies each migration once when several processes start at the same time', async () => {
    const runs = await Promise.all([1, 2, 3, 4].map(() => migrate(database.url)))
    expect(runs.flat().toSorted()).toEqual(names)
    expect(await applied()).toHaveLength(names.length)
  })

  it('sees what another process has applied since its transaction began', async () => {
    await migrate(database.url, { schema: 'made' })
    await using db = openDb(database.url, { schema: 'acuse', connections: 1, onError: () => undefined })
    // As after a first try that another process was in the way of: what the connection needs for the next one it remembers.
    await db.transaction((run) =>
      run(`select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as taken`, ['another']),
    )
    // Between BEGIN and the lock, on a connection that has looked for the tables before and remembers that there are none.
    const overtaken: Db = {
      ...{ schema: db.schema, schemaName: db.schemaName, connections: db.connections },
      isDirect: db.isDirect.bind(db),
      connectionsOnServer: db.connectionsOnServer.bind(db),
      query: db.query.bind(db),
      listen: db.listen.bind(db),
      transaction: (work, options) =>
        db.transaction(async (run) => {
          await run('select 1')
          // As small a change as can be: of a large one the server would have told this connection by itself.
          await database.query('alter schema made rename to acuse')
          return work(run)
        }, options),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
    expect(await migrateDb(overtaken, 'auto', { clock: systemClock })).toEqual([])
    expect(await applied()).toHaveLength(names.length)
  })

  it('keeps schemas apart, and refuses a name that cannot be one', async () => {
    await migrate(database.url, { schema: 'one' })
    await migrate(database.url, { schema: 'two' })
    const tables = await database.query<{ schema: string; n: number }>(
      `select schemaname as schema, count(*)::int as n from pg_tables where schemaname in ('one', 'two') group by 1`,
    )
    expect(new Set(tables.map(({ n }) => n)).size).toBe(1)
    expect(tables).toHaveLength(2)
    for (const schema of ['', 'a"b', 'a'.repeat(64), 'pg_own', 'Ünicode']) {
      await expect(migrate(database.url, { schema })).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
    }
  })

  it('takes no lock and writes nothing when everything is applied', async () => {
    await migrate(database.url)
    const holder = await open()
    await holder.query('begin')
    await holder.query(`select pg_advisory_xact_lock(hashtextextended('acuse migrate acuse', 0))`)
    await holder.query('lock table acuse.schema_version in exclusive mode')
    const readOnly = `${database.url}?options=${encodeURIComponent('-c default_transaction_read_only=on')}`
    expect(await migrate(readOnly)).toEqual([])
    await holder.query('rollback')
  })

  it('leaves alone what a newer version has applied', async () => {
    await migrate(database.url)
    await database.query(`insert into acuse.schema_version values (9000, '9000-later', 'x')`)
    expect(await migrate(database.url, { mode: 'verify' })).toEqual([])
  })

  it('rolls a migration back whole when it fails, and says which and why', async () => {
    const folder = await folderWith('0003-broken.sql', 'create table @schema@.half (id int); select 1 / 0;')
    await expect(migrate(database.url, { folder })).rejects.toMatchObject({
      code: 'ACUSE_MIGRATION_FAILED',
      message: expect.stringMatching(/0003-broken failed in schema acuse and was rolled back: division by zero/),
    })
    expect(await database.query(`select to_regclass('acuse.half') as half`)).toEqual([{ half: null }])
    expect(await applied()).toHaveLength(names.length)
  })

  it('refuses a migration whose text is not the one that was applied', async () => {
    await migrate(database.url, { folder: await folderWith('0003-more.sql', 'create table @schema@.more (id int);') })
    const folder = await folderWith('0003-more.sql', 'create table @schema@.more (id bigint);')
    for (const mode of ['auto', 'verify'] as const) {
      await expect(migrate(database.url, { folder, mode })).rejects.toMatchObject({
        code: 'ACUSE_MIGRATION_FAILED',
        message: expect.stringMatching(/0003-more was applied .* with another content/),
      })
    }
  })

  it('verifies without writing, and names what is pending and how to apply it', async () => {
    await expect(migrate(database.url, { mode: 'verify' })).rejects.toMatchObject({
      code: 'ACUSE_MIGRATION_PENDING',
      message: expect.stringMatching(new RegExp(`lacks ${names.join(', ')}.*acuse migrate.*exportMigrations`)),
    })
    expect(await database.query(`select from pg_namespace where nspname = 'acuse'`)).toEqual([])
    const context = storeContext()
    await expect(pg(database.pool(), { migrate: 'verify' })(context)).rejects.toMatchObject({
      code: 'ACUSE_MIGRATION_PENDING',
    })
  })

  it('can be done by another tool', async () => {
    for (const { sql } of exportMigrations('own')) await database.query(sql)
    expect(await migrate(database.url, { schema: 'own', mode: 'verify' })).toEqual([])
  })
})

describe('a role without rights beyond its own', () => {
  it('migrates and runs a store with nothing but CREATE on the database', async () => {
    const { role, url } = await plainRole()
    await onServer(`grant create on database ${database.name} to ${role}`)
    expect(await runStore(url)).toEqual(['new'])
  })

  it('migrates and runs a store in a schema that was made for it', async () => {
    const { role, url } = await plainRole()
    await database.query(`create schema acuse authorization ${role}`)
    expect(await runStore(url)).toEqual(['new'])
  })

  it('is told what it lacks', async () => {
    const { url } = await plainRole()
    await expect(migrate(url)).rejects.toMatchObject({
      code: 'ACUSE_MIGRATION_FAILED',
      message: expect.stringMatching(/permission denied.*grant create on database/),
    })
  })

  async function runStore(url: string): Promise<readonly string[]> {
    const pool = new Pool({ connectionString: url })
    const store = await pg(pool)(storeContext())
    const delivered = message({ key: 'k' })
    const verdicts = await store.transaction(async (tx) => {
      await store.append(tx, [message()])
      return store.inbox.accept(tx, 'g', [{ message: delivered, ordered: true }])
    })
    // A handler that timed out is ended by the same role.
    const work = store.transaction(async (tx) => {
      const sleeping = tx.query('select pg_sleep(30)')
      store.abort(tx)
      await sleeping
    })
    await expect(work).rejects.toThrow(/connection/i)
    await store[Symbol.asyncDispose]()
    await pool.end()
    return verdicts
  }
})

describe('while the application works', () => {
  it('waits for a long transaction without holding up anybody who publishes', async () => {
    await migrate(database.url)
    const store = await pg(database.pool())(storeContext())
    const business = await open()
    await business.query('begin')
    await business.query(`insert into acuse.inbox (grp, id, crc) values (1, 'business', 0)`)
    await store.transaction((tx) => store.append(tx, [message()]))
    await business.query(`insert into acuse.log select * from acuse.log limit 1`)

    const impatient = database.pool({ max: 2, options: '-c lock_timeout=50ms' })
    const publisher = await pg(impatient)(storeContext({ effectConnections: 2 }))
    let published = 0
    let longestMs = 0
    const stop = new AbortController()
    const publishing = [0, 1].map(async () => {
      while (!stop.signal.aborted) {
        const started = performance.now()
        await publisher.transaction((tx) => publisher.append(tx, [message()]))
        longestMs = Math.max(longestMs, performance.now() - started)
        published++
      }
    })

    const folder = await folderWith(
      '0003-more.sql',
      'alter table @schema@.log add column more int; alter table @schema@.inbox add column more int;',
    )
    let done = false
    const migrating = migrate(database.url, { folder }).finally(() => {
      done = true
    })
    await eventually(() => expect(published).toBeGreaterThan(2_000), { timeoutMs: 30_000 })
    const [waiting] = await eventually(async () => {
      const waiters = await database.query(
        `select from pg_stat_activity where application_name = 'acuse:migrate' and datname = current_database()`,
      )
      expect(waiters).toHaveLength(1)
      return waiters
    })
    expect(waiting).toBeDefined()
    expect(done).toBe(false)
    await business.query('commit')
    expect(await migrating).toEqual(['0003-more'])
    stop.abort()
    // Any of them that had waited longer than 50 ms for a lock would have failed.
    await Promise.all(publishing)
    expect(longestMs).toBeLessThan(1_000)
    await publisher[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })

  it('gives up after its time, naming the backend that is in the way', async () => {
    await migrate(database.url)
    const business = await open('the-business')
    await business.query('begin')
    await business.query(`insert into acuse.inbox (grp, id, crc) values (1, 'business', 0)`)
    const [{ pid } = { pid: 0 }] = (await business.query<{ pid: number }>('select pg_backend_pid() as pid')).rows
    const folder = await folderWith('0003-more.sql', 'alter table @schema@.inbox add column more int;')
    await expect(migrate(database.url, { folder, giveUpAfterMs: 700 })).rejects.toMatchObject({
      code: 'ACUSE_MIGRATION_FAILED',
      message: expect.stringMatching(
        new RegExp(`0003-more waits for a table.*backend ${pid} \\(the-business, in a transaction.*inbox`),
      ),
    })
    await business.query('rollback')
  })
})

async function open(applicationName = 'test'): Promise<Client> {
  const client = new Client({ connectionString: database.url, application_name: applicationName })
  client.on('error', () => undefined)
  await client.connect()
  onTestFinished(() => client.end())
  return client
}
