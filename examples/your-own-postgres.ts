import { createBus, drainOnSignals, stream } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { Pool } from 'pg'
import { z } from 'zod'

const orders = stream('orders')
const OrderPlaced = orders.message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})

// #region bus
// Each message being handled holds one connection of this pool: 8 at once unless a group says otherwise.
const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 20 })
const bus = createBus({ service: 'shop', store: pg(pool), onError: (error) => console.error(error.message) })
// #endregion

const seen: string[] = []
const bothSeen = Promise.withResolvers<void>()
bus.group().on(OrderPlaced, ({ data }) => {
  seen.push(data.orderId)
  if (seen.length === 2) bothSeen.resolve()
})
await pool.query('create table placed (id text primary key)')
await bus.start()

// #region transaction
// Acuse opens the transaction in your pool, and appends what you publish at its end, when all row locks are held.
await bus.transaction(async (tx, publish) => {
  await tx.query('insert into placed values ($1)', ['A-1'])
  publish(OrderPlaced({ orderId: 'A-1' }))
})

// Your own transaction: write first, then publish.
const client = await pool.connect()
try {
  await client.query('begin')
  await client.query('insert into placed values ($1)', ['A-2'])
  await bus.publish(client, OrderPlaced({ orderId: 'A-2' }))
  await client.query('rollback') // and nobody ever hears of A-2
} finally {
  client.release()
}

// Nothing else to write: a transaction of its own.
await bus.publishNow(OrderPlaced({ orderId: 'A-3' }))
// #endregion
await bothSeen.promise
console.log(`seen: ${seen.toSorted().join(', ')}`)

// #region stop
// On SIGTERM or SIGINT: begin nothing more, let handlers finish, let go of leases, exit with 0.
drainOnSignals(bus, { deadlineMs: 20_000 })
// #endregion
process.kill(process.pid, 'SIGTERM')
