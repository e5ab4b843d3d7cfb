import { createBus, stream } from '@acuse/core'
import { kysely } from '@acuse/postgres/kysely'
import { Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import { z } from 'zod'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const reserved = Promise.withResolvers<void>()

// #region kysely
interface Tables {
  placed: { id: string }
  reservations: { order_id: string }
}
const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 20 })
const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
const bus = createBus({ service: 'shop', store: kysely(db, pool) }) // Kysely does not show its pool

bus.group().on(OrderPlaced, async ({ data }, { tx }) => {
  await tx.insertInto('reservations').values({ order_id: data.orderId }).execute()
  reserved.resolve()
})
// #endregion
await db.schema.createTable('placed').addColumn('id', 'text').execute()
await db.schema.createTable('reservations').addColumn('order_id', 'text').execute()
await bus.start()

// #region kysely-publish
await db.transaction().execute(async (tx) => {
  await tx.insertInto('placed').values({ id: 'A-1' }).execute()
  await bus.publish(tx, OrderPlaced({ orderId: 'A-1' }))
})
// #endregion
await reserved.promise
await bus.stop()
console.log(await db.selectFrom('reservations').selectAll().execute())
await db.destroy()
