import { createBus, stream } from '@acuse/core'
import { postgresJs } from '@acuse/postgres/postgres-js'
import postgres from 'postgres'
import { z } from 'zod'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const reserved = Promise.withResolvers<void>()

// #region postgres-js
const sql = postgres(process.env['DATABASE_URL'] ?? '', { max: 20 })
const bus = createBus({ service: 'shop', store: postgresJs(sql) })

bus.group().on(OrderPlaced, async ({ data }, { tx }) => {
  await tx`insert into reservations values (${data.orderId})`
  reserved.resolve()
})
// #endregion
await sql`create table placed (id text)`
await sql`create table reservations (order_id text)`
await bus.start()

// #region postgres-js-publish
await sql.begin(async (tx) => {
  await tx`insert into placed values ('A-1')`
  await bus.publish(tx, OrderPlaced({ orderId: 'A-1' }))
})
// #endregion
await reserved.promise
await bus.stop()
console.log([...(await sql`select * from reservations`)])
await sql.end()
