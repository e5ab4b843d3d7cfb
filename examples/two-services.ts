import { createBus, stream } from '@acuse/core'
import { embedded, postgres } from '@acuse/postgres'
import { startEmbedded } from '@acuse/postgres/embedded'
import { z } from 'zod'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const packed = Promise.withResolvers<void>()
const server = await startEmbedded()
const messagesUrl = await server.createDatabase('messages')

// #region services
// A database for the messages, and one for each service. All three may be on different servers.
const transport = postgres({ connection: messagesUrl })
const shop = createBus({ service: 'web-shop', store: embedded(), transport })
const warehouse = createBus({ service: 'warehouse', store: embedded(), transport })

warehouse.group().on(OrderPlaced, ({ data, source }) => {
  console.log(`${data.orderId} of ${source} is packed`)
  packed.resolve()
})
await warehouse.start()
await shop.start()
await shop.publishNow(OrderPlaced({ orderId: 'A-1' })) // in the shop's own log first; its relay does the rest
// #endregion
await packed.promise
await shop.stop()
await warehouse.stop()
await server.stop()
