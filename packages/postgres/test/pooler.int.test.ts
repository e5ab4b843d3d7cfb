import { type PgBouncer, startPgBouncer } from '@acuse-proof/servers'
import { once } from 'node:events'
import { eventually } from '@acuse/testing'
import { Pool, type PoolClient } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Store } from '@acuse/core'
import { pg } from '../src/clients/pg.ts'
import { type Db, openDb } from '../src/db.ts'
import type { StoreOptions } from '../src/store/create-store.ts'
import { createTestDatabase, onServer, runUrl, type TestDatabase } from './database.ts'
import { startServer } from './log/database.ts'
import { storeContext } from './store/store-fixture.ts'

/** A database of the test's own, and a pooler in front of it that gives each transaction whatever connection is free. */
async function pooled(
  lines: readonly string[] = [],
): Promise<{ database: TestDatabase; pooler: PgBouncer; url: string }> {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  const pooler = await startPgBouncer({ upstream: runUrl, lines })
  onTestFinished(() => pooler[Symbol.asyncDispose]())
  return { database, pooler, url: pooler.urlOf(database.name) }
}

function opened(url: string, listenConnection?: string): Db {
  const db = openDb(url, { schema: 'acuse', connections: 2, listenConnection, onError: () => undefined })
  onTestFinished(() => db[Symbol.asyncDispose]())
  return db
}

async function storeOn(pool: Pool, options: StoreOptions = {}, effectConnections = 1): Promise<Store<PoolClient>> {
  const store = await pg(pool, options)(storeContext({ effectConnections }))
  onTestFinished(() => store[Symbol.asyncDispose]())
  return store
}

describe('behind a pooler in transaction mode', () => {
  it('no backend is left listening, which would be another client’s next', async () => {
    const { url } = await pooled(['default_pool_size = 1'])
    const db = opened(url)
    await db.query('select 1')
    await db.listen('news', () => undefined)
    expect(await db.query('select pg_listening_channels() as channel')).toEqual([])
  })

  it('what is notified is heard on a connection that leads past the pooler', async () => {
    const { database, url } = await pooled()
    const db = opened(url, database.url)
    let calls = 0
    await db.listen('news', () => calls++)
    const before = calls
    await db.query(`select pg_notify('news', '')`)
    await eventually(() => expect(calls).toBeGreaterThan(before))
  })

  it('transactions are bounded on the server also where the pooler ignores what connections ask for', async () => {
    const { url } = await pooled(['ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout'])
    const db = opened(url)
    const limits = await db.transaction((run) =>
      run(`select current_setting('statement_timeout') as statement,
             current_setting('idle_in_transaction_session_timeout') as idle`),
    )
    expect(limits).toEqual([{ statement: '10s', idle: '10s' }])
  })

  it('single statements are bounded by what the database says, and a pool that asks for a limit itself is refused', async () => {
    const { database, url } = await pooled()
    await onServer(`alter database ${database.name} set statement_timeout = '15s'`)
    expect(await opened(url).query('show statement_timeout')).toEqual([{ statement_timeout: '15s' }])
    const asking = database.pool({ connectionString: url, idle_in_transaction_session_timeout: 60_000 })
    await expect(asking.query('select 1')).rejects.toThrow('unsupported startup parameter')
  })

  it('the limits of the server are the pooler’s affair: a store opens where they are below what a process may use', async () => {
    const { database, url } = await pooled(['default_pool_size = 4'])
    await onServer(`alter database ${database.name} connection limit 8`)
    const pool = database.pool({ max: 20, connectionString: url })
    const store = await storeOn(pool, {}, 20)
    expect(await store.transaction(async () => 'done')).toBe('done')
  })

  it.each([
    ['query_timeout', (tx: PoolClient) => tx.query('select pg_sleep(30)')],
    ['idle_transaction_timeout', (tx: PoolClient) => once(tx, 'error').then(([error]) => Promise.reject(error))],
  ])('what its %s ends is the handler’s own, as with a limit of the server', async (setting, work) => {
    const { database, url } = await pooled([`${setting} = 1`])
    const store = await storeOn(database.pool({ max: 2, connectionString: url }))
    const error: unknown = await store.transaction(work).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: '08P01', message: expect.stringContaining('timeout') })
    expect(store.classify(error)).toBe('other')
  })

  it('a transaction whose server is gone is one no longer, as soon as its statement fails', async () => {
    const server = await startServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const upstream = await server.server.createDatabase('shop')
    const pooler = await startPgBouncer({ upstream, lines: ['server_login_retry = 1'] })
    onTestFinished(() => pooler[Symbol.asyncDispose]())
    const pool = new Pool({ connectionString: pooler.urlOf(new URL(upstream).pathname.slice(1)), max: 2 })
    pool.on('error', () => undefined)
    onTestFinished(() => pool.end())
    const store = await storeOn(pool)
    let stillOpen: boolean | undefined
    const work = store.transaction(async (tx) => {
      const sleeping = tx.query('select pg_sleep(30)').catch((error: unknown) => {
        stillOpen = store.isTransaction(tx)
        throw error
      })
      sleeping.catch(() => undefined)
      await server.server.restart('immediate')
      await sleeping
    })
    const error: unknown = await work.catch((thrown: unknown) => thrown)
    expect(store.classify(error)).toBe('unavailable')
    expect(stillOpen).toBe(false)
    await eventually(() => store.transaction((tx) => tx.query('select 1')), { timeoutMs: 30_000 })
  })
})
