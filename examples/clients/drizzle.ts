import { createBus, stream } from '@acuse/core'
import { drizzle as drizzleStore } from '@acuse/postgres/drizzle'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { Pool } from 'pg'
import { z } from 'zod'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const reserved = Promise.withResolvers<void>()

// #region drizzle
const placed = pgTable('placed', { id: text().primaryKey() })
const reservations = pgTable('reservations', { orderId: text('order_id').notNull() })

const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 20 })
const db = drizzle(pool, { schema: { placed, reservations } })
const bus = createBus({ service: 'shop', store: drizzleStore(db) })

bus.group().on(OrderPlaced, async ({ data }, { tx }) => {
  await tx.insert(reservations).values({ orderId: data.orderId })
  reserved.resolve()
})
// #endregion
await db.execute(sql`create table placed (id text primary key)`)
await db.execute(sql`create table reservations (order_id text not null)`)
await bus.start()

// #region drizzle-publish
await db.transaction(async (tx) => {
  await tx.insert(placed).values({ id: 'A-1' })
  await bus.publish(tx, OrderPlaced({ orderId: 'A-1' }))
})
// #endregion
await reserved.promise
await bus.stop()
console.log(await db.select().from(reservations))
await pool.end()
