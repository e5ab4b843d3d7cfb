import type { PoolConfig } from 'pg'
import postgres, { type Sql, type TransactionSql } from 'postgres'
import { expect, it, onTestFinished } from 'vitest'
import { testStore } from '@acuse/testing/conformance'
import { postgresJs } from '../../src/clients/postgres-js.ts'
import { createTestDatabase } from '../database.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

const connect = (url: string, { max, connectionTimeoutMillis }: PoolConfig): Sql =>
  postgres(url, {
    max: max ?? 10,
    ...(connectionTimeoutMillis === undefined ? {} : { connect_timeout: connectionTimeoutMillis / 1_000 }),
    onnotice: () => undefined,
  })

testAdapter<TransactionSql>('postgres-js', async (database, config, onDispose) => {
  const sql = connect(database.url, config)
  const store = await postgresJs(sql)(storeContext({ effectConnections: 1 }))
  onDispose(async () => {
    await store[Symbol.asyncDispose]()
    await sql.end({ timeout: 1 })
  })
  return {
    store,
    outside: [sql],
    run: async (tx, text) => [...(await tx.unsafe(text))],
    ownTransaction: async (work) => {
      await sql.begin(work)
    },
  }
})

it('a statement through a transaction that is over is refused, and reaches nobody’s', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  await database.query('create table effect (id text primary key)')
  const sql = connect(database.url, { max: 1 })
  onTestFinished(() => sql.end({ timeout: 1 }))
  const store = await postgresJs(sql)(storeContext({ effectConnections: 1 }))
  onTestFinished(() => store[Symbol.asyncDispose]())
  let nested: TransactionSql | undefined
  const over = await store.transaction(async (tx) => {
    await tx.savepoint(async (inner) => {
      nested = inner
      expect(store.isTransaction(inner)).toBe(true)
    })
    return tx
  })
  await store.transaction(async (tx) => {
    await tx`insert into effect values ('own')`
    expect(() => over`insert into effect values ('late')`).toThrow(/is over|went back/)
    expect(() => nested?.unsafe(`insert into effect values ('nested')`)).toThrow(/is over|went back/)
  })
  expect(await database.query('select id from effect')).toEqual([{ id: 'own' }])
})

testStore(
  'postgres-js',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    await database.query('create table harness (id text primary key, value text)')
    const opened: Sql[] = []
    const open = (max: number): Sql => {
      // Renames columns and reads JSON in its own way, as many applications have it.
      const sql = postgres(database.url, { max, transform: postgres.camel })
      opened.push(sql)
      return sql
    }
    return {
      open: (instance) => postgresJs(open(8))(storeContext({ instance, groups: [] })),
      outside: open(2),
      write: async (tx, id, value) => {
        await tx`insert into harness ${tx({ id, value })} on conflict (id) do update set value = ${value}`
      },
      read: async (id) => {
        const [row] = await database.query<{ value: string }>('select value from harness where id = $1', [id])
        return row?.value
      },
      advance,
      dispose: async () => {
        await Promise.all(opened.map((sql) => sql.end({ timeout: 1 })))
        await database[Symbol.asyncDispose]()
      },
    }
  },
  { concurrent: true },
)
