import { execFileSync } from 'node:child_process'
import type { PoolConfig } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Store } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { message } from '../messages.ts'

/** One adapter, used as an application uses it. */
export interface AdapterHarness<Tx> {
  readonly store: Store<Tx>
  /** What users could mistake for a transaction. */
  readonly outside: readonly unknown[]
  /** A statement through the client's own API, with its own way to report errors. */
  readonly run: (tx: Tx, text: string) => Promise<unknown>
  /** Runs `work` in a transaction the application opens itself. */
  readonly ownTransaction: (work: (tx: Tx) => Promise<void>) => Promise<void>
}

/** Opens the adapter's store with a client of `config` on `database`; disposes of it when the test is over. */
export type OpenAdapter<Tx> = (
  database: TestDatabase,
  config: PoolConfig,
  onDispose: (dispose: () => Promise<void>) => void,
) => Promise<AdapterHarness<Tx>>

/** What every adapter promises beyond the conformance suite of stores: how it behaves when things go wrong. */
export function testAdapter<Tx>(name: string, open: OpenAdapter<Tx>): void {
  async function start(config: PoolConfig = {}): Promise<AdapterHarness<Tx> & { readonly database: TestDatabase }> {
    const database = await createTestDatabase()
    onTestFinished(() => database[Symbol.asyncDispose]())
    await database.query('create table effect (id text primary key, pid int default pg_backend_pid())')
    const harness = await open(database, { max: 6, ...config }, (dispose) => onTestFinished(dispose))
    return { ...harness, database }
  }

  const insert = (id: string): string => `insert into effect (id) values ('${id}')`
  const effects = async (database: TestDatabase): Promise<string[]> =>
    (await database.query<{ id: string }>('select id from effect order by id')).map(({ id }) => id)

  describe(`${name}: transactions`, () => {
    it('are READ COMMITTED, whatever the database’s default', async () => {
      const { store, run, database } = await start()
      await database.query(`alter database ${database.name} set default_transaction_isolation = 'serializable'`)
      await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      )
      const seen = await eventually(() =>
        store.transaction((tx) => run(tx, `select current_setting('transaction_isolation') as level`)),
      )
      expect(JSON.stringify(seen)).toContain('read committed')
    })

    it('reject when a failed statement was swallowed, and write nothing', async () => {
      const { store, run, database } = await start()
      const work = store.transaction(async (tx) => {
        await run(tx, insert('a'))
        await run(tx, 'select 1 / 0').catch(() => undefined)
      })
      await expect(work).rejects.toMatchObject({ code: 'ACUSE_TRANSACTION_ABORTED' })
      expect(await effects(database)).toEqual([])
    })

    it('reject when a statement that nobody awaited fails, and write nothing', async () => {
      const { store, run, database } = await start()
      const work = store.transaction(async (tx) => {
        await run(tx, insert('a'))
        run(tx, 'select 1 / count(*) from pg_sleep(0.5) where pg_sleep is null').catch(() => undefined)
        // Prisma sends it only a moment later, or never.
        await eventually(async () => expect(await backendsAsleep(database)).toBe(1))
      })
      await expect(work).rejects.toMatchObject({ code: 'ACUSE_TRANSACTION_ABORTED' })
      expect(await effects(database)).toEqual([])
    })

    it.each(['commit', 'rollback'])('reject when the work sends %s itself', async (command) => {
      const { store, run } = await start()
      const work = store.transaction(async (tx) => {
        await run(tx, insert('a'))
        await run(tx, command)
      })
      await expect(work).rejects.toMatchObject({ code: 'ACUSE_TRANSACTION_ABORTED' })
    })

    it('pass an error of COMMIT on, and give the connection back in order', async () => {
      const { store, run, database } = await start({ max: 1 })
      await database.query(`
        create function refuse() returns trigger language plpgsql as $$ begin raise 'refused at commit'; end $$;
        create constraint trigger refuse after insert on effect deferrable initially deferred for each row execute function refuse()`)
      const error: unknown = await store.transaction((tx) => run(tx, insert('a'))).catch((thrown: unknown) => thrown)
      expect(deepest(error)).toMatchObject({ message: expect.stringContaining('refused at commit') })
      expect(store.classify(error)).toBe('other')
      await database.query('drop trigger refuse on effect')
      await store.transaction((tx) => run(tx, insert('b')))
      expect(await effects(database)).toEqual(['b'])
    })
  })

  describe(`${name}: a connection that breaks`, () => {
    it('during COMMIT leaves the outcome unknown: it rejects as unavailable, and the inbox decides', async () => {
      const { store, run, database } = await start()
      await database.query(`
        create function linger() returns trigger language plpgsql as $$ begin perform pg_sleep(30); return null; end $$;
        create constraint trigger linger after insert on effect deferrable initially deferred for each row execute function linger()`)
      const delivered = message({ key: 'k' })
      const accept = (tx: Tx): Promise<readonly string[]> =>
        store.inbox.accept(tx, 'g', [{ message: delivered, ordered: true }])
      const work = store.transaction(async (tx) => {
        await accept(tx)
        await run(tx, insert('a'))
      })
      work.catch(() => undefined)
      await eventually(async () =>
        expect(await endBackends(database, `query ilike 'commit%' and wait_event = 'PgSleep'`)).toBe(1),
      )
      const error: unknown = await work.catch((thrown: unknown) => thrown)
      expect(store.classify(error)).toBe('unavailable')
      await database.query('drop trigger linger on effect')
      expect(await store.transaction(accept)).toEqual(['new'])
      expect(await effects(database)).toEqual([])
    })

    it('during the work rejects as unavailable, and its transaction is one no longer', async () => {
      const { store, run, database } = await start()
      let stillOpen: boolean | undefined
      const work = store.transaction(async (tx) => {
        await run(tx, insert('a'))
        const sleeping = run(tx, 'select pg_sleep(30)')
        sleeping.catch(() => undefined)
        await eventually(async () => expect(await endBackends(database, `query like '%pg_sleep(30)%'`)).toBe(1))
        await sleeping.catch((error: unknown) => {
          stillOpen = store.isTransaction(tx)
          throw error
        })
      })
      const error: unknown = await work.catch((thrown: unknown) => thrown)
      expect(store.classify(error)).toBe('unavailable')
      expect(stillOpen).toBe(false)
      await store.transaction((tx) => run(tx, insert('b')))
      expect(await effects(database)).toEqual(['b'])
    })

    it('between two statements ends neither the process nor the pool', async () => {
      const { store, run, database } = await start({ max: 1 })
      const work = store.transaction(async (tx) => {
        await run(tx, insert('a'))
        await endBackends(database, `state = 'idle in transaction'`)
        await eventually(() => expect(store.isTransaction(tx)).toBe(false))
        await run(tx, insert('b'))
      })
      const error: unknown = await work.catch((thrown: unknown) => thrown)
      expect(store.classify(error)).toBe('unavailable')
      await store.transaction((tx) => run(tx, insert('c')))
      expect(await effects(database)).toEqual(['c'])
    })
  })

  describe(`${name}: a connection that does not answer`, () => {
    it('is given up with its transaction, and nobody gets it again', async () => {
      const { store, run, database } = await start({ max: 2, query_timeout: 300 })
      const item = { message: message({ key: 'k' }), ordered: true }
      const opening = { accepting: { group: 'g', items: [item] }, idleMs: 60_000 }
      const taking = Promise.withResolvers<void>()
      const taken = Promise.withResolvers<void>()
      const first = store.transaction(async (tx) => {
        await store.inbox.accept(tx, 'g', [item])
        taken.resolve()
        await taking.promise
      })
      await taken.promise
      let isOver = false
      const second = store
        .transaction(() => Promise.resolve(), opening)
        .catch(() => undefined)
        .finally(() => (isOver = true))
      await eventually(async () => expect(await backendsWaiting(database)).toBe(1))
      // A client that has no limit for its statements waits as long as it takes.
      await eventually(() => expect(isOver).toBe(true), { timeoutMs: 1_500 }).catch(() => undefined)
      taking.resolve()
      await first
      await second
      for (let n = 0; n < 4; n++) await store.transaction((tx) => run(tx, insert(`after-${n}`)))
      expect(await effects(database)).toEqual(['after-0', 'after-1', 'after-2', 'after-3'])
    })

    it('does not hold its locks longer than the transaction may stand idle', async () => {
      const { store, run } = await start({ max: 1 })
      const limit = async (idleMs?: number): Promise<string> =>
        JSON.stringify(
          await store.transaction(
            (tx) => run(tx, `select 'limit ' || current_setting('idle_in_transaction_session_timeout') as is`),
            idleMs === undefined ? {} : { idleMs },
          ),
        )
      expect(await limit(12_345)).toContain('limit 12345ms')
      expect(await limit()).toContain('limit 0')
      const work = store.transaction(
        async (tx) => {
          await run(tx, insert('a'))
          await eventually(() => expect(store.isTransaction(tx)).toBe(false))
        },
        { idleMs: 100 },
      )
      await expect(work).rejects.toBeInstanceOf(Error)
    })
  })

  describe(`${name}: idle connections that broke`, () => {
    it('cost the pool no place', async () => {
      const { store, run, database } = await start({ max: 1, connectionTimeoutMillis: 3_000 })
      await store.transaction((tx) => run(tx, insert('first')))
      endIdleUnnoticed(database)
      // Most hand it out before they can notice, and the first statement on it fails. postgres.js opens another.
      const outcome = await store
        .transaction((tx) => run(tx, 'select 1'))
        .then(
          () => 'noticed',
          (error: unknown) => store.classify(error),
        )
      expect(['noticed', 'unavailable']).toContain(outcome)
      await eventually(() => store.transaction((tx) => run(tx, insert('last'))))
      expect(await effects(database)).toEqual(['first', 'last'])
    })
  })

  describe(`${name}: abort`, () => {
    it('ends a statement that is running, frees its locks, and throws its connection away', async () => {
      const { store, run, database } = await start({ max: 1 })
      const pids: unknown[] = []
      let zombie: Promise<unknown> | undefined
      const timedOut = new Error('the handler timed out')
      const started = performance.now()
      const work = store.transaction(async (tx) => {
        pids.push(await run(tx, `insert into effect (id) values ('a') returning pid`))
        // The handler never settles; what it goes on to do must reach nobody's transaction.
        zombie = run(tx, 'select pg_sleep(30)').then(
          () => run(tx, insert('zombie')),
          () => run(tx, insert('zombie')),
        )
        zombie.catch(() => undefined)
        await eventually(async () => expect(await backendsAsleep(database)).toBe(1))
        store.abort(tx)
        throw timedOut
      })
      await expect(work).rejects.toBe(timedOut)
      await expect(zombie).rejects.toThrow(/connection|released|not queryable|Failed query/i)
      // The key is free: nothing waits for what the handler had locked.
      await store.transaction(async (tx) => {
        pids.push(await run(tx, `insert into effect (id) values ('a') returning pid`))
      })
      expect(performance.now() - started).toBeLessThan(10_000)
      expect(new Set(pids.map((pid) => JSON.stringify(pid))).size).toBe(2)
      expect(await effects(database)).toEqual(['a'])
    })

    it('of a transaction that is over does nothing', async () => {
      const { store, run, database } = await start({ max: 1 })
      const over = await store.transaction(async (tx) => tx)
      store.abort(over)
      await store.transaction((tx) => run(tx, insert('a')))
      expect(await effects(database)).toEqual(['a'])
    })
  })

  describe(`${name}: isTransaction`, () => {
    it('knows a transaction the application opened itself, while it is open', async () => {
      const { store, ownTransaction, database } = await start()
      let seen: Tx | undefined
      const sent = message({ key: 'k' })
      await ownTransaction(async (tx) => {
        seen = tx
        expect(store.isTransaction(tx)).toBe(true)
        await store.append(tx, [sent])
      })
      expect(store.isTransaction(seen)).toBe(false)
      expect(await database.query('select id from acuse.log')).toEqual([{ id: sent.id }])
    })

    it('says no to everything else', async () => {
      const { store, outside } = await start()
      for (const candidate of [...outside, undefined, null, 0, 'tx', {}, [], () => undefined]) {
        expect(store.isTransaction(candidate)).toBe(false)
      }
    })

    it('keeps an append to a transaction that is over out of the one that has its connection now', async () => {
      const { store, database } = await start({ max: 1 })
      const over = await store.transaction(async (tx) => tx)
      await expect(store.append(over, [message()])).rejects.toMatchObject({ code: 'ACUSE_NOT_IN_TRANSACTION' })
      expect(await database.query('select id from acuse.log')).toEqual([])
    })
  })

  describe(`${name}: errors`, () => {
    it('tell a deadlock and a serialization failure from the handler’s own', async () => {
      const { store, run } = await start()
      const failing = async (text: string): Promise<unknown> =>
        store.transaction((tx) => run(tx, text)).catch((thrown: unknown) => thrown)
      const raise = (state: string): string => `do $$ begin raise 'x' using errcode = '${state}'; end $$`
      for (const state of ['40001', '40P01']) expect(store.classify(await failing(raise(state)))).toBe('conflict')
      for (const state of ['53100', '53300', '57P03', '25006', '08006', '58030']) {
        expect(store.classify(await failing(raise(state)))).toBe('unavailable')
      }
      for (const state of ['23505', '57014', '55P03', 'P0001', '22P02']) {
        expect(store.classify(await failing(raise(state)))).toBe('other')
      }
      expect(store.classify(await failing('selct 1'))).toBe('other')
    })

    it('are unavailable where the pool has no connection left', async () => {
      const { store } = await start({ max: 1, connectionTimeoutMillis: 200 })
      const error: unknown = await store
        .transaction(() => store.transaction(async () => 'never'))
        .catch((thrown: unknown) => thrown)
      expect(store.classify(error)).toBe('unavailable')
    })
  })
}

/** The innermost cause, however the client wraps it. */
function deepest(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return error
  const meta: unknown = Reflect.get(Object(Reflect.get(error, 'meta')), 'driverAdapterError')
  const inner: unknown = Reflect.get(error, 'driverError') ?? Reflect.get(error, 'cause') ?? meta
  return inner === undefined ? error : deepest(inner)
}

/** Ends idle backends while this process stands still, so that what it hears of it is read only afterwards. */
function endIdleUnnoticed(database: TestDatabase): void {
  const script = `
    import pg from 'pg'
    const client = new pg.Client(process.argv[1])
    await client.connect()
    await client.query(\`select pg_terminate_backend(pid, 1000) from pg_stat_activity
      where datname = current_database() and application_name = '' and state = 'idle' and pid <> pg_backend_pid()\`)
    await client.end()`
  execFileSync(process.execPath, ['--input-type=module', '-e', script, database.url], { cwd: import.meta.dirname })
}

/** How many backends are within pg_sleep. */
async function backendsAsleep(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`,
  )
  return row?.n ?? 0
}

/** How many backends wait for what others hold. */
async function backendsWaiting(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
  )
  return row?.n ?? 0
}

async function endBackends(database: TestDatabase, where: string): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    `select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and ${where}`,
  )
  return row?.n ?? 0
}
