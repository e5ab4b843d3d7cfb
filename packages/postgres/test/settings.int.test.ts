import { chmod, chown, cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool, type PoolConfig } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { StoreContext } from '@acuse/core'
import { pg } from '../src/clients/pg.ts'
import { startEmbedded, type EmbeddedServer } from '../src/embedded/index.ts'
import type { StoreOptions } from '../src/store/create-store.ts'
import { createTestDatabase, onServer, type TestDatabase, urlOf } from './database.ts'
import { storeContext } from './store/store-fixture.ts'

async function newDatabase(options?: string): Promise<TestDatabase> {
  const database = await createTestDatabase(options)
  onTestFinished(() => database[Symbol.asyncDispose]())
  return database
}

/** Opens a store and closes it again; rejects as opening does. */
async function open(
  url: string,
  options: StoreOptions = {},
  context: Partial<StoreContext> = {},
  config: PoolConfig = {},
): Promise<void> {
  const pool = new Pool({ connectionString: url, ...config })
  pool.on('error', () => undefined)
  try {
    const store = await pg(pool, options)(storeContext(context))
    await store[Symbol.asyncDispose]()
  } finally {
    await pool.end()
  }
}

const unsafe = (message: RegExp): object =>
  expect.objectContaining({ code: 'ACUSE_UNSAFE_SETTING', message: expect.stringMatching(message) })

describe('a server that would lose messages is refused', () => {
  it('where commits of the role or database are not durable', async () => {
    const database = await newDatabase()
    await database.query(`alter database ${database.name} set synchronous_commit = off`)
    await expect(open(database.url)).rejects.toEqual(
      unsafe(/synchronous_commit is off .* a crash loses .*Mend it with: alter role/),
    )
    await open(database.url, { allowUnsafe: ['synchronous_commit'] })
  })

  it('where only the application’s own connections are not durable', async () => {
    const database = await newDatabase()
    const config = { options: '-c synchronous_commit=off' }
    await expect(open(database.url, { connection: database.url }, {}, config)).rejects.toEqual(
      unsafe(/off for the application's connections/),
    )
  })

  it('where a table of ours is not logged', async () => {
    const database = await newDatabase()
    await open(database.url)
    await database.query('alter table acuse.inbox set unlogged')
    await expect(open(database.url)).rejects.toEqual(
      unsafe(/acuse\.inbox is UNLOGGED.*alter table acuse\.inbox set logged/),
    )
    await open(database.url, { allowUnsafe: ['unlogged'] })
  })

  it('where texts cannot be stored', async () => {
    const database = await newDatabase(`encoding 'LATIN1' locale 'C' template template0`)
    await expect(open(database.url)).rejects.toEqual(unsafe(/encoded in LATIN1/))
  })
})

describe('a database that cannot be written is refused', () => {
  it('because it is read-only', async () => {
    const database = await newDatabase()
    await database.query(`alter database ${database.name} set default_transaction_read_only = on`)
    await expect(open(database.url)).rejects.toMatchObject({
      code: 'ACUSE_READ_ONLY',
      message: expect.stringMatching(/is read-only/),
    })
  })

  it('because the server is a standby', async () => {
    const server = await startOwn()
    await open(server.url())
    await server.stop()
    const folder = await ownFolder()
    await cp(server.folder, folder, { recursive: true, preserveTimestamps: true })
    await writeFile(join(folder, 'data', 'standby.signal'), '')
    await giveAway(folder, (await stat(join(server.folder, 'data'))).uid)
    const standby = await startEmbedded({ folder })
    onTestFinished(() => standby.stop())
    await expect(open(standby.url())).rejects.toMatchObject({
      code: 'ACUSE_READ_ONLY',
      message: expect.stringMatching(/standby/),
    })
  })
})

describe('a database that cannot be used is refused', () => {
  it('because nothing answers there', async () => {
    await expect(open('postgres://u:p@127.0.0.1:9/none')).rejects.toMatchObject({
      code: 'ACUSE_STORE_UNAVAILABLE',
      message: expect.stringMatching(/127\.0\.0\.1:9 cannot be reached: .*ECONNREFUSED/),
    })
  })

  it('because it does not exist, or refuses the role', async () => {
    await expect(open(urlOf('no_such_database'))).rejects.toMatchObject({
      code: 'ACUSE_CONFIGURATION',
      message: expect.stringMatching(/refuses the connection: database "no_such_database" does not exist/),
    })
    await expect(open(urlOf('postgres', { user: 'nobody', password: 'wrong' }))).rejects.toMatchObject({
      code: 'ACUSE_CONFIGURATION',
    })
  })

  it('because the application’s client and Acuse’s own connections lead to different ones', async () => {
    const [one, other] = [await newDatabase(), await newDatabase()]
    await expect(open(one.url, { connection: other.url })).rejects.toMatchObject({
      code: 'ACUSE_CONFIGURATION',
      message: expect.stringMatching(/different databases/),
    })
  })
})

describe('connections that cannot come are refused', () => {
  it('because the pool has fewer than handlers hold at once', async () => {
    const database = await newDatabase()
    await expect(open(database.url, {}, { effectConnections: 8 }, { max: 7 })).rejects.toMatchObject({
      code: 'ACUSE_CONNECTION_BUDGET',
      message: expect.stringMatching(/handles 8 .*has 7/),
    })
    await open(database.url, {}, { effectConnections: 7 }, { max: 7 })
  })

  it('because the database admits too few', async () => {
    const database = await newDatabase()
    const role = database.name.replace('test_', 'role_')
    await onServer(`create role ${role} login password 'secret'`)
    onTestFinished(() => onServer(`drop owned by ${role}; drop role ${role}`))
    await onServer(`grant create on database ${database.name} to ${role}`)
    onTestFinished(() => database[Symbol.asyncDispose]())
    const url = urlOf(database.name, { user: role, password: 'secret' })
    await onServer(`alter database ${database.name} connection limit 9`)
    await expect(open(url, {}, { effectConnections: 5 })).rejects.toMatchObject({
      code: 'ACUSE_CONNECTION_BUDGET',
      message: expect.stringMatching(/needs 10 connections \(5 of its own and 5 .*the database allows 9/),
    })
    await onServer(`alter database ${database.name} connection limit -1; alter role ${role} connection limit 8`)
    await expect(open(url, {}, { effectConnections: 5 })).rejects.toMatchObject({
      code: 'ACUSE_CONNECTION_BUDGET',
      message: expect.stringMatching(/the role allows 8/),
    })
    await open(url, {}, { effectConnections: 3 })
  })
})

async function startOwn(): Promise<EmbeddedServer> {
  const server = await startEmbedded({ folder: await ownFolder() })
  onTestFinished(() => server.stop())
  return server
}

async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-settings-'))
  await chmod(folder, 0o755)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A copy made by root is root's; the server's user must own its data. */
async function giveAway(folder: string, uid: number): Promise<void> {
  const entries = await readdir(join(folder, 'data'), { recursive: true })
  for (const entry of ['', ...entries]) await chown(join(folder, 'data', entry), uid, uid)
}
