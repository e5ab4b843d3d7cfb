import { randomUUID } from 'node:crypto'
import type { Pool, PoolClient } from 'pg'
import { type Store, type StoreContext, systemClock } from '@acuse/core'
import { pg } from '../../src/clients/pg.ts'
import type { StoreOptions } from '../../src/store/create-store.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'

export interface TestStore extends AsyncDisposable {
  readonly database: TestDatabase
  readonly pool: Pool
  readonly store: Store<PoolClient>
  /** Another process's store on the same database, with a pool of its own. */
  openAnother(options?: StoreOptions): Promise<Store<PoolClient>>
  /** What was reported in the background. */
  readonly errors: readonly Error[]
}

/** What a bus would pass when it opens its store. */
export function storeContext(parts: Partial<StoreContext> = {}): StoreContext {
  return {
    service: 'test',
    instance: randomUUID(),
    clock: systemClock,
    groups: ['g'],
    effectConnections: 5,
    onError: () => undefined,
    ...parts,
  }
}

/** A store on a database of its own. */
export async function openTestStore(options: StoreOptions = {}): Promise<TestStore> {
  const database = await createTestDatabase()
  const errors: Error[] = []
  const stores: Store<PoolClient>[] = []
  const open = async (pool: Pool, own: StoreOptions): Promise<Store<PoolClient>> => {
    const store = await pg(pool, own)(storeContext({ onError: (error) => errors.push(error) }))
    stores.push(store)
    return store
  }
  const pool = database.pool({ max: 20 })
  return {
    database,
    pool,
    errors,
    store: await open(pool, options),
    openAnother: (own = options) => open(database.pool({ max: 20 }), own),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()))
      await database[Symbol.asyncDispose]()
    },
  }
}

/**
 * Gives a database a clock that the test moves: a `clock_timestamp()` that is found before the server's own.
 * To be called before the schema is made, so that the tables' defaults use it too.
 */
export async function installClock(database: TestDatabase): Promise<(ms: number) => Promise<void>> {
  await database.query(`
    create schema test_clock;
    create table test_clock.shift (by interval not null);
    insert into test_clock.shift values ('0');
    create function test_clock.clock_timestamp() returns timestamptz language sql volatile
      as 'select pg_catalog.clock_timestamp() + by from test_clock.shift';
    alter database ${database.name} set search_path = test_clock, pg_catalog, public`)
  return async (ms) => {
    await database.query(`update test_clock.shift set by = by + interval '${ms} milliseconds'`)
  }
}
