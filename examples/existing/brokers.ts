import { type Bus, nestEvents, plainEnvelope, stream } from '@acuse/core'
import { ordersAndInventory, rabbitmqExchange, rabbitmqQueue, topicExchange, topicQueue } from '@acuse/rabbitmq'
import { z } from 'zod'

const orders = stream('orders')
const order = z.object({ orderId: z.string(), total: z.number() })
export const OrderPlaced = orders.message('order.placed', { schema: order, key: ({ orderId }) => orderId })

/** What the examples have seen, for their test. */
export const seen: string[] = []

export function consumeTheirQueue<Tx>(bus: Bus<Tx>, url: string): void {
  // #region consume
  const legacy = rabbitmqQueue(url, 'legacy.orders', { declare: 'never', acceptRisks: ['loss'] })

  bus
    .from('legacy-orders', legacy, {
      id: ({ headers }) => headers['order-number'] ?? '',
      decode: ({ body }) => {
        const [orderId, total] = Buffer.from(body).toString().split(';')
        return { orderId, total: Number(total) }
      },
    })
    .on(OrderPlaced, async ({ data }) => {
      seen.push(`${data.orderId} costs ${data.total}`)
    })
  // #endregion
}

export function publishToTheirExchange<Tx>(bus: Bus<Tx>, url: string): void {
  // #region forward
  const theirs = rabbitmqExchange(url, 'shop.events', { codec: plainEnvelope(), mandatory: true })

  bus.forward('to-the-old-shop', [OrderPlaced], theirs)
  // #endregion
}

export function joinNest<Tx>(bus: Bus<Tx>, url: string): void {
  // #region nest
  const queue = rabbitmqQueue(url, 'nest.orders', { declare: 'never', acceptRisks: ['loss', 'order'] })

  bus
    .from('nest-orders', queue, {
      ...nestEvents,
      id: (message) => z.object({ orderId: z.string() }).parse(nestEvents.decode(message)).orderId,
    })
    .on(OrderPlaced, async ({ data }) => {
      seen.push(`${data.orderId} of Nest`)
    })

  bus.forward('to-nest', [OrderPlaced], rabbitmqExchange(url, 'nest.events', { codec: nestEvents }))
  // #endregion
}

export function runTheTopology<Tx>(inventory: Bus<Tx>, shop: Bus<Tx>, url: string): void {
  // #region topology
  const codec = plainEnvelope()

  inventory
    .from('inventory', topicQueue(url, ordersAndInventory, 'inventory.order_events'), { codec })
    .on(OrderPlaced, async ({ data }) => {
      seen.push(`${data.orderId} is reserved`)
    })

  shop.forward('events', [OrderPlaced], topicExchange(url, ordersAndInventory, 'orders.events', { codec }))
  // #endregion
}
