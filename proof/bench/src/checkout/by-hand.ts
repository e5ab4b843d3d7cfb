import { randomUUID } from 'node:crypto'
import { Pool, type PoolClient } from 'pg'
import { messageTables, Mover, QueueWorker, type QueueMessage } from './by-hand-queue.ts'
import { type Order, placeOrders } from './place-orders.ts'
import { type CheckoutActor, OrderFlow, type Role, serviceTables } from './roles.ts'

interface Running {
  readonly pool: Pool
  readonly messages: Pool
  readonly mover: Mover
  readonly worker: QueueWorker
}

/** The same checkout as a team writes it without a library: outbox, polling workers with SKIP LOCKED, inbox, and a saga table. */
export async function openHandmadeCheckout(): Promise<CheckoutActor> {
  const flow = new OrderFlow()
  let running: Running | undefined
  return {
    start: async ({ role, storeUrl, messagesUrl }) => {
      const pool = new Pool({ connectionString: storeUrl, max: 24 })
      const messages = new Pool({ connectionString: messagesUrl, max: 8 })
      await pool.query(serviceTables[role] + messageTables.service)
      await messages.query(messageTables.messages)
      const mover = new Mover(pool, messages)
      const worker = new QueueWorker(
        role,
        pool,
        messages,
        (message, tx) => handlers[role](message, tx),
        (message) => {
          if (message.type === 'order.confirmed') flow.confirmed(message.payload.orderId)
        },
      )
      running = { pool, messages, mover, worker }
    },
    work: async (on) => {
      for (const one of [running?.mover, running?.worker]) await (on ? one?.start() : one?.stop())
    },
    run: (slice) =>
      placeOrders(flow, slice, async (order) => {
        if (running === undefined) throw new Error('start first')
        const client = await running.pool.connect()
        try {
          await client.query('begin')
          const values = [order.orderId, order.sku, order.quantity]
          await client.query(`insert into orders values ($1, $2, $3, 'created')`, values)
          await post(client, 'orders', 'order.created', order)
          await client.query('commit')
        } finally {
          client.release()
        }
      }),
    close: async () => {
      await running?.pool.end()
      await running?.messages.end()
    },
  }
}

const handlers: Readonly<Record<Role, (message: QueueMessage, tx: PoolClient) => Promise<void>>> = {
  orders: async ({ type, payload }, tx) => {
    if (type === 'order.created') {
      await tx.query(`insert into saga values ($1, 'created')`, [payload.orderId])
      await post(tx, 'inventory', 'stock.reserve', payload)
    } else if (type === 'stock.reserved') {
      await tx.query(`update saga set step = 'reserved' where order_id = $1`, [payload.orderId])
      await post(tx, 'payments', 'payment.request', payload)
    } else if (type === 'payment.taken') {
      await tx.query(`update saga set step = 'paid' where order_id = $1`, [payload.orderId])
      await post(tx, 'orders', 'order.confirmed', payload)
    } else {
      await tx.query(`update orders set status = 'confirmed' where id = $1`, [payload.orderId])
    }
  },
  inventory: async ({ payload }, tx) => {
    await tx.query('update stock set available = available - $2 where sku = $1', [payload.sku, payload.quantity])
    await tx.query('insert into reservation values ($1, $2, $3)', [payload.orderId, payload.sku, payload.quantity])
    await post(tx, 'orders', 'stock.reserved', payload)
  },
  payments: async ({ payload }, tx) => {
    await tx.query('insert into payment values ($1, $2)', [payload.orderId, 100 * payload.quantity])
    await post(tx, 'orders', 'payment.taken', payload)
  },
}

async function post(tx: PoolClient, to: Role, type: string, payload: Order): Promise<void> {
  const values = [randomUUID(), to, type, JSON.stringify(payload)]
  await tx.query('insert into outbox (id, recipient, type, payload) values ($1, $2, $3, $4)', values)
}
