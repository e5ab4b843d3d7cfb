import { type EntityManager as MikroEntityManager, MikroORM } from '@mikro-orm/postgresql'
import { PrismaPg } from '@prisma/adapter-pg'
import { drizzle as openDatabase } from 'drizzle-orm/node-postgres'
import { pgTable, text } from 'drizzle-orm/pg-core'
import createKnex, { type Knex } from 'knex'
import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import { Client, Pool, type PoolClient } from 'pg'
import openPostgresJs, { type TransactionSql } from 'postgres'
import { DataSource, type EntityManager } from 'typeorm'
import { expect, it } from 'vitest'
import type { Store, StoreFactory } from '@acuse/core'
import { type Prisma, PrismaClient } from '../../../../examples/clients/fixtures/prisma/client/client.ts'
import { drizzle } from '../../src/clients/drizzle.ts'
import { embedded } from '../../src/clients/embedded.ts'
import { knex } from '../../src/clients/knex.ts'
import { kysely } from '../../src/clients/kysely.ts'
import { mikroOrm } from '../../src/clients/mikro-orm.ts'
import { pg } from '../../src/clients/pg.ts'
import { postgresJs } from '../../src/clients/postgres-js.ts'
import { prisma } from '../../src/clients/prisma.ts'
import { typeorm } from '../../src/clients/typeorm.ts'

/** What a bus does with the store's transaction type. */
declare function publish<Tx>(factory: StoreFactory<Tx>, tx: NoInfer<Tx>): void

const order = pgTable('order', { id: text().primaryKey() })
const pool = new Pool()
const database = openDatabase(pool, { schema: { order } })
const dataSource = new DataSource({ type: 'postgres' })

interface Tables {
  order: { id: string }
}
const kyselyDatabase = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
const knexInstance = createKnex({ client: 'pg' })
const sql = openPostgresJs({ max: 1 })
const prismaClient = new PrismaClient({ adapter: new PrismaPg(pool) })
const extendedPrisma = prismaClient.$extends({ client: { greet: () => 'hello' } })

/** Compiled, and never run: the type check is the test. */
export async function misuse(): Promise<void> {
  const client: PoolClient = await pool.connect()
  publish(pg(pool), client)
  publish(embedded(), client)
  // @ts-expect-error a pool has no transaction
  publish(pg(pool), pool)
  // @ts-expect-error a client of no pool
  publish(pg(pool), new Client())
  // @ts-expect-error a database of a mapper is not pg's client
  publish(pg(pool), database)

  await database.transaction(async (tx) => {
    publish(drizzle(database), tx)
    // The transaction knows the application's own tables.
    await tx.query.order.findFirst()
    await tx.transaction(async (nested) => publish(drizzle(database), nested))
    // @ts-expect-error drizzle's transaction is not TypeORM's
    publish(typeorm(dataSource), tx)
  })
  // @ts-expect-error the database itself is no transaction
  publish(drizzle(database), database)
  // @ts-expect-error nor is its pool
  publish(drizzle(database), pool)
  // @ts-expect-error nor a client of it
  publish(drizzle(database), client)

  await dataSource.transaction(async (entities: EntityManager) => publish(typeorm(dataSource), entities))
  // @ts-expect-error a data source has no transaction
  publish(typeorm(dataSource), dataSource)
  // @ts-expect-error nor has a pool
  publish(typeorm(dataSource), pool)
}

/** Compiled, and never run. */
export async function misuseOfQueryBuilders(): Promise<void> {
  await kyselyDatabase.transaction().execute(async (tx: Transaction<Tables>) => {
    publish(kysely(kyselyDatabase, pool), tx)
    await tx.insertInto('order').values({ id: 'o-1' }).execute()
    // @ts-expect-error a transaction of Kysely is not Knex's
    publish(knex(knexInstance), tx)
  })
  // @ts-expect-error the database itself is no transaction
  publish(kysely(kyselyDatabase, pool), kyselyDatabase)
  // @ts-expect-error nor is its pool
  publish(kysely(kyselyDatabase, pool), pool)
  // @ts-expect-error nor one that is still to be begun
  publish(kysely(kyselyDatabase, pool), kyselyDatabase.transaction())

  await knexInstance.transaction(async (tx: Knex.Transaction) => publish(knex(knexInstance), tx))
  // @ts-expect-error the instance itself is no transaction
  publish(knex(knexInstance), knexInstance)
  // @ts-expect-error nor is a pool
  publish(knex(knexInstance), pool)

  await sql.begin(async (tx: TransactionSql) => {
    publish(postgresJs(sql), tx)
    await tx.savepoint(async (nested) => publish(postgresJs(sql), nested))
  })
  // @ts-expect-error what sends statements each by itself is no transaction
  publish(postgresJs(sql), sql)
  // @ts-expect-error nor is a connection of its own
  publish(postgresJs(sql), await sql.reserve())
}

/** Compiled, and never run. */
export async function misuseOfMappers(): Promise<void> {
  await prismaClient.$transaction(async (tx: Prisma.TransactionClient) => {
    publish(prisma(prismaClient, pool), tx)
    await tx.order.create({ data: { id: 'o-1' } })
  })
  await extendedPrisma.$transaction(async (tx) => publish(prisma(extendedPrisma, pool), tx))
  // @ts-expect-error the client itself is no transaction, though it can all that one can
  publish(prisma(prismaClient, pool), prismaClient)
  // @ts-expect-error nor with extensions
  publish(prisma(extendedPrisma, pool), extendedPrisma)
  // @ts-expect-error nor is its pool
  publish(prisma(prismaClient, pool), pool)

  const orm = await MikroORM.init({ entities: [] })
  await orm.em.transactional(async (entities: MikroEntityManager) => publish(mikroOrm(orm), entities))
  // @ts-expect-error a MikroORM has no transaction; of an EntityManager types cannot tell
  publish(mikroOrm(orm), orm)
  // @ts-expect-error nor has a pool
  publish(mikroOrm(orm), pool)
}

/** A handler's `tx` is the transaction of the application's own database, with its tables. */
export async function inHandler(
  store: Store<Parameters<Parameters<typeof database.transaction>[0]>[0]>,
): Promise<void> {
  await store.transaction(async (tx) => {
    await tx.insert(order).values({ id: 'o-1' })
  })
}

it('passing a pool, a database or a data source for a transaction does not compile', () => {
  expect(misuse).toBeTypeOf('function')
  expect(misuseOfQueryBuilders).toBeTypeOf('function')
  expect(misuseOfMappers).toBeTypeOf('function')
})
