import { type Bus, createBus, type MessageType, saga, type StandardSchema, stream } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { Pool, type PoolClient } from 'pg'
import { type Order, placeOrders } from './place-orders.ts'
import { type CheckoutActor, OrderFlow, type Role, serviceTables } from './roles.ts'

const unchecked: StandardSchema<Order> = {
  '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value: value as Order }) },
}
const orders = stream('orders')
const declared = (name: string): MessageType<Order> =>
  orders.message(name, { schema: unchecked, key: ({ orderId }) => orderId })

const OrderCreated = declared('order.created')
const ReserveStock = declared('stock.reserve')
const StockReserved = declared('stock.reserved')
const RequestPayment = declared('payment.request')
const PaymentTaken = declared('payment.taken')
const OrderConfirmed = declared('order.confirmed')

const checkout = saga<{ readonly step: string }>('checkout', () => ({ step: 'created' }))
  .on(OrderCreated, { id: ({ data }) => data.orderId, starts: true }, (_, { data }) => ({
    publish: [ReserveStock(data)],
  }))
  .on(StockReserved, { id: ({ data }) => data.orderId }, (_, { data }) => ({
    state: { step: 'reserved' },
    publish: [RequestPayment(data)],
  }))
  .on(PaymentTaken, { id: ({ data }) => data.orderId }, (_, { data }) => ({
    state: { step: 'paid' },
    publish: [OrderConfirmed(data)],
    complete: true,
  }))

/** A service of the checkout on the bus: the saga lives with the orders. */
export async function openAcuseCheckout(): Promise<CheckoutActor> {
  const flow = new OrderFlow()
  let running: { readonly bus: Bus<PoolClient>; readonly pool: Pool } | undefined
  return {
    start: async ({ role, storeUrl, messagesUrl }) => {
      const pool = new Pool({ connectionString: storeUrl, max: 24 })
      pool.on('error', () => undefined)
      await pool.query(serviceTables[role])
      const bus = createBus({ service: role, store: pg(pool), transport: postgres({ connection: messagesUrl }) })
      declareHandlers[role](bus, flow)
      await bus.start()
      running = { bus, pool }
    },
    // Quiet readers look every few seconds and are woken: there is nothing to switch off.
    work: async () => undefined,
    run: (slice) =>
      placeOrders(flow, slice, async (order) => {
        await running?.bus.transaction(async (tx, publish) => {
          const values = [order.orderId, order.sku, order.quantity]
          await tx.query(`insert into orders values ($1, $2, $3, 'created')`, values)
          publish(OrderCreated(order))
        })
      }),
    close: async () => {
      await running?.bus.stop()
      await running?.pool.end()
    },
  }
}

const declareHandlers: Readonly<Record<Role, (bus: Bus<PoolClient>, flow: OrderFlow) => void>> = {
  orders: (bus, flow) => {
    bus.saga(checkout)
    bus.group().on(OrderConfirmed, async ({ data }, { tx }) => {
      await tx.query(`update orders set status = 'confirmed' where id = $1`, [data.orderId])
      flow.confirmed(data.orderId)
    })
  },
  inventory: (bus) => {
    bus.group().on(ReserveStock, async ({ data }, { tx, publish }) => {
      await tx.query('update stock set available = available - $2 where sku = $1', [data.sku, data.quantity])
      await tx.query('insert into reservation values ($1, $2, $3)', [data.orderId, data.sku, data.quantity])
      publish(StockReserved(data))
    })
  },
  payments: (bus) => {
    bus.group().on(RequestPayment, async ({ data }, { tx, publish }) => {
      await tx.query('insert into payment values ($1, $2)', [data.orderId, 100 * data.quantity])
      publish(PaymentTaken(data))
    })
  },
}
