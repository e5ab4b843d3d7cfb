// #region example
import { createBus, stream } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { z } from 'zod'

const orders = stream('orders') // order is kept per key, across the types of a stream
const OrderPlaced = orders.message('order.placed', {
  schema: z.object({ orderId: z.string(), sku: z.string(), quantity: z.int().positive() }),
  key: (order) => order.orderId,
})
const StockReserved = orders.message('stock.reserved', {
  schema: z.object({ orderId: z.string() }),
  key: (stock) => stock.orderId,
})

const bus = createBus({ service: 'shop', store: embedded() }) // a real PostgreSQL that comes along; with yours: pg(pool)
const mailed = Promise.withResolvers<void>()

bus
  .group()
  .on(OrderPlaced, async ({ data }, { tx, publish }) => {
    // Your writes, the note that this message was applied, and what you publish: all or nothing.
    await tx.query('insert into reserved values ($1, $2, $3)', [data.orderId, data.sku, data.quantity])
    publish(StockReserved({ orderId: data.orderId }))
  })
  .onExternal(StockReserved, async ({ data }, { idempotencyKey }) => {
    // Calls the world, so no transaction is open meanwhile. The key is the same on every attempt.
    await sendMail(`order ${data.orderId} is reserved`, idempotencyKey)
    mailed.resolve()
  })

await bus.start()

await bus.transaction(async (tx, publish) => {
  await tx.query('create table if not exists reserved (order_id text, sku text, quantity int)')
  await tx.query('create table if not exists placed (order_id text)')
  await tx.query('insert into placed values ($1)', ['A-1'])
  publish(OrderPlaced({ orderId: 'A-1', sku: 'tea', quantity: 2 }))
}) // now the row and the message exist; had anything thrown, neither would

await mailed.promise
await bus.stop()

async function sendMail(text: string, _idempotencyKey: string): Promise<void> {
  console.log(`mail: ${text}`)
}
// #endregion
