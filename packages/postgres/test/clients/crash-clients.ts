import { Pool } from 'pg'
import type { StoreFactory } from '@acuse/core'
import type { StoreOptions } from '../../src/store/create-store.ts'

/** A client as a service uses it: the store in it, and a row written its own way. */
export interface CrashClient<Tx> {
  readonly store: StoreFactory<Tx>
  readonly write: (tx: Tx, table: 'placed' | 'applied', n: number) => Promise<unknown>
}

/** Does something with a client, whatever its transaction is. */
export type UseClient = <Tx>(client: CrashClient<Tx>) => Promise<void>

interface Numbers {
  placed: { n: number }
  applied: { n: number }
}

const max = 12
/** A killed process is given up quickly. */
const options: StoreOptions = { log: { leaseMs: 2_000 } }

/** Every adapter there is, opened on the database at `url`. Each is loaded when it is used: a process has only one. */
export const crashClients: Readonly<Record<string, (url: string, use: UseClient) => Promise<void>>> = {
  pg: async (url, use) => {
    const { pg } = await import('../../src/clients/pg.ts')
    const store = pg(new Pool({ connectionString: url, max }), options)
    await use({ store, write: (tx, table, n) => tx.query(`insert into ${table} values ($1)`, [n]) })
  },

  drizzle: async (url, use) => {
    const { sql } = await import('drizzle-orm')
    const { drizzle: open } = await import('drizzle-orm/node-postgres')
    const { drizzle } = await import('../../src/clients/drizzle.ts')
    const store = drizzle(open(new Pool({ connectionString: url, max })), options)
    await use({
      store,
      write: (tx, table, n) => tx.execute(sql`insert into ${sql.identifier(table)} values (${n})`),
    })
  },

  typeorm: async (url, use) => {
    const { DataSource } = await import('typeorm')
    const { typeorm } = await import('../../src/clients/typeorm.ts')
    const dataSource = await new DataSource({ type: 'postgres', url, poolSize: max }).initialize()
    await use({
      store: typeorm(dataSource, options),
      write: (tx, table, n) => tx.query(`insert into ${table} values ($1)`, [n]),
    })
  },

  kysely: async (url, use) => {
    const { Kysely, PostgresDialect } = await import('kysely')
    const { kysely } = await import('../../src/clients/kysely.ts')
    const pool = new Pool({ connectionString: url, max })
    const store = kysely(new Kysely<Numbers>({ dialect: new PostgresDialect({ pool }) }), pool, options)
    await use({ store, write: (tx, table, n) => tx.insertInto(table).values({ n }).execute() })
  },

  knex: async (url, use) => {
    const { default: open } = await import('knex')
    const { knex } = await import('../../src/clients/knex.ts')
    const store = knex(open({ client: 'pg', connection: url, pool: { min: 0, max } }), options)
    await use({ store, write: async (tx, table, n) => tx(table).insert({ n }) })
  },

  'mikro-orm': async (url, use) => {
    const { defineEntity, MikroORM } = await import('@mikro-orm/postgresql')
    const { mikroOrm } = await import('../../src/clients/mikro-orm.ts')
    const numbers = (tableName: string) =>
      defineEntity({ name: tableName, tableName, properties: (p) => ({ n: p.integer().primary() }) })
    const entities = { placed: numbers('placed'), applied: numbers('applied') }
    const orm = await MikroORM.init({ clientUrl: url, entities: Object.values(entities), pool: { max } })
    await use({
      store: mikroOrm(orm, options),
      write: async (em, table, n) => void em.persist(em.create(entities[table], { n })),
    })
  },

  'postgres-js': async (url, use) => {
    const { default: open } = await import('postgres')
    const { postgresJs } = await import('../../src/clients/postgres-js.ts')
    const store = postgresJs(open(url, { max }), options)
    await use({ store, write: async (tx, table, n) => tx`insert into ${tx(table)} ${tx({ n })}` })
  },

  prisma: async (url, use) => {
    const { PrismaPg } = await import('@prisma/adapter-pg')
    const { PrismaClient } = await import('../../../../examples/clients/fixtures/prisma/client/client.ts')
    const { prisma } = await import('../../src/clients/prisma.ts')
    const pool = new Pool({ connectionString: url, max })
    const client = new PrismaClient({ adapter: new PrismaPg(pool), transactionOptions: { maxWait: 30_000 } })
    const store = prisma(client, pool, options)
    await use({ store, write: (tx, table, n) => tx.$executeRawUnsafe(`insert into ${table} values ($1)`, n) })
  },
}
