import { createBus, stream } from '@acuse/core'
import { knex as knexStore } from '@acuse/postgres/knex'
import createKnex from 'knex'
import { z } from 'zod'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const reserved = Promise.withResolvers<void>()

// #region knex
const knex = createKnex({ client: 'pg', connection: process.env['DATABASE_URL'] ?? '', pool: { min: 0, max: 20 } })
const bus = createBus({ service: 'shop', store: knexStore(knex) })

bus.group().on(OrderPlaced, async ({ data }, { tx }) => {
  await tx('reservations').insert({ order_id: data.orderId })
  reserved.resolve()
})
// #endregion
await knex.schema.createTable('placed', (table) => table.text('id'))
await knex.schema.createTable('reservations', (table) => table.text('order_id'))
await bus.start()

// #region knex-publish
await knex.transaction(async (tx) => {
  await tx('placed').insert({ id: 'A-1' })
  await bus.publish(tx, OrderPlaced({ orderId: 'A-1' }))
})
// #endregion
await reserved.promise
await bus.stop()
console.log(await knex('reservations').select())
await knex.destroy()
