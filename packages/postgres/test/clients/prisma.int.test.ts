import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { testStore } from '@acuse/testing/conformance'
import { type Prisma, PrismaClient } from '../../../../examples/clients/fixtures/prisma/client/client.ts'
import { prisma } from '../../src/clients/prisma.ts'
import { createTestDatabase } from '../database.ts'
import { message } from '../messages.ts'
import { installClock, storeContext } from '../store/store-fixture.ts'
import { testAdapter } from './client-contract.ts'

testAdapter<Prisma.TransactionClient & { readonly $connect?: never }>('prisma', async (database, config, onDispose) => {
  const pool = new Pool({ connectionString: database.url, ...config })
  pool.on('error', () => undefined)
  const client = new PrismaClient({ adapter: new PrismaPg(pool) })
  const store = await prisma(client, pool)(storeContext({ effectConnections: 1 }))
  onDispose(async () => {
    await store[Symbol.asyncDispose]()
    await client.$disconnect()
    await pool.end()
  })
  return {
    store,
    outside: [pool, client, client.order],
    run: async (tx, text) =>
      /^(select|insert.*returning)/i.test(text) ? tx.$queryRawUnsafe(text) : tx.$executeRawUnsafe(text),
    ownTransaction: (work) => client.$transaction(work),
  }
})

it('a handler’s transaction outlasts Prisma’s timeout, and a client with extensions is as good', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  const pool = database.pool({ max: 6 })
  const plain = new PrismaClient({ adapter: new PrismaPg(pool), transactionOptions: { maxWait: 30_000, timeout: 200 } })
  onTestFinished(() => plain.$disconnect())
  const client = plain.$extends({ client: { greet: () => 'hello' } })
  const store = await prisma(client, pool)(storeContext({ effectConnections: 1 }))
  onTestFinished(() => store[Symbol.asyncDispose]())
  await store.transaction(async (tx) => {
    await tx.$executeRaw`select pg_sleep(0.5)`
    await store.append(tx, [message()])
  })
  await client.$transaction((tx) => tx.$transaction(async (nested) => store.append(nested, [message()])), {
    timeout: 30_000,
  })
  expect(await database.query('select count(*)::int as n from acuse.log')).toEqual([{ n: 2 }])
})

testStore(
  'prisma',
  async () => {
    const database = await createTestDatabase()
    const advance = await installClock(database)
    await database.query('create table harness (id text primary key, value text)')
    const clients: PrismaClient[] = []
    const connect = (pool: Pool): PrismaClient => {
      const client = new PrismaClient({ adapter: new PrismaPg(pool), transactionOptions: { maxWait: 30_000 } })
      clients.push(client)
      return client
    }
    return {
      open: (instance) => {
        const pool = database.pool({ max: 8 })
        return prisma(connect(pool), pool)(storeContext({ instance, groups: [] }))
      },
      outside: connect(database.pool({ max: 2 })),
      write: async (tx, id, value) => {
        await tx.$executeRaw`insert into harness values (${id}, ${value}) on conflict (id) do update set value = ${value}`
      },
      read: async (id) => {
        const [row] = await database.query<{ value: string }>('select value from harness where id = $1', [id])
        return row?.value
      },
      advance,
      dispose: async () => {
        await Promise.all(clients.map((client) => client.$disconnect()))
        await database[Symbol.asyncDispose]()
      },
    }
  },
  { concurrent: true },
)
